"""The volumes of teaching cases: the bundled head CT and brain MRI, turned, with or without a finding.

A finding is an ellipsoid of one density with an irregular, smooth edge (blood in the head, low signal in the
brain), or all of the brain is too dark. Everything follows from the kind and the seed. Slices are turned when they
are asked for, as a prompt shows few of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from helpers.data import fetch
from helpers.volumes import Volume, read_volume, select_slices

Anatomy = tuple[np.ndarray, tuple[float, float, float]]  # values (z, y, x) and spacing in mm


@functools.cache
def head_ct() -> Anatomy:
    """Hounsfield units (z, y, x) of the bundled head CT, and its spacing in mm."""
    volume = read_volume(fetch("ct-head"), modality="CT")
    return volume.slices(range(volume.shape[0])), volume.spacing


@functools.cache
def brain_mri() -> Anatomy:
    """Values (z, y, x) of the bundled brain MRI, and its spacing in mm."""
    volume = read_volume(fetch("mri-t1"), modality="MR")
    return volume.slices(range(volume.shape[0])), volume.spacing


@functools.cache
def brain_of_ct() -> np.ndarray:
    """Where blood may lie in the head CT: soft tissue well inside the skull, bool (z, y, x)."""
    hu, _ = head_ct()
    soft = ndimage.binary_opening((hu > 10) & (hu < 60), iterations=3)
    labels, _ = ndimage.label(soft)
    sizes = np.bincount(labels.ravel())
    return ndimage.binary_erosion(labels == sizes[1:].argmax() + 1, iterations=3)


@functools.cache
def whole_brain_of_ct() -> np.ndarray:
    """The brain in the upper two thirds of the head CT, up to the skull, bool (z, y, x)."""
    hu, _ = head_ct()
    inside = ndimage.binary_dilation(brain_of_ct(), iterations=5) & (hu < 80)
    inside[: len(inside) // 3] = False
    return inside


@functools.cache
def brain_of_mri() -> np.ndarray:
    """Where a lesion may lie in the brain MRI: inside the head, away from its rim, bool (z, y, x)."""
    values, _ = brain_mri()
    inside = ndimage.binary_fill_holes(ndimage.gaussian_filter(values.astype(np.float32), 2) > 60)
    return ndimage.binary_erosion(inside, iterations=18)


@dataclass(frozen=True)
class Recipe:
    """What the volumes of a kind are made from."""

    stream: int  # of random numbers, so that no two kinds share any
    modality: str
    anatomy: Callable[[], Anatomy]
    places: Callable[[], np.ndarray]
    values: tuple[float, float]  # of the finding, from and to
    fill: float  # where a turned volume shows nothing
    slices: tuple[int, int] = (20, 85)  # of the prompt, from and to
    slab: bool = False  # whether the prompt shows neighbouring slices instead of the whole volume
    lowered: bool = False  # whether all of the places is lowered by the value, instead of an ellipsoid set to it


RECIPES = {
    "ct": Recipe(1, "CT", head_ct, brain_of_ct, (65, 85), fill=-1000),
    "mri": Recipe(2, "MR", brain_mri, brain_of_mri, (60, 110), fill=0),
    "ct-hypoxia": Recipe(
        6, "CT", head_ct, whole_brain_of_ct, (9, 14), fill=-1000, slices=(2, 4), slab=True, lowered=True
    ),
}


@dataclass(frozen=True)
class Finding:
    """What was put into a volume: which slices it touches, and where its centre is (z, y, x)."""

    centre: tuple[int, int, int]
    radius_mm: float
    slices: tuple[int, ...]


@dataclass(frozen=True)
class TeachingVolume:
    """A changed volume, where its finding lies, and which slices its prompt shows."""

    volume: Volume
    finding: Finding | None
    chosen: list[int]
    pose: Pose
    _mask: Callable[[], np.ndarray]

    @functools.cached_property
    def mask(self) -> np.ndarray:
        """Where the finding is: bool (z, y, x)."""
        return self._mask()


@functools.lru_cache(maxsize=2)  # CT: 28 MB of values, 7 of mask
def teaching_volume(kind: str, seed: int) -> TeachingVolume:
    """The volume of a kind of `RECIPES` and a seed; int16, as a scanner would store it."""
    recipe = RECIPES[kind]
    rng = np.random.default_rng([recipe.stream, seed])
    original, spacing = recipe.anatomy()
    values, finding, mask = original.astype(np.float32), None, np.zeros(original.shape, bool)
    if rng.random() < 0.5:
        value = rng.uniform(*recipe.values)
        if recipe.lowered:
            values, finding, mask = lower(values, recipe.places, value)
        else:
            values, finding, mask = add_finding(values, recipe.places(), spacing, rng, value)
    pose = Pose.draw(values.shape[1:], rng)
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing
    affine[3, 3] = 1
    volume = Volume(
        path=Path(f"teaching case {kind}-{seed}"),
        modality=recipe.modality,
        units="HU" if recipe.modality == "CT" else None,
        shape=values.shape,
        spacing=spacing,
        affine=affine,
        description=f"Teaching case {kind}-{seed}, not a patient",
        _decode=lambda indices: np.rint(pose.apply(values, recipe.fill, list(indices))).astype(np.int16),
    )
    chosen = _choose_slab(recipe, rng) if recipe.slab else _choose_slices(len(values), finding, recipe.slices, rng)
    return TeachingVolume(
        volume, finding, chosen, pose, lambda: pose.apply(mask * np.float32(1000), 0) > 500 if finding else mask
    )


def add_finding(
    values: np.ndarray,
    where: np.ndarray,
    spacing: tuple[float, ...],
    rng: np.random.Generator,
    value: float,
) -> tuple[np.ndarray, Finding, np.ndarray]:
    """Put an irregular ellipsoid of about ``value``, 10 to 16 mm in radius, somewhere in ``where``.

    Its edge is smooth and the image's own noise stays. Returns a new volume, the `Finding`, and its mask.
    """
    places = np.argwhere(where)
    centre = places[rng.integers(len(places))]
    radius = rng.uniform(10, 16)
    half = np.ceil(radius * 1.6 / np.array(spacing)).astype(int)
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half + 1, values.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    stretch = rng.uniform(0.75, 1.25, 3)
    distance = np.sqrt(
        sum(((a - c) * s * t) ** 2 for a, c, s, t in zip(axes, centre, spacing, stretch, strict=True))
    )
    bumps = ndimage.gaussian_filter(rng.standard_normal(distance.shape), 4 / np.array(spacing))
    bumps *= 0.15 * radius / max(float(bumps.std()), 1e-6)
    share = 1 / (1 + np.exp((distance + bumps - radius) / 0.8))
    old = values[box].astype(np.float32)
    noise = old - ndimage.gaussian_filter(old, 1)
    changed = values.astype(np.float32)
    changed[box] = old * (1 - share) + (value + noise) * share
    touched = low[0] + np.flatnonzero((share > 0.5).any(axis=(1, 2)))
    mask = np.zeros(values.shape, bool)
    mask[box] = share > 0.5
    return changed, Finding(tuple(centre.tolist()), float(radius), tuple(touched.tolist())), mask


def lower(
    values: np.ndarray, places: Callable[[], np.ndarray], amount: float
) -> tuple[np.ndarray, Finding, np.ndarray]:
    """Lower the values in ``places`` by an amount, with a soft edge; returns as `add_finding` does."""
    where, softened, finding = _region(places)
    return values - np.float32(amount) * softened, finding, where


@functools.cache
def _region(places: Callable[[], np.ndarray]) -> tuple[np.ndarray, np.ndarray, Finding]:
    """A part of the anatomy, the same with a soft edge (float32, 0 to 1), and where it is."""
    where = places()
    touched = np.flatnonzero(where.any(axis=(1, 2)))
    centre = tuple(int(v) for v in np.argwhere(where).mean(axis=0))
    softened = ndimage.gaussian_filter(where.astype(np.float32), 0.7)
    return where, softened, Finding(centre, float("inf"), tuple(touched.tolist()))


@dataclass(frozen=True)
class Pose:
    """How all slices of a volume are turned (up to 8 degrees), scaled (up to 8 %) and shifted, and their noise."""

    matrix: np.ndarray
    offset: np.ndarray
    noise: np.ndarray  # (y, x)

    @classmethod
    def draw(cls, shape: tuple[int, int], rng: np.random.Generator) -> Pose:
        """A pose for slices of ``shape`` (y, x)."""
        angle, scale = np.deg2rad(rng.uniform(-8, 8)), rng.uniform(0.92, 1.08)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        middle = (np.array(shape) - 1) / 2
        offset = middle - matrix @ middle + rng.uniform(-0.03, 0.03, 2) * shape[0]
        return cls(matrix, offset, rng.normal(0, 2, shape).astype(np.float32))

    def apply(self, values: np.ndarray, fill: float, indices: Sequence[int] | None = None) -> np.ndarray:
        """The slices ``indices`` of ``values`` (z, y, x), by default all, in this pose: float32.

        The noise does not widen the range of the values: an MRI is shown from its lowest to its highest one.
        """
        indices = range(len(values)) if indices is None else indices
        out = np.empty((len(indices), *values.shape[1:]), np.float32)
        for row, k in enumerate(indices):
            plane = values[k].astype(np.float32)
            ndimage.affine_transform(plane, self.matrix, self.offset, output=out[row], order=1, cval=fill)
            out[row] += np.roll(self.noise, 17 * k, axis=1)
        return np.clip(out, float(values.min()), float(values.max()), out=out)


def turn(values: np.ndarray, rng: np.random.Generator, fill: float) -> np.ndarray:
    """All slices of ``values`` (z, y, x) in a `Pose` drawn from ``rng``."""
    return Pose.draw(values.shape[1:], rng).apply(values, fill)


def _choose_slices(n: int, finding: Finding | None, ends: tuple[int, int], rng: np.random.Generator) -> list[int]:
    """Equidistant slices as in the prompt; so many that at least two touch the finding."""
    chosen = select_slices(n, int(rng.integers(ends[0], ends[1] + 1)))
    if finding and len(set(chosen) & set(finding.slices)) < 2:
        chosen = select_slices(n, min(2 * ends[1], 85))
    return chosen


def _choose_slab(recipe: Recipe, rng: np.random.Generator) -> list[int]:
    """Neighbouring slices, every third, somewhere in the places of a finding."""
    areas = recipe.places().sum(axis=(1, 2))
    touched = np.flatnonzero(areas > 0.4 * areas.max())  # where enough of it is seen
    n = int(rng.integers(recipe.slices[0], recipe.slices[1] + 1))
    first = int(rng.integers(touched[0], touched[-1] - 3 * n + 1))
    return [first + 3 * k for k in range(n)]
