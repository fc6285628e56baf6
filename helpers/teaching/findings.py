"""Draw the findings of teaching cases: how each looks, where it may lie, and how it is put into a real volume.

Values are realistic for the images at hand and far simpler than disease: an irregular ellipsoid of one density, or
a stretched ventricle. The brain of the bundled head CT reads about 26 HU, where 30 to 40 are usual, so oedema is
given as HU below the brain around it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from scipy import ndimage

from helpers.errors import InputError, check_count
from helpers.teaching.anatomies import brain_mri, head_ct

EDGE = 0.8  # mm over which a finding fades out
CLEAR = 0.3  # share of a finding's largest area in a slice; if a slice shows less, nobody could see it
OUTSIDE = 9.0  # a depth so far outside that the soft edge has ended
OF_REGION = (0.0, 2.0)  # the depths inside and outside of a region
BONE = 120  # HU; denser voxels keep their values


@functools.cache
def brain_of_ct() -> np.ndarray:
    """Soft tissue of the head CT well inside the skull, bool (z, y, x)."""
    hu, _ = head_ct()
    soft = ndimage.binary_opening((hu > 10) & (hu < 60), iterations=3)
    labels, _ = ndimage.label(soft)
    sizes = np.bincount(labels.ravel())
    return ndimage.binary_erosion(labels == sizes[1:].argmax() + 1, iterations=3)


@functools.cache
def rim_of_ct() -> np.ndarray:
    """The layer 5 to 12 mm inside the skull in the upper half of the head CT, bool (z, y, x)."""
    hu, spacing = head_ct()
    rim = np.zeros(hu.shape, bool)
    for k in range(len(hu) // 2, len(hu) * 7 // 8):
        skull = ndimage.binary_closing(hu[k] > 200, iterations=3)
        inside = ndimage.binary_erosion(ndimage.binary_fill_holes(skull) & ~skull, iterations=2)
        away = ndimage.distance_transform_edt(~skull, sampling=spacing[1:])
        rim[k] = inside & (away > 5) & (away < 12)
    return rim


@functools.cache
def whole_brain_of_ct() -> np.ndarray:
    """All of the brain in the upper two thirds of the head CT, bool (z, y, x)."""
    hu, _ = head_ct()
    inside = ndimage.binary_dilation(brain_of_ct(), iterations=5) & (hu < 80)
    inside[: len(inside) // 3] = False
    return inside


@functools.cache
def brain_of_mri() -> np.ndarray:
    """The inside of the brain MRI, away from its surface, bool (z, y, x)."""
    values, _ = brain_mri()
    inside = ndimage.binary_fill_holes(ndimage.gaussian_filter(values.astype(np.float32), 2) > 60)
    return ndimage.binary_erosion(inside, iterations=18)


@functools.cache
def ventricles_of_mri() -> np.ndarray:
    """The lateral ventricles of the brain MRI: the dark voxels in the part where they lie, bool (z, y, x)."""
    values, _ = brain_mri()
    part = np.zeros(values.shape, bool)
    part[68:104, 66:160, 62:136] = True
    return ndimage.binary_opening(part & (values < 110))


def _middle(region: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """The one voxel in the middle of a region, bool (z, y, x)."""

    def place() -> np.ndarray:
        out = np.zeros(region().shape, bool)
        out[tuple(int(v) for v in np.argwhere(region()).mean(0))] = True
        return out

    return functools.cache(place)


Change = Callable[[np.ndarray, "Finding"], np.ndarray]  # old values of the finding's box -> new ones


@dataclass(frozen=True)
class Kind:
    """The ranges from which the findings of a condition are drawn."""

    places: Callable[[], np.ndarray]  # the possible places of the centre, bool (z, y, x)
    radius_mm: tuple[float, float]  # from and to
    level: tuple[float, float]  # from and to: see ``change``
    change: Change
    # The region that is changed as a whole, if the finding is no ellipsoid.
    region: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class Finding:
    """One finding: where it is, how large, and how deep inside it every voxel of its box lies."""

    condition: str
    centre: tuple[int, int, int]  # z, y, x
    radius_mm: float
    level: float
    slices: tuple[int, ...]  # slices that show it clearly
    box: tuple[slice, slice, slice]
    # float32 (z, y, x) of the box: 0 at the centre, 1 at the edge; `OF_REGION` for a region
    depth: np.ndarray = field(repr=False, compare=False)
    areas: np.ndarray = field(repr=False, compare=False)  # the voxels of each of the box's slices that lie inside

    @classmethod
    def draw(cls, condition: str, spacing: Sequence[float], rng: np.random.Generator) -> Finding:
        """Draw a finding of a condition of `KINDS` at any possible place."""
        kind = KINDS[condition]
        places = _centres(kind.places)
        centre = places[rng.integers(len(places))]
        radius, level = float(rng.uniform(*kind.radius_mm)), float(rng.uniform(*kind.level))
        # Twice the radius has room for its bumps. A region ends at the radius.
        half = np.ceil(radius * (1 if kind.region else 2) / np.array(spacing)).astype(int)
        low, high = np.maximum(centre - half, 0), np.minimum(centre + half + 1, kind.places().shape)
        box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
        if kind.region:
            depth, areas = _of_region(kind.region, tuple(low.tolist()), tuple(high.tolist()))
        else:
            depth = _depth(centre, radius, spacing, box, rng)
            areas = _areas(depth)
        touched = tuple((low[0] + np.flatnonzero(areas > CLEAR * areas.max())).tolist())
        return cls(condition, tuple(centre.tolist()), radius, level, touched, box, depth, areas)

    def thinned(self, slices: int) -> Finding:
        """The same finding, but only ``slices`` thick. It is as wide in each slice as in its middle.

        Raises `InputError` for less than one slice, for more slices than the finding's box has, and for a region.
        """
        check_count(slices, f"A finding of {slices!r} slices cannot be drawn.", remedy="Give 1 or more.")
        if KINDS[self.condition].region:
            raise InputError(f"{self.condition!r} is a region and has no thickness.", remedy="Choose a lesion.")
        first = self.centre[0] - self.box[0].start - (slices - 1) // 2
        if first < 0 or first + slices > len(self.depth):
            raise InputError(
                f"This finding has no room for {slices} slices.", remedy=f"Give {len(self.depth) // 2} or fewer."
            )
        depth = np.full_like(self.depth, OUTSIDE)
        depth[first : first + slices] = self.depth[self.centre[0] - self.box[0].start]
        start = self.box[0].start + first
        return replace(self, slices=tuple(range(start, start + slices)), depth=depth, areas=_areas(depth))

    def share(self, of_radius: float = 1.0) -> np.ndarray:
        """How much of each voxel of the box lies within a share of the radius: 0 to 1, with a soft edge."""
        if KINDS[self.condition].region:  # of millions of voxels, with two depths
            inside, outside = (self._share(np.float32([depth]), of_radius)[0] for depth in OF_REGION)
            return np.where(self.depth < 1, inside, outside)
        return self._share(self.depth, of_radius)

    def _share(self, depth: np.ndarray, of_radius: float) -> np.ndarray:
        return 1 / (1 + np.exp(np.clip((depth - of_radius) * self.radius_mm / EDGE, -30, 30)))

    def put_into(self, values: np.ndarray) -> None:
        """Change float32 ``values`` (z, y, x) in place; the image's own noise stays."""
        values[self.box] = KINDS[self.condition].change(values[self.box].copy(), self)

    @property
    def facts(self) -> dict[str, Any]:
        """The facts about the finding that a list of cases keeps, without its voxels, which take up to 28 MB."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare}

    @functools.cached_property
    def mask(self) -> np.ndarray:
        """The mask of the finding, bool (z, y, x) of its box."""
        if self.condition == VENTRICLES:
            return _stretched(ventricles_of_mri()[self.box].astype(np.float32), self) > 0.5
        return self.depth < 1

    def is_apart_from(self, other: Finding, spacing: Sequence[float]) -> bool:
        """Whether two findings do not touch each other. A region may touch any finding."""
        if KINDS[self.condition].region or KINDS[other.condition].region:
            return True
        distance = np.linalg.norm((np.array(self.centre) - other.centre) * spacing)
        return bool(distance > 1.2 * (self.radius_mm + other.radius_mm))


def _depth(
    centre: np.ndarray, radius: float, spacing: Sequence[float], box: tuple[slice, ...], rng: np.random.Generator
) -> np.ndarray:
    """How deep in an irregular ellipsoid the voxels of a box lie: 0 at the centre, 1 at the edge."""
    axes = np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij")
    stretch = rng.uniform(0.8, 1.2, 3) / radius
    away = [(a - c) * s * t for a, c, s, t in zip(axes, centre, spacing, stretch, strict=True)]
    bumps = ndimage.gaussian_filter(rng.standard_normal(axes[0].shape), min(4, radius / 3) / np.array(spacing))
    return (np.sqrt(sum(a**2 for a in away)) + 0.15 * bumps / max(bumps.std(), 1e-6)).astype(np.float32)


def _areas(depth: np.ndarray) -> np.ndarray:
    return (depth < 1).sum(axis=(1, 2))


@functools.lru_cache(maxsize=4)  # one for each kind with a region, because a region has one place
def _of_region(
    region: Callable[[], np.ndarray], low: tuple[int, ...], high: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Depth and areas of a region in the box from ``low`` to ``high``; findings share both, so do not write."""
    depth = np.where(region()[tuple(map(slice, low, high))], *np.float32(OF_REGION))
    areas = _areas(depth)
    depth.flags.writeable = areas.flags.writeable = False
    return depth, areas


