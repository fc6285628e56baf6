"""Write the bundled MRI of one head, data/colin27_t1.nii.gz: the published volume without face and ears.

    python data/make_brain_mri.py ch2.nii.gz

``ch2.nii.gz`` is Colin 27 as MRIcron ships it: T1-weighted, uint8, 1 mm, axes to right, front and top (RAS), in
MNI space. Voxels below an oblique plane through the face, and those of the ears, become 0; all others, the shape
and the affine stay as they are. The header is written anew, as the published one names a folder of its maker. The
file is the same, byte for byte, each time this runs with the same versions of Python, nibabel and zlib.
Afterwards: ``python data/update_manifest.py``.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np

from helpers.storage import whole_file

FOLDER = Path(__file__).parent
# Millimetres of MNI space: x to the right, y to the front, z to the top.
# The plane z = HEIGHT + SLOPE * y runs from the lower edge of the orbital roof down and back to behind the jaw.
# Below it lie nose, cheeks, jaw and the front of the eyes; above it brain, skull cap and forehead.
HEIGHT, SLOPE = -57.25, 0.45
# The ears: farther from the midsagittal plane than the skull, and below the top of the ears. Some skin goes too.
EAR_DISTANCE, EAR_TOP = 84, -15
BRAIN = 60  # the ICBM 152 average is brain where it is brighter than this


def positions(shape: tuple[int, int, int], affine: np.ndarray) -> list[np.ndarray]:
    """x, y and z in mm of every voxel; each broadcasts over the volume, whose axes must be those of ``affine``."""
    if not np.array_equal(affine[:3, :3], np.eye(3)):
        raise SystemExit("The volume is not 1 mm, with axes to right, front and top.")
    return [first + index for first, index in zip(affine[:3, 3], np.ogrid[tuple(map(slice, shape))], strict=True)]


def removed(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Which voxels are of the face or the ears."""
    x, y, z = positions(shape, affine)
    return (z < HEIGHT + SLOPE * y) | ((abs(x) > EAR_DISTANCE) & (z < EAR_TOP))


def brain_removed(gone: np.ndarray, affine: np.ndarray) -> int:
    """How many voxels of the bundled average brain, in MNI space as well, are among those that are ``gone``."""
    average = nibabel.load(FOLDER / "mni_icbm152_t1.nii.gz")
    brain = np.argwhere(np.asanyarray(average.dataobj) > BRAIN)
    index = nibabel.affines.apply_affine(np.linalg.inv(affine) @ average.affine, brain).round().astype(int)
    inside = ((index >= 0) & (index < gone.shape)).all(axis=1)
    return int(gone[tuple(index[inside].T)].sum() + (~inside).sum())


def main(source: Path, target: Path) -> None:
    """Write ``target`` from ``source``, once it is checked that no brain goes."""
    published = nibabel.load(source)
    volume = np.asanyarray(published.dataobj)
    gone = removed(volume.shape, published.affine)
    if lost := brain_removed(gone, published.affine):
        raise SystemExit(f"{source}: {lost} voxels of the brain would be removed.")
    image = nibabel.Nifti1Image(np.where(gone, 0, volume).astype(np.uint8), published.affine)
    image.set_qform(published.affine, code="mni")
    image.set_sform(published.affine, code="mni")
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"Colin 27, T1, face and ears set to 0"
    with whole_file(target) as partial:
        partial.write_bytes(gzip.compress(image.to_bytes(), compresslevel=9, mtime=0))
    print(f"{target.name}: {target.stat().st_size:,} bytes, {np.count_nonzero(volume[gone]):,} voxels set to 0")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), FOLDER / "colin27_t1.nii.gz")
