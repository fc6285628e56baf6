"""What the tests of this folder share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

VOXELS = np.random.default_rng(0).integers(-100, 900, (6, 16, 16))


def contents(output: Path) -> dict[str, bytes]:
    """Every file of an output."""
    files = (path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def quarantined(output: Path) -> dict[str, str]:
    lines = (output / "_quarantine.jsonl").read_text().splitlines()
    return {entry["path"]: entry["reason"] for entry in map(json.loads, lines)}


def pictures(folder: Path, n: int, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, values in enumerate(np.random.default_rng(seed).integers(0, 256, (n, 24, 32, 3), np.uint8)):
        Image.fromarray(values).save(folder / f"{k:03d}.png")
    return folder
