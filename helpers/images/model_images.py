"""Make the images that a model gets from a path, a part of a study or a volume, in one way for all stages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from helpers.errors import InputError
from helpers.images.image import read_image
from helpers.images.pdf_pages import is_pdf, pdf_images
from helpers.images.reading import Reading
from helpers.images.study import DEFAULT, VOLUME_KINDS, Part, part_volume
from helpers.prompts import MAX_PATCHES, MAX_SLICES, pad_to_square
from helpers.slides import open_slide, patch_notes, read_patches, sample_patches, tissue_mask
from helpers.volumes import Volume, select_slices, volume_to_rgb

MODALITIES = ("ct", "mri", "slide", "image")


def part_images(
    part: Part,
    limit: int | None = None,
    *,
    seed: int = 0,
    reading: Reading = DEFAULT,
    notes: list[str] | None = None,
) -> Iterator[tuple[Image.Image, dict[str, int]]]:
    """The images of a volume, slide or 2D image, RGB and not yet padded, each with its place.

    Args:
        part: of a `Study`.
        limit: the largest number of slices, patches or pages of a PDF; by default, as many as fill MedGemma's
            context (85, 126), and 20 pages. A PDF of more pages is refused, because no page stands for the others.
        seed: for the choice of patches.
        reading: how a volume, slide or picture is read.
        notes: a list to which sentences are added, before the first image comes, about values that were estimated,
            axes that were turned, and files that were left out.

    Yields:
        An image, and where it comes from: ``slice`` (0 is the lowest), or ``x``, ``y`` and ``size`` of a patch in
        level-0 pixels, or nothing.

    Raises:
        InputError: as the readers of volumes, slides and images do.
    """
    notes = [] if notes is None else notes
    if part.kind == "slide":
        with open_slide(part.files[0], **reading.of_slide) as slide:
            slide.best_level(reading.patch_mpp)  # fails before the mask is read
            mask = tissue_mask(slide)
            patches = sample_patches(slide, reading.patch_mpp, limit or MAX_PATCHES, seed, mask=mask)
            notes += patch_notes(slide, mask, patches, reading.patch_mpp)
            for patch, image in zip(patches, read_patches(slide, patches), strict=True):
                yield image, {"x": patch.x, "y": patch.y, "size": patch.size}
    elif part.kind in VOLUME_KINDS:
        volume = part_volume(part, reading)
        notes += volume.notes
        chosen = select_slices(volume.shape[0], limit or MAX_SLICES)
        for index, rgb in zip(chosen, volume_to_rgb(volume, chosen), strict=True):
            yield Image.fromarray(rgb), {"slice": index}
    elif reading.page is None and is_pdf(part.files[0]):
        yield from ((image, {}) for image in pdf_images(part.files[0], limit, notes))
    else:
        yield read_image(part.files[0], **reading.of_image), {}


def read_images(
    path: str | os.PathLike[str], kind: str, limit: int | None = None, reading: Reading = DEFAULT
) -> list[Image.Image]:
    """Read the images of a path: slices of a "ct" or "mri", patches of a "slide", an "image" or its pages.

    They are padded to squares. ``limit`` is the largest number of slices or patches; by default, as many as fill
    MedGemma's context (85, 126). Raises `InputError` for another kind, and if the images cannot be read.
    """
    return [pad_to_square(image) for image, _ in part_images(_part(path, kind), limit, reading=reading)]


def check_readable(path: str | os.PathLike[str], kind: str, reading: Reading = DEFAULT) -> None:
    """Raise the `InputError` of `read_images` if the headers show that it would fail.

    A picture is read completely.
    """
    part = _part(path, kind)
    if kind == "slide":
        with open_slide(path, **reading.of_slide) as slide:
            slide.best_level(reading.patch_mpp)
    elif kind in VOLUME_KINDS:
        part_volume(part, reading)
    elif reading.page is None and is_pdf(Path(path)):
        next(pdf_images(Path(path)))
    else:
        read_image(path, **reading.of_image)


def volume_images(volume: Volume, limit: int = MAX_SLICES) -> list[Image.Image]:
    """At most ``limit`` equidistant slices of a CT (three windows as colours) or MR volume, padded to squares."""
    return [pad_to_square(rgb) for rgb in volume_to_rgb(volume, select_slices(volume.shape[0], limit))]


def _part(path: str | os.PathLike[str], kind: str) -> Part:
    if kind not in MODALITIES:
        raise InputError(
            f"{kind!r} is not a kind of images.", path=path, remedy=f"Use one of {', '.join(MODALITIES)}."
        )
    return Part(kind, (Path(path),))