@functools.cache
def _centres(places: Callable[[], np.ndarray]) -> np.ndarray:
    return np.argwhere(places())


def _filled(old: np.ndarray, finding: Finding) -> np.ndarray:
    """Filled with values of about ``level``."""
    share = finding.share() * (old < BONE)
    noise = old - ndimage.gaussian_filter(old, 1)
    return old * (1 - share) + (finding.level + noise) * share


def _lowered(old: np.ndarray, finding: Finding) -> np.ndarray:
    """Lowered by ``level`` (raised if it is negative), so that the structure can still be seen."""
    return old - finding.level * finding.share() * (old < BONE)


def _calcified(old: np.ndarray, finding: Finding) -> np.ndarray:
    """Filled with values of about ``level``, with a core of calcium."""
    core = finding.share(0.45) * (old < BONE)
    return _filled(old, finding) * (1 - core) + 200 * core


def _drawn(old: np.ndarray, finding: Finding) -> np.ndarray:
    """Filled with values of about ``level``, without the old values."""
    share = finding.share()
    return old * (1 - share) + finding.level * share


def _stretched(old: np.ndarray, finding: Finding) -> np.ndarray:
    """Stretched away from the middle between the ventricles: by ``level`` there, and less towards the edge."""
    centre = [c - s.start for c, s in zip(finding.centre, finding.box, strict=True)]
    grid = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in old.shape), indexing="ij"))
    away = grid - np.array(centre, np.float32)[:, None, None, None]
    fall = 1 - np.clip(np.sqrt((away**2).sum(0)) / finding.radius_mm, 0, 1) ** 2  # 1 mm voxels
    return ndimage.map_coordinates(old, grid - finding.level * fall**2 * away, order=1, mode="nearest")


HAEMORRHAGE = "intracranial haemorrhage"
OEDEMA = "brain oedema"
MASS = "skull-side mass"
HYPOXIA = "hypoxic brain injury"
STAINING = "contrast staining"
DARK = "dark lesion"
BRIGHT = "bright lesion"
VENTRICLES = "enlarged ventricles"
KINDS = {
    HAEMORRHAGE: Kind(brain_of_ct, (8, 15), (55, 80), _filled),
    OEDEMA: Kind(brain_of_ct, (16, 24), (15, 20), _lowered),
    MASS: Kind(rim_of_ct, (11, 16), (42, 55), _calcified),
    HYPOXIA: Kind(_middle(whole_brain_of_ct), (130, 130), (9, 14), _lowered, whole_brain_of_ct),
    STAINING: Kind(_middle(whole_brain_of_ct), (130, 130), (-14, -9), _lowered, whole_brain_of_ct),
    DARK: Kind(brain_of_mri, (10, 15), (20, 70), _drawn),
    BRIGHT: Kind(brain_of_mri, (10, 15), (246, 255), _drawn),
    VENTRICLES: Kind(_middle(ventricles_of_mri), (62, 68), (0.35, 0.5), _stretched, ventricles_of_mri),
}
