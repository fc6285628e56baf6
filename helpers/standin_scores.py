"""Score the stand-in on held-out teaching cases: ``python -m helpers.standin_scores --seed 2000000``.

The figures are the stand-in's own, on cases made from the few images that it was trained on. They say that the
code works from pixels to answer; they say nothing about medicine or about MedGemma.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from PIL import Image
from tqdm.auto import tqdm

from helpers.cases import CASES, HELD_OUT, NOT_LEARNED, Case, generate
from helpers.models import ChatModel, load_model
from helpers.prompts import Message
from helpers.protocol import CT_WINDOWS
from helpers.scores import wilson
from helpers.volumes import apply_window


def is_right(case: Case, text: str) -> bool:
    """Whether a reply gives the truth: by its final answer where one is asked for, else word for word."""
    if case.answer.endswith(f"Final Answer: {case.truth}"):
        return text.endswith(f"Final Answer: {case.truth}")
    return text == case.answer


def score(
    chat: ChatModel,
    n: int,
    seed: int,
    *,
    kinds: Iterable[str] = tuple(CASES),
    control: Callable[[Case, Case], list[Message]] | None = None,
) -> dict[str, Any]:
    """Share of right answers by kind of case, with its 95 % Wilson interval; ``n`` cases of each kind are asked.

    Questions that the stand-in is to decline are counted apart ("ct, to decline"), so that "ct" and "mri" are yes
    or no, balanced, with chance at one half. ``control`` makes another prompt from a case and the one after it, as
    `swapped` and `wide_window` do.
    """
    marks: dict[str, list[bool]] = {}
    for kind in kinds:
        cases = generate(kind, n, seed)
        for k, case in enumerate(tqdm(cases, desc=kind, leave=False)):
            messages = control(case, cases[(k + 1) % n]) if control else case.messages
            group = f"{kind}, to decline" if case.truth == NOT_LEARNED else kind
            reply = chat.generate(messages, max_new_tokens=64)
            marks.setdefault(group, []).append(is_right(case, reply.text))
    scores = {
        group: {
            "accuracy": round(sum(m) / len(m), 3),
            "interval": [round(end, 3) for end in wilson(sum(m), len(m))],
            "n": len(m),
        }
        for group, m in marks.items()
    }
    return {"model": chat.name, "seed": seed, "scores": scores}


def swapped(case: Case, other: Case) -> list[Message]:
    """Control: the words of a case with the images of another. A model that looks falls back to guessing."""
    return _with_images(case, other.images or case.images)


def wide_window(case: Case, _: Case) -> list[Message]:
    """Control: a CT with the wide window in all colours; blood is then 5 of 256 levels from brain, not 120."""
    grey = apply_window(case.volume().slices(case.record["slices"]), *CT_WINDOWS["wide"])
    return _with_images(case, [Image.fromarray(plane).convert("RGB") for plane in grey])


CONTROLS = {"swapped": swapped, "wide-window": wide_window}


def _with_images(case: Case, images: list[Image.Image]) -> list[Message]:
    """A case's prompt with other images, taken again from the first where they do not suffice."""
    source = itertools.cycle(images)
    content = [
        {"type": "image", "image": next(source)} if part["type"] == "image" else part
        for part in case.messages[-1]["content"]
    ]
    return [*case.messages[:-1], {"role": "user", "content": content}]


def _interval(marks: list[bool]) -> list[float]:
    return [round(end, 3) for end in wilson(sum(marks), len(marks))]


def main() -> None:
    """Print one JSON line on standard output; all else goes to standard error."""
    parser = argparse.ArgumentParser(description="Score the stand-in on held-out teaching cases.")
    parser.add_argument("--model", default="standin")
    parser.add_argument("--seed", type=int, default=2_000_000, help="above 1,000,000: never trained on")
    parser.add_argument("--n", type=int, default=60, help="cases of each kind")
    parser.add_argument("--control", choices=list(CONTROLS), help="spoil the images, to see that they matter")
    options = parser.parse_args()
    if options.seed <= HELD_OUT:
        parser.error(f"seeds up to {HELD_OUT:,} are for training")
    kinds = ["ct"] if options.control == "wide-window" else list(CASES)
    with contextlib.redirect_stdout(sys.stderr):
        chat = load_model(options.model)
        result = score(chat, options.n, options.seed, kinds=kinds, control=CONTROLS.get(options.control))
    print(json.dumps({"control": options.control, **result}))


if __name__ == "__main__":
    main()
