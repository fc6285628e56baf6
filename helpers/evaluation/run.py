"""Ask a model many cases and store every answer, so that a run can be stopped, continued and scored again.

Answers go to ``answers.jsonl``, one line each, written and synced as they come. After a run was killed at any
moment, the next run asks only the cases that are missing or have changed. Scores are computed from that file alone
(`helpers.evaluation.scores`). How cases are asked is in `helpers.evaluation.asking`, which answer belongs to which
question in `helpers.evaluation.kept_answers`; a cluster does the same with other files
(`helpers.evaluation.on_ray`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.evaluation.answer_file import (
    ANSWERS,
    check_output,
    explained,
    keep_only,
    only_run,
    read_answers,
    read_set_aside,
    write_answer,
)
from helpers.evaluation.answer_shards import FOLDER as ON_RAY
from helpers.evaluation.asked_model import asked_model
from helpers.evaluation.asking import Asked, ask_group, by_group, draw_prompts, versions
from helpers.evaluation.kept_answers import Asking, asked_anew, sort_out, state_of
from helpers.evaluation.marks import Answer, mark
from helpers.evaluation.scores import score
from helpers.parallel import one_ahead
from helpers.prompts import MAX_NEW_TOKENS
from helpers.storage import write_json

Scored = Callable[[str, Iterable[Answer]], dict[str, Any]]
ANOTHER = "Choose another output folder for each model and each set of cases."


def run_evaluation(
    chat: Any,
    cases: Sequence[Asked],
    output: str | os.PathLike[str],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_size: int = 16,
    scored: Scored | None = None,
) -> dict[str, Any]:
    """Ask ``chat`` every case that ``output`` has no answer to yet; write and return the scores.

    Cases of one group are asked together, those that show the same images in one session
    (`helpers.models.sessions`), and yes-or-no questions are then also answered by the likelihood of "yes" against
    "no" (``p_yes``). ``chat`` is a `ChatModel`, a `VllmModel`, which finds shared beginnings of prompts by itself,
    or any object with ``name`` and ``generate``, for which there are no sessions and no likelihoods. A model that
    takes several requests ``at_once`` (`helpers.endpoints`) is asked that many cases together, and the answers
    come in the order in which they are ready.

    An answer belongs to exactly one question. If the images, the words, the options, ``max_new_tokens``, the
    weights or the server's address have changed, the case is asked again, and the old answer goes to
    ``set_aside.jsonl``, from which it returns if its question is asked again. A case that fails is noted with its
    error, asked again by the next run, and never stops the others. Writes ``answers.jsonl``, ``run.json`` and
    ``scores.json`` into the folder ``output``. ``scored`` makes what ``scores.json`` holds of the model's name and
    the answers; by default `scores_of`.

    Raises:
        InputError: two cases have the same id; ``output`` holds answers of a model with another name or cannot be
            written; or another run is writing into it.
    """
    folder = check_output(output)
    if (folder / ON_RAY).is_dir():
        raise InputError(
            "The answers in this folder come from a run on Ray.",
            path=folder,
            remedy="Choose another output folder.",
        )
    asking = Asking(asked_model(chat), max_new_tokens)
    path = folder / ANSWERS
    with only_run(folder):
        known = read_answers(path, repair=True)
        check_name(known, chat.name, path)
        kept, missing = sort_out(cases, [*read_set_aside(folder), *known], asking)
        keep_only(folder, known, kept, {case.id for case in cases})
        run, record = folder / "run.json", asking.record(cases)
        with explained(folder):
            before = run.read_text(encoding="utf-8", errors="replace") if run.exists() else ""
            write_json(run, record)
        if anew := asked_anew(known, missing, before, record):
            print(anew)
        right = [mark(answer) for answer in kept]
        bar = tqdm(total=len(cases), initial=len(kept), desc=f"asking {chat.name}")
        with path.open("ab") as stream, bar:
            for answer in _answers_to(chat, missing, asking, batch_size):
                with explained(folder):
                    write_answer(stream, answer)
                bar.update()
                if "error" not in answer:
                    right.append(mark(answer))
                if right and scored is None:  # with ``scored``, answers may be neither right nor wrong
                    bar.set_postfix(score=f"{sum(right) / len(right):.2f}", refresh=False)
        scores = (scored or scores_of)(chat.name, read_answers(path))
        with explained(folder):
            write_json(folder / "scores.json", scores)
    return scores


def check_name(known: Iterable[Answer], model: str, path: str | os.PathLike[str]) -> None:
    """Raise `InputError` if the answers from ``path`` are those of a model with another name."""
    if others := {answer["model"] for answer in known} - {model}:
        raise InputError(
            f"This folder holds answers of {', '.join(sorted(others))}, not of {model}.", path=path, remedy=ANOTHER
        )


def scores_of(model: str, answers: Iterable[Answer]) -> dict[str, Any]:
    """The content of ``scores.json``: the model, its versions and engines, and the scores."""
    answers = list(answers)
    engines = sorted({answer["engine"] for answer in answers if answer.get("engine")})
    return {"model": model, **versions(), "engines": engines, **score(answers)}


def _answers_to(chat: Any, cases: Sequence[Asked], asking: Asking, batch_size: int) -> Iterator[Answer]:
    """Yield answers as they come: group by group from a model here, several cases together from a server.

    While a model here answers a group, the images of the next group are read.
    """
    at_once = getattr(chat, "at_once", 1)
    if at_once == 1:
        for drawn, states in one_ahead(_drawn, by_group(cases)):
            yield from _answers_of(chat, drawn, states, asking, batch_size)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        # A case reads its images when its turn comes, so memory holds at most ``at_once`` prompts.
        asked = [pool.submit(_answered, chat, case, asking) for case in cases]
        for future in as_completed(asked):
            yield from future.result()
    finally:  # an interrupted run waits for open requests, and sends no more
        pool.shutdown(cancel_futures=True)


def _answered(chat: Any, case: Asked, asking: Asking) -> list[Answer]:
    return list(_answers_of(chat, *_drawn([case]), asking, 1))


def _drawn(group: Sequence[Asked]) -> tuple[list[Any], dict[str, Any]]:
    """The prompts of a group, and the state of the files of each case."""
    # The state is looked up before the images are read. If a file changes meanwhile, its case is checked again.
    states = {case.id: state_of(case) for case in group}
    return draw_prompts(group), states


def _answers_of(
    chat: Any, drawn: list[Any], states: dict[str, Any], asking: Asking, batch_size: int
) -> Iterator[Answer]:
    for answer in ask_group(chat, drawn, asking.max_new_tokens, batch_size):
        yield asking.note(answer, states[answer["id"]])
