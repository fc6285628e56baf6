"""One slice of a 512 x 512 x 600 volume to the bytes of a picture: the volume viewer beside matplotlib.

Run: python -m tests.benchmarks.bench_viewers

Each work draws 20 slices. The voxels are in memory, as they are in the viewer once a coronal or sagittal plane was
chosen; "axial, decoded" reads each slice from its DICOM file, as the viewer does before that.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_volumes import SERIES, make_series
from tests.benchmarks.measure import BUILD, Variant, measure, save, table

COUNT = 20
WAYS = {
    f"{plane}, {name}": (way, plane)
    for plane in ("axial", "coronal", "sagittal")
    for name, way in (("imshow", "imshow"), ("viewer", "viewer"), ("viewer, one window", "viewer_grey"))
} | {"axial, decoded, viewer": ("viewer_decoded", "axial")}


def viewer(folder: str, plane: str, window: str | None = None, load: bool = True) -> Callable[[], int]:
    """The package's viewer: its slider is moved."""
    from helpers.viewers import VolumeViewer
    from helpers.volumes import read_volume

    shown = VolumeViewer(read_volume(folder, modality="CT"))
    if load:
        shown.plane.value = "coronal"  # reads all
    shown.plane.value = plane
    if window:
        shown.preset.value = window

    def work() -> int:
        for k in range(COUNT):
            shown.slider.value = 100 + 10 * k
        return len(shown.picture.value) > 0

    return work


def viewer_grey(folder: str, plane: str) -> Callable[[], int]:
    """The same with one window in grey."""
    return viewer(folder, plane, "brain")


def viewer_decoded(folder: str, plane: str) -> Callable[[], int]:
    """The same from the files."""
    return viewer(folder, plane, load=False)


def imshow(folder: str, plane: str) -> Callable[[], int]:
    """What one would write: matplotlib's imshow in one window, saved as PNG."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from helpers.viewers.volume_pictures import PLANES, whole
    from helpers.volumes import read_volume

    volume: Any = read_volume(folder, modality="CT")
    voxels, axes = whole(volume), PLANES[plane]
    aspect = volume.spacing[axes.down] / volume.spacing[axes.along]

    def work() -> int:
        for k in range(COUNT):
            figure, axis = plt.subplots(figsize=(5.12, 5.12))
            axis.imshow(voxels.take(100 + 10 * k, axis=axes.cut), cmap="gray", vmin=0, vmax=80, aspect=aspect)
            axis.axis("off")
            out = io.BytesIO()
            figure.savefig(out, format="png", dpi=100)
            plt.close(figure)
        return len(out.getvalue()) > 0

    return work


def main() -> None:
    """Make the series, measure, print the table with milliseconds a slice and write build/bench_viewers.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if not Path(SERIES).exists():
        print("Writing a series of 600 slices ...", flush=True)
        make_series(SERIES)
    variants = {
        name: Variant(f"{__spec__.name}:{way}", {"folder": str(SERIES), "plane": plane})
        for name, (way, plane) in WAYS.items()
    }
    rows = measure(variants, options.repeats)
    print(table(rows, baseline="axial, imshow"))
    for name, row in rows.items():
        print(f"{name}: {row.seconds / COUNT * 1000:.0f} ms a slice")
    save(BUILD / "bench_viewers.json", rows)


if __name__ == "__main__":
    main()
