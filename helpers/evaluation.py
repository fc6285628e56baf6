"""Ask a model many cases and keep every answer, so that a run can be stopped, gone on with, and scored anew.

Answers go to ``answers.jsonl``, one line each, written and synced as they come. A run that was killed, at whatever
moment, asks on its next start what is missing and nothing twice. Scores are computed from that file alone
(`helpers.scores`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm

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
    _check_ids(cases)
    known = {answer["id"]: answer for answer in read_answers(path, repair=True)}
    _check_same(known, chat.name, cases, path)
    missing = [case for case in cases if case.id not in known or "error" in known[case.id]]
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
    scores = score(a for a in read_answers(path) if a["id"] in wanted)
    scores = {"model": chat.name, **_versions(), **scores}
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


def _answers_to(chat: Any, cases: Sequence[Asked], limit: int, batch_size: int) -> Iterator[Answer]:
    """Answers as they come: group by group from a model here, several cases together from a server."""
    at_once = getattr(chat, "at_once", 1)
    if at_once == 1:
        for group in _by_group(cases):
            yield from _ask_group(chat, group, limit, batch_size)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        # A case draws its images when its turn comes, so no more than at_once prompts are held.
        asked = [pool.submit(lambda case: list(_ask_group(chat, [case], limit, 1)), case) for case in cases]
        for future in as_completed(asked):
            yield from future.result()
    finally:  # an interrupted run waits for what is on its way, and asks nothing more
        pool.shutdown(cancel_futures=True)


def _by_group(cases: Iterable[Asked]) -> list[list[Asked]]:
    """Cases that may share images. A patient's files are taken one by one, since a group is held in memory."""
    groups: dict[tuple[str, Any], list[Asked]] = {}
    for case in cases:
        groups.setdefault((case.group, getattr(case, "path", None)), []).append(case)
    return list(groups.values())


def _ask_group(chat: Any, cases: list[Asked], limit: int, batch_size: int) -> Iterator[Answer]:
    """Answers to cases of one group, each batch as soon as it is there."""
    ready: list[tuple[Asked, list[Message]]] = []
    for case in cases:
        try:
            ready.append((case, case.messages))
        except Exception as error:  # a file that cannot be read is that case's, not the run's
            yield _failed(chat, case, error)
    while ready:
        first, prompt = ready[0]
        if not (isinstance(chat, ChatModel) and images_of(prompt)):
            yield _ask_alone(chat, *ready.pop(0), limit)
            continue
        try:
            session = chat.session(prompt)
        except Exception as error:
            yield _failed(chat, first, error)
            ready.pop(0)
            continue
        with session:
            fitting = [pair for pair in ready if session.fits(pair[1])]
            for start in range(0, len(fitting), batch_size):
                for answer in _ask_batch(chat, session, fitting[start : start + batch_size], limit):
                    if "error" not in answer:  # its share of reading the images
                        answer["seconds"] = round(answer["seconds"] + session.seconds / len(fitting), 4)
                    yield answer
        asked = {case.id for case, _ in fitting}
        ready = [pair for pair in ready if pair[0].id not in asked]


def _ask_alone(chat: Any, case: Asked, prompt: list[Message], limit: int) -> Answer:
    try:
        return _answer(chat, case, prompt, chat.generate(prompt, max_new_tokens=limit))
    except Exception as error:
        return _failed(chat, case, error)


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
            return [_failed(chat, batch[0][0], error)]
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
        **_about(chat, case),
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


def _failed(chat: Any, case: Asked, error: Exception) -> Answer:
    return {**_about(chat, case), "error": f"{type(error).__name__}: {error}"}


def _about(chat: Any, case: Asked) -> Answer:
    about = {name: getattr(case, name) for name in ("id", "kind", "group", "condition")}
    return {**about, "model": chat.name, **_versions()}


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


def _check_ids(cases: Iterable[Asked]) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise InputError(f"Two cases are called {case.id!r}.", remedy="Give each case an id of its own.")
        seen.add(case.id)


def _check_same(known: dict[str, Answer], name: str, cases: Iterable[Asked], path: Path) -> None:
    remedy = "Choose another output folder for each model and each set of cases."
    others = {answer["model"] for answer in known.values()} - {name}
    if others:
        raise InputError(
            f"These are answers of {', '.join(sorted(others))}, not of {name}.", path=path, remedy=remedy
        )
    for case in cases:
        answer = known.get(case.id, {"error": ""})
        if "error" not in answer and (answer["form"], answer["truth"]) != form_of(case):
            raise InputError(f"The answer to {case.id} is to another question.", path=path, remedy=remedy)
