"""Score the stand-in on held-out teaching cases: ``python -m helpers.standin.scoring --seed 2000000``.

The figures are the stand-in's own, on cases made from the few images that it was trained on. They say that the
code works from pixels to answer; they say nothing about medicine or about MedGemma.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from PIL import Image

from helpers.evaluation import read_answers, run_evaluation, wilson
from helpers.models import ChatModel, load_model
from helpers.prompts import CT_WINDOWS, Message, with_images
from helpers.standin.talking import LIMIT, talk
from helpers.teaching import A_VOLUME, HELD_OUT, Case, generate
from helpers.volumes import apply_window

SCORED = ("ct", "mri", "slide", "image", "box", "change", "text")


def score(
    chat: ChatModel,
    n: int,
    seed: int,
    *,
    kinds: Iterable[str] = SCORED,
    control: Callable[[Case, Case], list[Message]] | None = None,
) -> dict[str, Any]:
    """Scores by kind of case and by condition, with 95 % intervals, as `helpers.evaluation.scores` gives them.

    ``n`` cases of each kind are asked; for CT and MRI, the questions about ``n`` volumes. Questions to be declined
    are counted apart, by the share of them that the stand-in declined. ``control`` makes another prompt from a
    case and one of other images, as `swapped`, `removed` and `wide_window` do.
    """
    cases = []
    for kind in kinds:
        a_volume = A_VOLUME if kind in ("ct", "mri") else 1
        drawn = generate(kind, n * a_volume, seed)
        if control:
            others = drawn[a_volume:] + drawn[:a_volume]
            drawn = [_controlled(case, other, control) for case, other in zip(drawn, others, strict=True)]
        cases += drawn
    declined = {case.id for case in cases if case.is_declined}
    with tempfile.TemporaryDirectory() as folder:
        scores = run_evaluation(
            chat, [c for c in cases if c.id not in declined], f"{folder}/asked", max_new_tokens=LIMIT
        )
        run_evaluation(chat, [c for c in cases if c.id in declined], f"{folder}/declined", max_new_tokens=LIMIT)
        said = [a["text"] == a["truth"] for a in read_answers(f"{folder}/declined/answers.jsonl")]
    if said:
        low, high = wilson(sum(said), len(said))
        share = {
            "mean": round(sum(said) / len(said), 4),
            "n": len(said),
            "interval": [round(low, 4), round(high, 4)],
        }
        scores["declined"] = share
    return {"seed": seed, **scores}


def _controlled(case: Case, other: Case, control: Callable[[Case, Case], list[Message]]) -> Case:
    return replace(case, make=lambda: control(case, other))


def swapped(case: Case, other: Case) -> list[Message]:
    """Control: the words of a case with the images of another. A model that looks falls back to guessing."""
    return with_images(case.messages, itertools.cycle(other.images or case.images))


def removed(case: Case, _: Case) -> list[Message]:
    """Control: the words of a case alone, without any image."""
    *before, turn = case.messages
    return [*before, {**turn, "content": [part for part in turn["content"] if part["type"] != "image"]}]


def wide_window(case: Case, _: Case) -> list[Message]:
    """Control: a CT with the wide window in all colours; blood is then 5 of 256 levels from brain, not 120."""
    grey = apply_window(case.volume().slices(case.record["slices"]), *CT_WINDOWS["wide"])
    return with_images(case.messages, [Image.fromarray(plane).convert("RGB") for plane in grey])


CONTROLS = {"swapped": swapped, "removed": removed, "wide-window": wide_window}


def main() -> None:
    """Print one JSON line on standard output; all else goes to standard error."""
    parser = argparse.ArgumentParser(description="Score the stand-in on held-out teaching cases.")
    parser.add_argument("--model", default="standin")
    parser.add_argument("--seed", type=int, default=2_000_000, help="above 1,000,000: never trained on")
    parser.add_argument("--n", type=int, default=60, help="cases of each kind; of CT and MRI, volumes")
    parser.add_argument(
        "--control", choices=list(CONTROLS), help="spoil the images, to test whether the model uses them"
    )
    options = parser.parse_args()
    if options.seed <= HELD_OUT:
        parser.error(f"seeds up to {HELD_OUT:,} are for training")
    kinds = ["ct"] if options.control == "wide-window" else SCORED
    with contextlib.redirect_stdout(sys.stderr):
        chat = load_model(options.model)
        result = score(chat, options.n, options.seed, kinds=kinds, control=CONTROLS.get(options.control))
        if not options.control:
            result["in other words"] = talk(chat, options.seed)
    print(json.dumps({"control": options.control, **result}))


if __name__ == "__main__":
    main()
