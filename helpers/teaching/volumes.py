"""The volumes of teaching cases: the bundled head CT and MRI of brain and head, turned, with findings or without.

Everything follows from the kind and the number of the volume. Each finding that a volume may have gets a place.
Then it is decided at random whether the finding is there. So neither its place nor the choice of slices gives the
answer away. Slices are turned only when they are needed, because a prompt shows few of them.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.teaching.anatomies import BRAIN_MRI, HEAD_CT, HEAD_MRI, Curve, Source
from helpers.teaching.findings import (
    BRIGHT,
    DARK,
    HAEMORRHAGE,
    HYPOXIA,
    MASS,
    OEDEMA,
    STAINING,
    VENTRICLES,
    Finding,
)
from helpers.volumes import Volume, select_slices


@dataclass(frozen=True)
class Recipe:
    """The parts from which the volumes of a kind are made."""

    stream: int  # stream of random numbers, so that no two kinds share numbers
    modality: str
    sources: tuple[Source, ...]  # each volume is made from one of them
    conditions: tuple[str, ...]  # in the order in which findings are put in
    fill: float  # the value outside of a turned volume
    slices: tuple[int, int] = (20, 85)  # the smallest and largest number of slices of the prompt
    slab: bool = False  # whether the prompt shows neighbouring slices instead of the whole volume


RECIPES = {
    "ct": Recipe(1, "CT", (HEAD_CT,), (OEDEMA, HAEMORRHAGE, MASS), fill=-1000),
    "mri": Recipe(2, "MR", (BRAIN_MRI, HEAD_MRI), (VENTRICLES, DARK, BRIGHT), fill=0),
    "ct-hypoxia": Recipe(6, "CT", (HEAD_CT,), (HYPOXIA,), fill=-1000, slices=(2, 4), slab=True),
    "ct-staining": Recipe(9, "CT", (HEAD_CT,), (STAINING,), fill=-1000, slices=(2, 4), slab=True),
}


@dataclass(frozen=True)
class TeachingVolume:
    """A changed volume, its findings, and which slices its prompt shows."""

    volume: Volume
    findings: dict[str, Finding]  # condition -> its finding; conditions without a finding are missing
    chosen: list[int]
    pose: Pose

    def mask(self, condition: str, indices: Sequence[int]) -> np.ndarray:
        """The mask of a condition's finding in slices ``indices``: bool (z, y, x), all False without one."""
        if condition not in self.findings:
            return np.zeros((len(indices), *self.volume.shape[1:]), bool)
        return self.pose.mask(self.findings[condition], self.volume.shape, indices)


@functools.lru_cache(maxsize=2)  # CT: 28 MB of values
def teaching_volume(kind: str, number: int) -> TeachingVolume:
    """The volume of a kind of `RECIPES` and a number; int16, as a scanner would store it."""
    recipe = RECIPES[kind]
    rng = np.random.default_rng([recipe.stream, number])
    source = recipe.sources[int(np.random.default_rng([recipe.stream, number, 0]).integers(len(recipe.sources)))]
    original, spacing = source.anatomy()
    possible = draw_findings(recipe.conditions, spacing, rng)
    findings = {finding.condition: finding for finding in possible if rng.random() < 0.5}
    pose = Pose.draw(original.shape[1:], rng, source)
    volume = posed_volume(f"{kind}-{number}", recipe, (original, spacing), list(findings.values()), pose)
    choose = _choose_slab if recipe.slab else _choose_slices
    return TeachingVolume(volume, findings, choose(len(original), possible, recipe.slices, rng), pose)


def posed_volume(
    name: str,
    recipe: Recipe,
    anatomy: tuple[np.ndarray, tuple[float, float, float]],
    findings: Sequence[Finding],
    pose: Pose,
) -> Volume:
    """An ``anatomy`` (values (z, y, x) and spacing) with ``findings``, turned by ``pose``: int16.

    Nothing is computed before slices are needed, because a list of cases needs none.
    """
    original, spacing = anatomy
    one_draws = threading.Lock()  # slices are asked for in threads, and each thread would draw the whole volume

    @functools.cache
    def values() -> tuple[np.ndarray, tuple[float, float]]:
        out = original.astype(np.float32)
        for finding in findings:
            finding.put_into(out)
        return out, (float(out.min()), float(out.max()))

    def decode(indices: Sequence[int]) -> np.ndarray:
        with one_draws:
            out, ends = values()
        return np.rint(pose.apply(out, recipe.fill, ends, list(indices))).astype(np.int16)

    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing
    affine[3, 3] = 1
    return Volume(
        path=Path(f"teaching volume {name}"),
        modality=recipe.modality,
        units="HU" if recipe.modality == "CT" else None,
        shape=original.shape,
        spacing=spacing,
        affine=affine,
        description=f"Teaching volume {name}, not a patient",
        _decode=decode,
    )


