"""Which images, or which regions of one, a prompt's answer depends on: a picture and a JSON file in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.attribution.blanks import BLACK, GLASS
from helpers.attribution.occlusion import Occlusion, occlude
from helpers.attribution.pictures import heat_strip, region_map
from helpers.attribution.regions import occlude_regions
from helpers.evaluation import LOW_MASS
from helpers.prompts import Message, images_of
from helpers.storage import write_json

GRID = 8  # rows and columns on a single image
NAMES = {"ct": "SLICE", "mri": "SLICE", "slide": "patch", "image": "image"}


def explaining_cost(messages: Sequence[Message]) -> str:
    """What `explain` will do with a prompt, in one sentence, before it is done."""
    n = len(images_of(messages))
    if n == 1:
        return (
            f"Where it looked: {GRID * GRID} fields of the image are painted over one after the other, so the "
            f"model encodes and reads {GRID * GRID} images more."
        )
    return (
        f"Where it looked: each of the {n} images is exchanged for an empty one. No image is encoded twice. "
        f"The model reads the prompt again from that image on, together as long as {(n + 1) / 2:.0f} prompts."
    )


def explain(
    chat: Any, messages: Sequence[Message], folder: str | Path, answers: Sequence[str], kind: str = "image"
) -> dict[str, Any]:
    """Write ``where.png`` and ``where.json`` into ``folder``; return what the latter holds, and where both are.

    A prompt with several images tells how much each speaks for the answer, one with a single image how much each
    field of a grid on it does. The log-odds are read behind "Final Answer:" alone, before any argument.

    Raises:
        InputError: as `helpers.attribution.occlude` does, also where there are not two answers.
    """
    import matplotlib.pyplot as plt

    images, folder = images_of(messages), Path(folder)
    if len(images) == 1:
        found = occlude_regions(chat, messages, rows=GRID, columns=GRID, answers=answers)
        figure = region_map(images[0], found)
    else:
        blank = Image.new("RGB", images[0].size, GLASS) if kind == "slide" else BLACK
        found = occlude(chat, messages, blank=blank, answers=answers)
        figure = heat_strip(images, found, what=NAMES.get(kind, "image"))
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "where.png", dpi=120)
    plt.close(figure)
    told = _told(found, len(images) == 1)
    write_json(folder / "where.json", told)
    return {**told, "picture": str(folder / "where.png"), "json": str(folder / "where.json")}


def _told(found: Occlusion, is_regions: bool) -> Mapping[str, Any]:
    name = "field_y0_x0_y1_x1" if is_regions else "image"
    parts = [list(part) if is_regions else part[0] + 1 for part in found.parts]
    return {
        "answers": list(found.answers),
        "likelier": found.answer,
        "log_odds": round(found.plain, 6),
        "mass": round(found.mass, 6),
        "means_little": found.mass < LOW_MASS,
        "winner": parts[found.winner],
        "parts": [
            {name: part, "support": round(float(value), 6)}
            for part, value in zip(parts, found.support, strict=True)
        ],
    }
