"""From a file or a volume to the images that a model gets, padded to squares."""

from __future__ import annotations

import os

from PIL import Image

from helpers.errors import InputError
from helpers.images.image import read_image
from helpers.prompts import MAX_PATCHES, MAX_SLICES, pad_to_square
from helpers.slides import open_slide, read_patches, sample_patches
from helpers.volumes import Volume, ct_to_rgb, mri_to_rgb, read_volume, select_slices

MODALITIES = ("ct", "mri", "slide", "image")
SLIDE_MPP = 1.0  # 10x, as the report's slides


def volume_images(volume: Volume, limit: int = MAX_SLICES) -> list[Image.Image]:
    """At most ``limit`` equidistant slices of a CT (three windows as colours) or MR volume."""
    chosen = select_slices(volume.shape[0], limit)
    return [pad_to_square(rgb) for rgb in (ct_to_rgb if volume.modality == "CT" else mri_to_rgb)(volume, chosen)]


def read_images(path: str | os.PathLike[str], kind: str, limit: int | None = None) -> list[Image.Image]:
    """The images of a file or folder: slices of a "ct" or "mri", patches of a "slide" at 10x, or the one "image".

    ``limit`` is the most slices or patches; by default what fills MedGemma's context (85, 126). Raises
    `InputError` for another kind and for what cannot be read.
    """
    if kind not in MODALITIES:
        raise InputError(
            f"There are no images of kind {kind!r}.", path=path, remedy=f"Use one of {', '.join(MODALITIES)}."
        )
    if kind == "image":
        return [pad_to_square(read_image(path))]
    if kind == "slide":
        with open_slide(path) as slide:
            return list(read_patches(slide, sample_patches(slide, SLIDE_MPP, limit or MAX_PATCHES)))
    return volume_images(read_volume(path, modality="CT" if kind == "ct" else "MR"), limit or MAX_SLICES)
