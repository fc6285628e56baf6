"""Milliseconds to show one slice of a 512 x 512 x 600 CT: the volume viewer beside a figure of matplotlib.

Run: python -m tests.benchmarks.bench_viewers

Both make the bytes that go to the browser: the viewer its picture in three windows (with each channel beside it)
or in one, matplotlib a PNG of one window. The voxels are in memory, as they are after the first sagittal slice.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from helpers.volume_viewer import VolumeViewer
from helpers.volumes import Volume

SHAPE = (600, 512, 512)
REPEATS = 15


def volume() -> Volume:
    """A head-like CT made of noise in a sphere; int16 HU, 0.5 mm pixels, 1 mm slices."""
    rng = np.random.default_rng(0)
    axes = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in SHAPE)]
    voxels = np.full(SHAPE, -1000, np.int16)
    inside = sum(a**2 for a in axes) < 0.8
    voxels[inside] = rng.integers(10, 60, int(inside.sum()), dtype=np.int16)
    affine = np.diag([0.0, 0, 0, 1])
    affine[[2, 1, 0], [0, 1, 2]] = (1.0, 0.5, 0.5)
    return Volume(
        path=Path("made"),
        modality="CT",
        units="HU",
        shape=SHAPE,
        spacing=(1.0, 0.5, 0.5),
        affine=affine,
        description="made",
        _decode=lambda indices: voxels[list(indices)],
    )


def matplotlib_png(plane: np.ndarray, aspect: float) -> bytes:
    """What a cell with ``imshow`` and a slider costs for each value."""
    figure, axis = plt.subplots(figsize=(5, 5))
    axis.imshow(plane, cmap="gray", vmin=0, vmax=80, aspect=aspect)
    axis.axis("off")
    out = io.BytesIO()
    figure.savefig(out, format="png")
    plt.close(figure)
    return out.getvalue()


def milliseconds(work: Callable[[int], object], last: int) -> str:
    """Median and largest of some calls, at slices all over the volume."""
    taken = []
    for k in np.linspace(last // 4, 3 * last // 4, REPEATS).astype(int).tolist():
        start = time.perf_counter()
        work(k)
        taken.append(1000 * (time.perf_counter() - start))
    return f"median {statistics.median(taken):5.1f} ms, largest {max(taken):5.1f} ms"


def main() -> None:
    """Print a line for each way and plane."""
    made = volume()
    viewer = VolumeViewer(made, range(0, SHAPE[0], 7))
    start = time.perf_counter()
    viewer.plane.value = "sagittal"
    print(f"first sagittal slice, all voxels read: {time.perf_counter() - start:.1f} s")
    voxels = made.slices(range(SHAPE[0]))
    planes = {"axial": 0, "coronal": 1, "sagittal": 2}
    for preset in (viewer.preset.options[0], "brain"):
        viewer.preset.value = preset
        for plane in planes:
            viewer.plane.value = plane
            timed = milliseconds(lambda k: setattr(viewer.slider, "value", k), viewer.slider.max)
            print(f"viewer, {preset}, {plane}: {timed}")
    for plane, axis in planes.items():
        aspect = 1.0 if axis == 0 else 2.0
        timed = milliseconds(
            lambda k, axis=axis, aspect=aspect: matplotlib_png(voxels.take(k, axis), aspect), SHAPE[axis] - 1
        )
        print(f"matplotlib, brain, {plane}: {timed}")


if __name__ == "__main__":
    main()
