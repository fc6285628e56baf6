"""Image tokens of the unchanged bundled images, as a user shows them, for training and scoring.

Teaching cases change these images. So a stand-in that learned only from teaching cases would be unsure about
exactly the files that everybody tries first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from helpers.data import fetch
from helpers.images import read_image
from helpers.prompts import MAGNIFICATION_MPP
from helpers.slides import open_slide, patch_grid, read_patches, tissue_mask
from helpers.teaching import RECIPES
from helpers.volumes import read_volume, volume_to_rgb

IMAGES = {
    "chest radiograph": "chest-radiograph",
    "fundus photograph": "fundus",
    "immunohistochemistry": "ihc-patch",
}
VOLUME_FILES = {"ct": ("ct-head",), "mri": ("mri-t1", "mri-t1-head")}  # kind of volume -> its bundled files
SLIDE_LIES_IN_FRAGMENTS = False  # one piece of skin, with a few specks beside it


@dataclass
class Untouched:
    """Image tokens of the bundled images: each (images, tokens, hidden size)."""

    volumes: dict[str, list[torch.Tensor]]  # kind of volume -> all slices of each file
    inverted: torch.Tensor  # every second slice of the first MRI, its values turned round inside the head
    images: dict[str, torch.Tensor]  # kind of image -> it alone
    slides: list[torch.Tensor]  # the patches with tissue at each magnification, in raster order


def encode_untouched(encode: Callable[[Sequence[Any]], torch.Tensor]) -> Untouched:
    """Encode them; ``encode`` makes image tokens from pictures."""
    drawn = {
        kind: [volume_to_rgb(read_volume(fetch(name), modality=RECIPES[kind].modality)) for name in names]
        for kind, names in VOLUME_FILES.items()
    }
    volumes = {kind: [encode(list(slices)) for slices in files] for kind, files in drawn.items()}
    # Notebook 03 shows the brain a second time, its values turned round inside the head.
    grey = drawn["mri"][0][::2]
    inside = grey > grey.min() + 0.1 * float(np.ptp(grey))
    inverted = encode(list(np.where(inside, 255 - grey, grey)))
    images = {kind: encode([read_image(fetch(name))]) for kind, name in IMAGES.items()}
    slides = []
    with open_slide(fetch("slide-he")) as slide:
        mask = tissue_mask(slide)
        for mpp in MAGNIFICATION_MPP.values():
            slides.append(encode(list(read_patches(slide, patch_grid(slide, mask, mpp)))))
    return Untouched(volumes, inverted, images, slides)