def draw_findings(conditions: Sequence[str], spacing: Sequence[float], rng: np.random.Generator) -> list[Finding]:
    """One finding of each condition, apart from each other."""
    out: list[Finding] = []
    for condition in conditions:
        for _ in range(20):
            finding = Finding.draw(condition, spacing, rng)
            if all(finding.is_apart_from(other, spacing) for other in out):
                break
        out.append(finding)
    return out


@dataclass(frozen=True)
class Pose:
    """How all slices of a volume are turned (by up to 8 degrees), scaled (8 %) and shifted; contrast and noise."""

    matrix: np.ndarray
    offset: np.ndarray
    noise: np.ndarray  # (y, x)
    gamma: float = 1
    curve: Curve | None = None

    @classmethod
    def draw(cls, shape: tuple[int, int], rng: np.random.Generator, source: Source) -> Pose:
        """A pose for slices of ``shape`` (y, x) of a source."""
        angle, scale = np.deg2rad(rng.uniform(-8, 8)), rng.uniform(0.92, 1.08)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        middle = (np.array(shape) - 1) / 2
        offset = middle - matrix @ middle + rng.uniform(-0.03, 0.03, 2) * shape[0]
        noise = rng.normal(0, 2, shape).astype(np.float32)
        return cls(matrix, offset, noise, float(rng.uniform(*source.gamma)), source.curve)

    def turn(self, values: np.ndarray, fill: float, indices: Sequence[int]) -> np.ndarray:
        """The slices ``indices`` of ``values`` (z, y, x) in this pose, without noise: float32."""
        (yy, yx), (xy, xx) = self.matrix
        # Pillow counts from the corners of pixels, not from their centres.
        dy, dx = self.offset + 0.5 - self.matrix @ [0.5, 0.5]
        rows, columns = values.shape[1:]
        return np.stack(
            [
                Image.fromarray(np.asarray(values[k], np.float32)).transform(
                    (columns, rows),
                    Image.Transform.AFFINE,
                    (xx, xy, dx, yx, yy, dy),
                    Image.Resampling.BILINEAR,
                    fillcolor=fill,
                )
                for k in indices
            ]
        )

    def mask(self, finding: Finding, shape: Sequence[int], indices: Sequence[int]) -> np.ndarray:
        """The mask of a finding in slices ``indices`` of a volume of ``shape``, in this pose: bool (z, y, x)."""
        (z, y, x), inside = finding.box, finding.mask
        planes = np.zeros((len(indices), *shape[1:]), np.float32)
        for row, k in enumerate(indices):
            if z.start <= k < z.stop:
                planes[row, y, x] = inside[k - z.start]
        return self.turn(planes, 0, range(len(indices))) > 0.5

    def apply(
        self, values: np.ndarray, fill: float, ends: tuple[float, float], indices: Sequence[int]
    ) -> np.ndarray:
        """The slices ``indices`` of ``values`` (z, y, x) in this pose, with noise: float32.

        The noise does not pass ``ends``, the range of the values: an MRI is shown from its lowest to its highest.
        """
        out, (low, high) = self.turn(values, fill, indices), ends
        if self.gamma != 1:
            out = low + (high - low) * np.clip((out - low) / (high - low), 0, 1) ** self.gamma
        if self.curve:
            out = np.interp(out, *self.curve).astype(np.float32)
        for row, k in enumerate(indices):
            out[row] += np.roll(self.noise, 17 * k, axis=1)
        return np.clip(out, low, high, out=out)


def _choose_slices(
    n: int, possible: Sequence[Finding], ends: tuple[int, int], rng: np.random.Generator
) -> list[int]:
    """Equidistant slices as in a prompt, enough so that two of them touch each possible finding."""
    chosen = select_slices(n, int(rng.integers(ends[0], ends[1] + 1)))
    if any(len(set(chosen) & set(finding.slices)) < 2 for finding in possible):
        chosen = select_slices(n)
    return chosen


def _choose_slab(
    n: int, possible: Sequence[Finding], ends: tuple[int, int], rng: np.random.Generator
) -> list[int]:
    """Every third slice of a part in which enough slices show the place of the finding."""
    areas = possible[0].areas
    enough = possible[0].box[0].start + np.flatnonzero(areas > 0.4 * areas.max())
    shown = int(rng.integers(ends[0], ends[1] + 1))
    first = int(rng.integers(enough[0], max(enough[-1] - 3 * shown + 1, enough[0]) + 1))
    return [min(first + 3 * k, n - 1) for k in range(shown)]
