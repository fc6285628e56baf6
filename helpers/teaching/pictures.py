"""Single images of teaching cases: a bundled picture or a slice, changed at random, and the things in it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from PIL import Image, ImageEnhance

from helpers.data import fetch
from helpers.images import read_image
from helpers.prompts import CT_WINDOWS, pad_to_square
from helpers.teaching.anatomies import brain_mri
from helpers.teaching.chests import EFFUSION, STATES, Effusion
from helpers.teaching.findings import Finding
from helpers.teaching.slides import tissue_of
from helpers.teaching.volumes import RECIPES, Pose
from helpers.volumes import apply_window

# Objects that questions ask for, with their boxes in the bundled pictures: y0, x0, y1, x1 from 0 to 1, drawn by
# eye.
OBJECTS = {
    "chest radiograph": ("heart", (0.50, 0.40, 0.77, 0.78)),
    "fundus photograph": ("optic disc", (0.40, 0.06, 0.58, 0.24)),
}

# The targets of questions about boxes: a kind of image, and the finding that is drawn into it, or None for the
# object in `OBJECTS`. The stand-in could not learn boxes of findings in slices (IoU below 0.1), because an image
# has four by four tokens, each wider than a finding.
BOX_TARGETS = [*((kind, None) for kind in OBJECTS), ("chest radiograph", EFFUSION)]


@functools.cache
def _source(kind: str) -> Image.Image:
    if kind == "chest radiograph":
        radiograph = read_image(fetch("chest-radiograph"))
        radiograph.thumbnail((1000, 1000))  # cases need only a quarter of its width
        return radiograph
    if kind == "fundus photograph":
        return read_image(fetch("fundus"))
    return tissue_of(kind)


def image_of(kind: str, rng: np.random.Generator) -> Image.Image:
    """One changed 2D image of ``kind``: cropped, turned and brightened. For a volume, it is one of its slices."""
    return image_with_object(kind, rng)[0]


def image_with_object(kind: str, rng: np.random.Generator) -> tuple[Image.Image, Image.Image | None]:
    """The same, with a mask of the object of `OBJECTS` (one channel, white inside), or None without an object."""
    if kind in ("head CT", "brain MRI"):
        sources = RECIPES["ct" if kind == "head CT" else "mri"].sources
        source = sources[int(rng.integers(len(sources)))]
        values = source.anatomy()[0]
        ends = (float(values.min()), float(values.max()))
        k = int(rng.integers(len(values) // 6, len(values) - len(values) // 8))
        source = dataclasses.replace(source, gamma=(1, source.gamma[1]))
        plane = Pose.draw(values.shape[1:], rng, source).apply(values, ends[0], ends, [k])
        return Image.fromarray(colours_of(kind, plane)[0]), None
    if kind not in OBJECTS:
        return _changed(kind, [_source(kind)], rng)[0], None
    image, where = _changed(kind, [_source(kind), _outline(kind)], rng)
    return image, where


def chest_with(effusion: Effusion | None, rng: np.random.Generator) -> tuple[Image.Image, dict[str, Image.Image]]:
    """A changed chest radiograph with or without an effusion, and masks of effusion and heart, white inside."""
    kind, source = "chest radiograph", _source("chest radiograph")
    if effusion is None:
        image, heart = _changed(kind, [source, _outline(kind)], rng)
        return image, {"heart": heart}
    layers = [effusion.put_into(source), _outline(kind), effusion.mask(source.size)]
    image, heart, fluid = _changed(kind, layers, rng)
    return image, {"heart": heart, EFFUSION: fluid}


@functools.cache
def padded_box(kind: str) -> list[float]:
    """The box of the object of `OBJECTS` in the bundled picture padded to a square: y0, x0, y1, x1 from 0 to 1."""
    side = max(_source(kind).size)
    box = pad_to_square(_outline(kind).convert("RGB")).getbbox()
    return [box[k] / side for k in (1, 0, 3, 2)]


def _outline(kind: str) -> Image.Image:
    """A mask of the box of the object of `OBJECTS` in the bundled picture, white inside."""
    size = _source(kind).size
    where = Image.new("L", size)
    y0, x0, y1, x1 = OBJECTS[kind][1]
    where.paste(255, tuple(round(v * s) for v, s in zip((x0, y0, x1, y1), size * 2, strict=True)))
    return where


def _changed(kind: str, layers: list[Image.Image], rng: np.random.Generator) -> list[Image.Image]:
    """Pictures of one size, cropped and turned in the same way, 224 pixels wide. The first is also brightened."""
    tissue = kind in ("H&E histology", "immunohistochemistry")
    side = rng.uniform(0.3, 0.45) if kind == "H&E histology" else rng.uniform(0.6 if tissue else 0.8, 1)
    width, height = (round(s * side) for s in layers[0].size)
    if tissue:
        width = height = min(width, height)
    left, top = rng.integers(layers[0].width - width + 1), rng.integers(layers[0].height - height + 1)
    angle = 90 * int(rng.integers(4)) if tissue else float(rng.uniform(-8, 8))
    image, *others = (
        layer.crop((left, top, left + width, top + height))
        .resize((224, round(224 * height / width)))
        .rotate(angle)
        for layer in layers
    )
    image = ImageEnhance.Brightness(image).enhance(float(rng.uniform(0.85, 1.15)))
    return [ImageEnhance.Contrast(image).enhance(float(rng.uniform(0.85, 1.15))), *others]


def picture_with_box(
    kind: str, condition: str | None, rng: np.random.Generator
) -> tuple[Image.Image, str, list[float]]:
    """A picture of ``kind``, a thing in it, and its box (y0, x0, y1, x1 from 0 to 1) on the padded square.

    With a ``condition``, it is the middle slice of such a finding. Otherwise the thing is the object of `OBJECTS`.
    """
    while True:
        if condition is None:
            picture, where = image_with_object(kind, rng)
            target, inside = OBJECTS[kind][0], where
        elif condition == EFFUSION:
            side, state = ("left", "right")[rng.integers(2)], STATES[rng.integers(1, 3)]
            picture, where = chest_with(Effusion.draw(side, state, rng), rng)
            target, inside = EFFUSION, where[EFFUSION]
        else:
            recipe = RECIPES["ct" if kind == "head CT" else "mri"]
            source = recipe.sources[0]
            original, spacing = source.anatomy()
            finding = Finding.draw(condition, spacing, rng)
            values, ends = (
                original[finding.box[0]].astype(np.float32),
                (float(original.min()), float(original.max())),
            )
            slab = dataclasses.replace(finding, box=(slice(0, len(values)), *finding.box[1:]))
            slab.put_into(values)
            pose, k = Pose.draw(values.shape[1:], rng, source), finding.centre[0] - finding.box[0].start
            picture = Image.fromarray(colours_of(kind, pose.apply(values, recipe.fill, ends, [k]))[0])
            target, inside = condition, Image.fromarray(pose.mask(slab, values.shape, [k])[0])
        box = pad_to_square(inside.convert("RGB")).getbbox()
        if box is not None:  # otherwise it was turned out of the picture
            side = max(picture.size)
            return picture, target, [box[k] / side for k in (1, 0, 3, 2)]


def colours_of(kind: str, planes: np.ndarray) -> np.ndarray:
    """Planes of a head CT or brain MRI as the prompt shows them: uint8 RGB (n, y, x, 3)."""
    if kind == "head CT":
        return np.stack([apply_window(planes, *window) for window in CT_WINDOWS.values()], axis=-1)
    values = brain_mri()[0]
    return np.repeat(apply_window(planes, float(values.min()), float(values.max()))[..., None], 3, axis=-1)
