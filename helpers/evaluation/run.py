"""Ask a model many cases and keep every answer, so that a run can be stopped, gone on with, and scored anew.

Answers go to ``answers.jsonl``, one line each, written and synced as they come. A run that was killed, at whatever
moment, asks on its next start what is missing and nothing twice. Scores are computed from that file alone
(`helpers.evaluation.scores`). How cases are asked is in `helpers.evaluation.asking`; a cluster does the same with
other files (`helpers.evaluation.on_ray`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.evaluation.answer_shards import FOLDER as ON_RAY
from helpers.evaluation.asking import Asked, ask_group, by_group, draw_prompts, form_of, versions
from helpers.evaluation.scores import Answer, mark, score
from helpers.storage import make_folder, write_json


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
    (`helpers.models.sessions`), and yes-or-no questions are then also answered by the likelihood of "yes" against
    "no" (``p_yes``). ``chat`` is a `ChatModel`, a `VllmModel`, which sees by itself what prompts have in common,
    or anything with ``name`` and ``generate``, which has neither. One that takes several requests ``at_once``
    (`helpers.endpoints`) is asked so many cases together, and the answers come in the order in which they are
    ready.

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
    """What ``scores.json`` holds: the model, the versions and engines of what ran it, and the scores."""
    answers = list(answers)
    engines = sorted({answer["engine"] for answer in answers if answer.get("engine")})
    return {"model": model, **versions(), "engines": engines, **score(answers)}


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
