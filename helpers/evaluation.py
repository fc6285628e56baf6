"""Ask a model many cases and keep every answer, so that a run can be stopped, gone on with, and scored anew.

Answers go to ``answers.jsonl``, one line each, written and synced as they come. A run that was killed, at whatever
moment, asks on its next start what is missing and nothing twice. Scores are computed from that file alone
(`helpers.scores`). The parts are public, since a cluster does the same with other files (`helpers.distributed`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm

from helpers.answer_shards import FOLDER as ON_RAY
from helpers.errors import InputError
from helpers.files import make_folder, write_json
from helpers.models import ChatModel
from helpers.prompts import Message, images_of
from helpers.replies import Reply, parse_boxes, parse_final_answer
from helpers.scores import Answer, mark, score
from helpers.sessions import Session

BEGUN = "Final Answer:"  # what is put into the model's mouth to read its yes and no


class Asked(Protocol):
    """A question with its truth: a `helpers.cases.Case`, or a row of a user's own table (`helpers.labelled`)."""

    id: str
    kind: str  # "ct", "mri", "slide", "image" ...
    group: str  # of cases about one volume or patient, which are not independent
    condition: str  # "" where there is none
    options: Sequence[str]  # what can be answered; empty for a sentence or boxes
    truth: str  # an option, a sentence, or a JSON list of one box

    @property
    def messages(self) -> list[Message]:
        """The prompt."""


def run_evaluation(
    chat: Any,
    cases: Sequence[Asked],
    output: str | os.PathLike[str],
    *,
    max_new_tokens: int = 512,
    batch_size: int = 8,
) -> dict[str, Any]:
    """Ask ``chat`` every case that ``output`` has no answer to yet; write and return the scores.

    Cases of one group are asked together, those that show the same images in one session
    (`helpers.sessions`), and yes-or-no questions are then also answered by the likelihood of "yes" against "no"
    (``p_yes``). ``chat`` is a `ChatModel`, or anything with its ``name`` and ``generate``, which has neither. One
    that takes several requests ``at_once`` (`helpers.endpoints`) is asked so many cases together, and the answers
    come in the order in which they are ready.

    A case that fails is noted with its error, asked again by the next run, and never stops the others. Writes
    ``answers.jsonl`` and ``scores.json`` into the folder ``output``.

    Raises:
        InputError: two cases have one id, or ``output`` holds answers of another model or to other questions.
    """
    folder = make_folder(output)
    path = folder / "answers.jsonl"
    if (folder / ON_RAY).is_dir():
        raise InputError(
            "The answers here are those of a run on Ray.", path=folder, remedy="Choose another output folder."
        )
    known = {answer["id"]: answer for answer in read_answers(path, repair=True)}
    missing = unanswered(cases, known, chat.name, path)
    right = [mark(a) for a in known.values() if "error" not in a]
    bar = tqdm(total=len(cases), initial=len(cases) - len(missing), desc=f"asking {chat.name}")
    with path.open("ab") as stream, bar:
        for answer in _answers_to(chat, missing, max_new_tokens, batch_size):
            stream.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
            bar.update()
            if "error" not in answer:
                right.append(mark(answer))
            bar.set_postfix(score=f"{sum(right) / max(1, len(right)):.2f}")
    wanted = {case.id for case in cases}
    scores = scores_of(chat.name, (a for a in read_answers(path) if a["id"] in wanted))
    write_json(folder / "scores.json", scores)
    return scores


def read_answers(path: str | os.PathLike[str], *, repair: bool = False) -> list[Answer]:
    """The answers in a file, the last one of each case. None if there is no file yet.

    A run that was killed while it wrote leaves a last line without an end; it is passed over, and with ``repair``
    cut off. Raises `InputError` for any other line that is no answer.
    """
    path = Path(path)
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if repair and whole < len(content):
        os.truncate(path, whole)
    answers: dict[str, Answer] = {}
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            answer = json.loads(line)
            answers[answer["id"]] = answer
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"Line {number} is not an answer.", path=path, remedy="Delete that line; its case is asked again."
            ) from error
    return list(answers.values())


def unanswered(
    cases: Sequence[Asked], known: Mapping[str, Answer], model: str, path: str | os.PathLike[str]
) -> list[Asked]:
    """The cases without an answer among ``known`` (by id, read from ``path``), or with an error in its place.

    Raises `InputError` where two cases have one id, and where an answer is another model's or to another question.
    """
    ids: set[str] = set()
    remedy = "Choose another output folder for each model and each set of cases."
    if others := {answer["model"] for answer in known.values()} - {model}:
        raise InputError(
            f"These are answers of {', '.join(sorted(others))}, not of {model}.", path=path, remedy=remedy
        )
    for case in cases:
        if case.id in ids:
            raise InputError(f"Two cases are called {case.id!r}.", remedy="Give each case an id of its own.")
        ids.add(case.id)
        answer = known.get(case.id, {"error": ""})
        if "error" not in answer and (answer["form"], answer["truth"]) != form_of(case):
            raise InputError(f"The answer to {case.id} is to another question.", path=path, remedy=remedy)
    return [case for case in cases if "error" in known.get(case.id, {"error": ""})]


def scores_of(model: str, answers: Iterable[Answer]) -> dict[str, Any]:
    """What ``scores.json`` holds: the model, the versions of what ran it, and the scores."""
    return {"model": model, **_versions(), **score(answers)}


def _answers_to(chat: Any, cases: Sequence[Asked], limit: int, batch_size: int) -> Iterator[Answer]:
    """Answers as they come: group by group from a model here, several cases together from a server."""
    at_once = getattr(chat, "at_once", 1)
    if at_once == 1:
        for group in by_group(cases):
            yield from ask_group(chat, draw_prompts(group), limit, batch_size)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        # A case draws its images when its turn comes, so no more than at_once prompts are held.
        asked = [
            pool.submit(lambda case: list(ask_group(chat, draw_prompts([case]), limit)), case) for case in cases
        ]
        for future in as_completed(asked):
            yield from future.result()
    finally:  # an interrupted run waits for what is on its way, and asks nothing more
        pool.shutdown(cancel_futures=True)


