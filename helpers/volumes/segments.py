"""Read a DICOM segmentation as masks on the grid of the volume that it was drawn on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.pixels import pixel_array
from pydicom.uid import SegmentationStorage

from helpers.errors import InputError
from helpers.volumes.dicom_files import begins_as_dicom, find_dicom_files
from helpers.volumes.dicom_pixels import read_dataset, undecodable
from helpers.volumes.header_values import header_text, header_value, numbers, orientation_of, whole_number
from helpers.volumes.volume import Volume

# The functional groups that say which segment a frame shows, and where (PS3.3 C.8.20.2, C.7.6.16.2).
_GROUPS = ("SegmentIdentificationSequence", "PlanePositionSequence", "PlaneOrientationSequence")
_BETWEEN = 0.25  # the largest distance of a frame from a slice, as a share of that between slices


def read_segments(path: str | os.PathLike[str], volume: Volume) -> dict[str, np.ndarray]:
    """Read a DICOM segmentation: a dictionary from the label of each segment to its bool mask (z, y, x) of
    ``volume``.

    Each frame belongs to the slice at its position. A pixel of the volume takes the value of the nearest pixel of
    the frame. Slices without a frame stay False, and segments may overlap. Segments with the same label share a
    mask. A segment without a label gets its number as its name.

    Args:
        path: the file, or a folder that holds one segmentation.
        volume: the volume that was segmented, from `helpers.volumes.read_volume`.

    Raises:
        InputError: there is no segmentation or several, it holds fractions or a label map, or its frame of
            reference is another; or its frames are not parallel to slices along an axis of the volume, or lie
            between or beside them.
    """
    file, dataset = _only_segmentation(Path(path))
    _check(dataset, volume, file)
    items = header_value((dataset,), "SegmentSequence") or ()
    labels = {int(n.SegmentNumber): header_text(n.get("SegmentLabel")) or f"{n.SegmentNumber}" for n in items}
    try:
        frames = pixel_array(dataset)
    except Exception as error:  # the decoders raise errors of many unrelated kinds
        raise undecodable(file, error) from error
    frames = frames[None] if frames.ndim == 2 else frames
    shared = list(header_value((dataset,), "SharedFunctionalGroupsSequence") or ())[:1]
    each = header_value((dataset,), "PerFrameFunctionalGroupsSequence") or ()
    if len(each) != len(frames):
        raise InputError(
            f"The file holds {len(frames)} frames, but describes {len(each)}.",
            path=file,
            remedy="Export the file again.",
        )
    masks = {label: np.zeros(volume.shape, bool) for label in labels.values()}
    for frame, group in zip(frames, each, strict=True):
        levels = _levels([group, *shared])
        number = whole_number(header_value(levels, "ReferencedSegmentNumber"), "ReferencedSegmentNumber", file)
        axes, k, rows, columns = _place(levels, volume, file)
        inside_y, inside_x = (rows >= 0) & (rows < frame.shape[0]), (columns >= 0) & (columns < frame.shape[1])
        part = np.ix_(inside_y, inside_x)
        if number not in labels:
            raise InputError(
                f"A frame belongs to segment {number}, which the file does not describe.",
                path=file,
                remedy="Export the file again.",
            )
        masks[labels[number]].transpose(axes)[k][part] |= frame[np.ix_(rows[inside_y], columns[inside_x])] > 0
    return masks


def _only_segmentation(path: Path) -> tuple[Path, Dataset]:
    files = [path] if path.is_file() else find_dicom_files(path)
    found = [file for file in files if _is_segmentation(file)]
    if len(found) != 1:
        raise InputError(
            f"{len(found) or 'None'} of the {len(files)} DICOM files are segmentations, but exactly "
            "one is needed.",
            path=path,
            remedy="Give the file of one DICOM segmentation (Modality SEG).",
        )
    return found[0], read_dataset(found[0])


def _is_segmentation(file: Path) -> bool:
    if not begins_as_dicom(file):
        return False
    header = dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID", "Modality"], force=True)
    return header.get("SOPClassUID") == SegmentationStorage or header.get("Modality") == "SEG"


def _check(dataset: Dataset, volume: Volume, file: Path) -> None:
    kind = header_text(header_value((dataset,), "SegmentationType"))
    if kind != "BINARY":
        raise InputError(
            f"The segmentation has the type {kind or 'unknown'}, in which a pixel is not simply inside "
            "or outside of a segment.",
            path=file,
            remedy="Export the segmentation with the type BINARY.",
        )
    reference = header_text(header_value((dataset,), "FrameOfReferenceUID"))
    if reference and volume.frame_of_reference and reference != volume.frame_of_reference:
        raise InputError(
            "The segmentation was drawn on images with other coordinates (another Frame of Reference).",
            path=file,
            remedy=f"Give the segmentation that was drawn on {volume.path}.",
        )


def _levels(groups: Sequence[Dataset]) -> list[Dataset]:
    """The groups in which the attributes of a frame are looked up: its own, then those shared by all frames."""
    keywords = (*_GROUPS, "PixelMeasuresSequence")
    return [item[0] for group in groups for keyword in keywords if (item := header_value((group,), keyword))]


def _place(
    levels: Sequence[Dataset], volume: Volume, file: Path
) -> tuple[tuple[int, ...], int, np.ndarray, np.ndarray]:
    """Where a frame lies: the axes of the volume across it, down and along it; its index on the first of them; and
    for each row and column of the volume the one of the frame.
    """
    along, down = np.split(orientation_of(header_value(levels, "ImageOrientationPatient"), file), 2)
    dy, dx = numbers(header_value(levels, "PixelSpacing"), 2, "PixelSpacing", file)
    position = numbers(header_value(levels, "ImagePositionPatient"), 3, "ImagePositionPatient", file)
    to_index = np.linalg.inv(volume.affine)
    start = (to_index @ [*position, 1])[:3]
    step_down, step_along = to_index[:3, :3] @ (down * dy), to_index[:3, :3] @ (along * dx)
    # A volume that was turned to axial was drawn on in its own slices: sagittal or coronal, on the same grid.
    axis_down, axis_along = int(np.abs(step_down).argmax()), int(np.abs(step_along).argmax())
    aside = [*np.delete(np.abs(step_down), axis_down), *np.delete(np.abs(step_along), axis_along)]
    across = 3 - axis_down - axis_along
    on_grid = np.allclose(np.abs([step_down[axis_down], step_along[axis_along]]), 1, atol=0.01)
    if axis_down == axis_along or max(volume.shape) * max(aside) > 0.5 or (across and not on_grid):
        raise InputError(
            "The segmentation is not parallel to the slices of the volume.",
            path=file,
            remedy="Give the volume that the segmentation was drawn on.",
        )
    places = np.arange(volume.shape[across]) if across else volume.z_places
    k = int(np.abs(places - start[across]).argmin())
    most = _BETWEEN * min(1.0, float(np.diff(places).min(initial=1.0)))
    if abs(places[k] - start[across]) > most:
        within = places[0] <= start[across] <= places[-1]
        raise InputError(
            f"A frame of the segmentation lies {'between' if within else 'beside'} the slices of the volume.",
            path=file,
            remedy="Give the volume that the segmentation was drawn on.",
        )
    rows = np.rint((np.arange(volume.shape[axis_down]) - start[axis_down]) / step_down[axis_down]).astype(int)
    columns = np.rint((np.arange(volume.shape[axis_along]) - start[axis_along]) / step_along[axis_along]).astype(
        int
    )
    return (across, axis_down, axis_along), k, rows, columns
