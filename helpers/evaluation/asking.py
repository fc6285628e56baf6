"""Ask a model cases, group by group, and keep the facts of each answer.

The model may be on this machine, where cases that show the same images share one reading of them, or in an engine
that takes many prompts at once, or on a server.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from helpers.errors import InputError
from helpers.evaluation.likelihood import UNKNOWN, of_model, of_server
from helpers.evaluation.marks import Answer
from helpers.prompts import (
    MAX_NEW_TOKENS,
    Message,
    Reply,
    images_of,
    is_runaway,
    parse_boxes,
    parse_final_answer,
    prompt_key,
    read_truth_boxes,
)

if TYPE_CHECKING:
    from helpers.models import ChatModel, Session, VllmModel


class Asked(Protocol):
    """A question with its truth: a `helpers.teaching.Case`, or a row of a user's own table (`LabelledCase`)."""

    id: str
    kind: str  # "ct", "mri", "slide", "image" ...
    group: str  # the same for cases about one volume or patient, which are not independent
    condition: str  # "" if there is none
    options: Sequence[str]  # the possible answers; empty for any other question
    truth: str  # an option, a sentence, a JSON list with one box or none, or a number (``quantity``)

    @property
    def messages(self) -> list[Message]:
        """The prompt."""


def by_group(cases: Iterable[Asked]) -> list[list[Asked]]:
    """Group cases that may share images, by file and not by patient: memory holds the images of two groups."""
    groups: dict[tuple[str, Any], list[Asked]] = {}
    for case in cases:
        groups.setdefault((case.group, getattr(case, "path", None)), []).append(case)
    return list(groups.values())


def draw_prompts(cases: Iterable[Asked]) -> list[tuple[Asked, list[Message] | str]]:
    """Each case with its prompt and its images, or with the reason why it has none."""
    drawn: list[tuple[Asked, list[Message] | str]] = []
    for case in cases:
        try:
            drawn.append((case, case.messages))
        except Exception as error:  # a file that cannot be read fails its case, not the run
            drawn.append((case, reason(error)))
    return drawn


def ask_group(
    chat: Any,
    drawn: Iterable[tuple[Asked, list[Message] | str]],
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_size: int = 16,
) -> Iterator[Answer]:
    """Yield answers to cases of one group, each batch as soon as it is complete. A failed case gives its error.

    vLLM gets all prompts at once and makes batches of its own.
    """
    from helpers.models import ChatModel, VllmModel  # loads torch, which a report of answers does not need

    ready: list[tuple[Asked, list[Message]]] = []
    for case, prompt in drawn:
        if isinstance(prompt, str):
            yield failed_answer(chat.name, case, prompt)
        else:
            ready.append((case, prompt))
    if isinstance(chat, VllmModel):  # it finds shared beginnings of prompts by itself
        fitting = []
        for case, prompt in ready:
            try:
                chat.count_tokens(prompt)
                fitting.append((case, prompt))
            except InputError as error:
                yield failed_answer(chat.name, case, reason(error))
        yield from _ask_batch(chat, chat, fitting, max_new_tokens) if fitting else ()
        return
    while ready:
        first, prompt = ready[0]
        if not (isinstance(chat, ChatModel) and images_of(prompt)):
            yield _ask_alone(chat, *ready.pop(0), max_new_tokens)
            continue
        try:
            session = chat.session(prompt)
        except Exception as error:
            yield failed_answer(chat.name, first, reason(error))
            ready.pop(0)
            continue
        with session:
            fitting = [pair for pair in ready if session.fits(pair[1])]
            for start in range(0, len(fitting), batch_size):
                for answer in _ask_batch(chat, session, fitting[start : start + batch_size], max_new_tokens):
                    if "error" not in answer:  # adds its share of the time to read the images
                        answer["seconds"] = round(answer["seconds"] + session.seconds / len(fitting), 4)
                    yield answer
        asked = {case.id for case, _ in fitting}
        ready = [pair for pair in ready if pair[0].id not in asked]


def _ask_alone(chat: Any, case: Asked, prompt: list[Message], limit: int) -> Answer:
    try:
        if hasattr(chat, "recorded"):  # a `helpers.models.RecordedModel`
            reply, likelihoods = chat.recorded(prompt, limit)
            return _answer(chat, case, prompt, reply, likelihoods or UNKNOWN)
        if _is_yes_no(case) and hasattr(chat, "generate_with_likelihoods"):  # a model of `helpers.endpoints`
            reply, steps = chat.generate_with_likelihoods(prompt, max_new_tokens=limit)
            return _answer(chat, case, prompt, reply, of_server(reply, steps))
        return _answer(chat, case, prompt, chat.generate(prompt, max_new_tokens=limit))
    except Exception as error:
        return failed_answer(chat.name, case, reason(error))