def by_group(cases: Iterable[Asked]) -> list[list[Asked]]:
    """Cases that may share images. A patient's files are taken one by one, since a group is held in memory."""
    groups: dict[tuple[str, Any], list[Asked]] = {}
    for case in cases:
        groups.setdefault((case.group, getattr(case, "path", None)), []).append(case)
    return list(groups.values())


def draw_prompts(cases: Iterable[Asked]) -> list[tuple[Asked, list[Message] | str]]:
    """Each case with its prompt, its images read and drawn, or with the reason why there is none."""
    drawn: list[tuple[Asked, list[Message] | str]] = []
    for case in cases:
        try:
            drawn.append((case, case.messages))
        except Exception as error:  # a file that cannot be read is that case's, not the run's
            drawn.append((case, reason(error)))
    return drawn


def ask_group(
    chat: Any, drawn: Iterable[tuple[Asked, list[Message] | str]], max_new_tokens: int = 512, batch_size: int = 8
) -> Iterator[Answer]:
    """Answers to drawn cases of one group, each batch as soon as it is there; errors take the place of answers."""
    ready: list[tuple[Asked, list[Message]]] = []
    for case, prompt in drawn:
        if isinstance(prompt, str):
            yield failed_answer(chat.name, case, prompt)
        else:
            ready.append((case, prompt))
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
                    if "error" not in answer:  # its share of reading the images
                        answer["seconds"] = round(answer["seconds"] + session.seconds / len(fitting), 4)
                    yield answer
        asked = {case.id for case, _ in fitting}
        ready = [pair for pair in ready if pair[0].id not in asked]


def _ask_alone(chat: Any, case: Asked, prompt: list[Message], limit: int) -> Answer:
    try:
        return _answer(chat, case, prompt, chat.generate(prompt, max_new_tokens=limit))
    except Exception as error:
        return failed_answer(chat.name, case, reason(error))


def _ask_batch(
    chat: ChatModel, session: Session, batch: Sequence[tuple[Asked, list[Message]]], limit: int
) -> list[Answer]:
    """Answers to a batch of a session's prompts; if it fails, to each of them alone, to find the one at fault."""
    prompts = [prompt for _, prompt in batch]
    try:
        replies = session.generate_all(prompts, batch_size=len(batch), max_new_tokens=limit)
        closed = [prompt for case, prompt in batch if set(case.options) == {"yes", "no"}]
        shares = iter(yes_shares(session, closed) if closed else [])
    except Exception as error:
        if len(batch) == 1:
            return [failed_answer(chat.name, batch[0][0], reason(error))]
        return [answer for pair in batch for answer in _ask_batch(chat, session, [pair], limit)]
    return [
        _answer(chat, case, prompt, reply, next(shares) if set(case.options) == {"yes", "no"} else None)
        for (case, prompt), reply in zip(batch, replies, strict=True)
    ]


def yes_shares(session: Session, prompts: Sequence[list[Message]]) -> list[float]:
    """The likelihood of "yes" of yes and no, after each prompt and "Final Answer:": one forward pass, no argument.

    0 to 1. It is a score to rank cases by (AUROC); whether 0.8 means 80 % is what a calibration plot shows.
    """
    tokenizer = session.chat.processor.tokenizer
    words = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in ("yes", "no")]
    logits = session.next_token(prompts, BEGUN, batch_size=len(prompts))[:, words]
    return torch.softmax(logits.float(), dim=-1)[:, 0].tolist()


def _answer(chat: Any, case: Asked, prompt: list[Message], reply: Reply, p_yes: float | None = None) -> Answer:
    form, truth = form_of(case)
    parsed = {
        "choice": lambda: parse_final_answer(reply.text, case.options),
        "box": lambda: parse_boxes(reply.text),
    }
    return {
        **_about(chat.name, case),
        "form": form,
        "prompt": _hash(prompt),
        "text": reply.text,
        "thinking": reply.thinking,
        "parsed": parsed[form]() if form in parsed else None,
        "truth": truth,
        "options": list(case.options),
        "p_yes": None if p_yes is None else round(p_yes, 6),
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "finished": reply.finished,
        "seconds": round(reply.seconds, 4),
    }


def form_of(case: Asked) -> tuple[str, Any]:
    """How a case is marked, "choice", "box" or "text", and its truth in that form."""
    if case.options:
        return "choice", case.truth
    boxes = parse_boxes(case.truth)
    return ("box", boxes[0]) if boxes else ("text", case.truth)


def failed_answer(model: str, case: Asked, why: str) -> Answer:
    """What is kept of a case that was not answered; the next run asks it again."""
    return {**_about(model, case), "error": why}


def reason(error: Exception) -> str:
    """An error as it is kept with a case."""
    return f"{type(error).__name__}: {error}"


def _about(model: str, case: Asked) -> Answer:
    about = {name: getattr(case, name) for name in ("id", "kind", "group", "condition")}
    return {**about, "model": model, **_versions()}


@functools.cache  # reads files, and stands in every answer
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("medgemma-tutorials", "transformers", "torch")}


def _hash(prompt: list[Message]) -> str:
    """Of the words and pixels of a prompt, so that two runs can be told to have asked the same."""
    digest = hashlib.sha256()
    for turn in prompt:
        for part in turn["content"]:
            image = part.get("image")
            digest.update(part["text"].encode() if image is None else image.tobytes())
    return digest.hexdigest()[:16]
