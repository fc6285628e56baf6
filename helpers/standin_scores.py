"""Score the stand-in on held-out teaching cases: ``python -m helpers.standin_scores --seed 2000000``.

The figures are the stand-in's own, on cases made from the few images that it was trained on. They say that the
code works from pixels to answer; they say nothing about medicine or about MedGemma.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from typing import Any

from tqdm.auto import tqdm

from helpers.cases import CASES, HELD_OUT, NOT_LEARNED, Case, generate
from helpers.models import ChatModel, load_model


def is_right(case: Case, text: str) -> bool:
    """Whether a reply gives the truth: by its final answer where one is asked for, else word for word."""
    if case.answer.endswith(f"Final Answer: {case.truth}"):
        return text.endswith(f"Final Answer: {case.truth}")
    return text == case.answer


def score(chat: ChatModel, n: int, seed: int, *, swapped: bool = False) -> dict[str, Any]:
    """Share of right answers by kind of case, with its 95 % Wilson interval; ``n`` cases of each kind are asked.

    Questions that the stand-in is to decline are counted apart ("ct, to decline"), so that "ct" and "mri" are yes
    or no, balanced, with chance at one half. ``swapped`` gives each case the images of the next, as a control: a
    model that looks at its images falls back to what can be guessed.
    """
    marks: dict[str, list[bool]] = {}
    for kind in CASES:
        cases = generate(kind, n, seed)
        for k, case in enumerate(tqdm(cases, desc=kind, leave=False)):
            messages = _with_images_of(case, cases[(k + 1) % n]) if swapped else case.messages
            group = f"{kind}, to decline" if case.truth == NOT_LEARNED else kind
            reply = chat.generate(messages, max_new_tokens=64)
            marks.setdefault(group, []).append(is_right(case, reply.text))
    scores = {
        group: {"accuracy": round(sum(m) / len(m), 3), "interval": wilson(sum(m), len(m)), "n": len(m)}
        for group, m in marks.items()
    }
    return {"seed": seed, "swapped": swapped, "scores": scores}


def _with_images_of(case: Case, other: Case) -> list[dict[str, Any]]:
    """The words of ``case`` with the images of ``other``, as many as there are."""
    images = itertools.cycle(other.images or case.images)
    content = [
        {"type": "image", "image": next(images)} if part["type"] == "image" else part
        for part in case.messages[-1]["content"]
    ]
    return [*case.messages[:-1], {"role": "user", "content": content}]


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 22:209, 1927)."""
    p, spread = right / n, z * math.sqrt(right / n * (1 - right / n) / n + z**2 / (4 * n**2))
    low, high = ((p + z**2 / (2 * n) + sign * spread) / (1 + z**2 / n) for sign in (-1, 1))
    return round(max(0.0, low), 3), round(min(1.0, high), 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Score the stand-in on held-out teaching cases.")
    parser.add_argument("--model", default="standin")
    parser.add_argument("--seed", type=int, default=2_000_000, help="above 1,000,000: never trained on")
    parser.add_argument("--n", type=int, default=100, help="cases of each kind")
    parser.add_argument("--swapped", action="store_true", help="control: each case gets another one's images")
    options = parser.parse_args()
    if options.seed <= HELD_OUT:
        parser.error(f"seeds up to {HELD_OUT:,} are for training")
    print(json.dumps(score(load_model(options.model), options.n, options.seed, swapped=options.swapped)))