def _ask_batch(
    chat: ChatModel | VllmModel,
    asker: Session | VllmModel,
    batch: Sequence[tuple[Asked, list[Message]]],
    limit: int,
) -> list[Answer]:
    """Ask prompts together. If this fails, ask each of them alone to find the faulty one."""
    prompts = [prompt for _, prompt in batch]
    try:
        replies = asker.generate_all(prompts, batch_size=len(batch), max_new_tokens=limit)
        closed = [k for k, (case, prompt) in enumerate(batch) if _is_yes_no(case) and images_of(prompt)]
        found = of_model(chat, asker, [prompts[k] for k in closed], [replies[k] for k in closed]) if closed else []
        likelihoods = dict(zip(closed, found, strict=True))
        if hasattr(chat, "keep_likelihoods"):  # true if its replies are recorded
            for k, values in likelihoods.items():
                chat.keep_likelihoods(prompts[k], limit, values)
    except Exception as error:
        if len(batch) == 1:
            return [failed_answer(chat.name, batch[0][0], reason(error))]
        return [answer for pair in batch for answer in _ask_batch(chat, asker, [pair], limit)]
    return [
        _answer(chat, case, prompt, reply, likelihoods.get(k, UNKNOWN))
        for k, ((case, prompt), reply) in enumerate(zip(batch, replies, strict=True))
    ]


def _is_yes_no(case: Asked) -> bool:
    return set(case.options) == {"yes", "no"}


def _answer(
    chat: Any, case: Asked, prompt: list[Message], reply: Reply, likelihoods: dict[str, float | None] = UNKNOWN
) -> Answer:
    truth = truth_of(case)
    return {
        **about_case(case),
        **_by(chat.name),
        "engine": getattr(chat, "engine", None),  # not known for a server
        **truth,
        "prompt": prompt_key(prompt),
        "text": reply.text,
        "thinking": reply.thinking,
        "parsed": parsed_of(case, truth["form"], reply),
        "options": list(case.options),
        **likelihoods,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "finished": reply.finished,
        "runaway": is_runaway(reply.text or reply.thinking),
        "seconds": round(reply.seconds, 4),
    }


def truth_of(case: Asked) -> Answer:
    """The fields of a case that its answer needs for marking: ``form``, ``truth``, and for a number
    `Quantity.kept`.

    Raises `InputError` as `form_of` does.
    """
    form, truth = form_of(case)
    return {"form": form, "truth": truth, **(case.quantity.kept if form == "number" else {})}


def parsed_of(case: Asked, form: str, reply: Reply) -> Any:
    """The answer of a reply in the form of its question; None for a sentence, and if the reply cannot be read."""
    if form == "choice":
        return reply.read(lambda text: parse_final_answer(text, case.options))
    if form == "number":
        return reply.read(case.quantity.read)
    return reply.read(parse_boxes) if form == "box" else None


def form_of(case: Asked) -> tuple[str, Any]:
    """How a case is marked, "choice", "number", "box" or "text", and its truth in that form.

    If the case has a ``quantity`` (`helpers.evaluation.Quantity`), the truth is a number in its unit. If nothing
    is there to box, it is the empty list. Raises `InputError` for a truth that is not that number, and for one
    that begins like boxes and is not one box, or none.
    """
    if case.options:
        return "choice", case.truth
    if (quantity := getattr(case, "quantity", None)) is not None:
        return "number", quantity.read_truth(case.truth)
    if not case.truth.startswith("["):
        return "text", case.truth
    boxes = read_truth_boxes(case.truth)
    if len(boxes) > 1:
        raise InputError(
            f"The truth of {case.id} holds {len(boxes)} boxes.", remedy="Write one box, or [] for no box."
        )
    return "box", boxes[0] if boxes else []


def failed_answer(model: str, case: Asked, why: str) -> Answer:
    """The record of a case that was not answered. The next run asks it again."""
    return {**about_case(case), **_by(model), "error": why}


def reason(error: Exception) -> str:
    """The text of an error that is stored with a case."""
    return f"{type(error).__name__}: {error}"


def about_case(case: Asked) -> Answer:
    """The fields of a case that its answer keeps: names, and its question and the path of its images, if it has
    them.
    """
    about: Answer = {name: getattr(case, name) for name in ("id", "kind", "group", "condition")}
    if question := getattr(case, "question", ""):
        about["question"] = question
    if path := getattr(case, "path", None):
        about["path"] = str(Path(os.fspath(path)).absolute())
    return about


def _by(model: str) -> Answer:
    return {"model": model, **versions()}


@functools.cache  # it reads files, and every answer needs it
def versions() -> dict[str, str]:
    """The versions of this package, transformers and torch."""
    return {name: version(name) for name in ("medgemma-tutorials", "transformers", "torch")}
