"""Write a picture and a JSON file that show which images, or which regions of one, an answer depends on."""

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
    """Tell in a few sentences what `explain` will do with a prompt, and what this costs."""
    n = len(images_of(messages))
    if n == 1:
        return (
            f"Where it looked: {GRID * GRID} fields of the image are painted over one after the other. So the "
            f"model encodes and reads {GRID * GRID} more images."
        )
    return (
        f"Where it looked: each of the {n} images is exchanged for an empty image. No image is encoded twice. "
        f"The model reads the prompt again from that image on. In all, it reads as much as {(n + 1) / 2:.0f} "
        f"prompts."
    )


def explain(
    chat: Any, messages: Sequence[Message], folder: str | Path, answers: Sequence[str], kind: str = "image"
) -> dict[str, Any]:
    """Write ``where.png`` and ``where.json`` into ``folder``. Return what ``where.json`` holds, and both paths.

    If the prompt has several images, both files show how much each image speaks for the answer. If it has one,
    they show this for each field of a grid on the image. The log-odds are read directly behind "Final Answer:", as
    if the model gave no argument before.

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
