"""DICOM segmentations: each outlined voxel lies where it was drawn, whatever the order and size of the frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from helpers.errors import InputError
from helpers.volumes import read_segments, read_volume

Write = Callable[..., Path]
# Slices of `write_series` lie at -10, -20 and 2.5 k mm; a row is 0.8 mm high, a column 0.7 mm wide.
Z, DY, DX = 2.5, 0.8, 0.7


def item(**attributes: Any) -> list[Dataset]:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return [dataset]


def write_segmentation(
    path: Path,
    frames: list[tuple[int, tuple[float, float, float], np.ndarray]],
    labels: tuple[str, ...],
    spacing: tuple[float, float] = (DY, DX),
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    **attributes: Any,
) -> Path:
    """Write ``frames``: number of the segment, position in mm, and mask (y, x)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = SegmentationStorage, generate_uid(), "SEG"
    ds.SegmentationType = "BINARY"
    ds.SegmentSequence = [item(SegmentNumber=n, SegmentLabel=label)[0] for n, label in enumerate(labels, start=1)]
    ds.Rows, ds.Columns = frames[0][2].shape
    ds.NumberOfFrames, ds.SamplesPerPixel, ds.PhotometricInterpretation = len(frames), 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=list(orientation)),
        PixelMeasuresSequence=item(PixelSpacing=list(spacing)),
    )
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            SegmentIdentificationSequence=item(ReferencedSegmentNumber=number),
            PlanePositionSequence=item(ImagePositionPatient=list(position)),
        )[0]
        for number, position, _ in frames
    ]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.PixelData = pack_bits(np.stack([mask for *_, mask in frames]).astype(np.uint8).ravel())
    ds.save_as(path, enforce_file_format=True)
    return path


def mask_with(*voxels: tuple[int, int], shape: tuple[int, int] = (16, 24)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for y, x in voxels:
        mask[y, x] = True
    return mask


def test_frames_in_any_order_go_to_their_slices_and_segments_may_overlap(write_series: Write, tmp_path: Path):
    volume = read_volume(write_series(np.zeros((6, 16, 24))), modality="CT")
    frames = [
        (2, (-10, -20, 4 * Z), mask_with((3, 5), (3, 6))),
        (1, (-10, -20, 1 * Z), mask_with((15, 23))),
        (1, (-10, -20, 4 * Z), mask_with((3, 5))),
    ]
    folder = tmp_path / "seg"
    folder.mkdir()
    write_segmentation(folder / "1.dcm", frames, ("Liver", "Tumor_1"))
    for path in (folder, folder / "1.dcm"):
        found = read_segments(path, volume)
        assert {name: np.argwhere(mask).tolist() for name, mask in found.items()} == {
            "Liver": [[1, 15, 23], [4, 3, 5]],
            "Tumor_1": [[4, 3, 5], [4, 3, 6]],
        }
        assert all(mask.shape == volume.shape and mask.dtype == bool for mask in found.values())


def test_frames_may_be_cut_out_finer_or_turned_round(write_series: Write, tmp_path: Path):
    volume = read_volume(write_series(np.zeros((6, 16, 24))), modality="CT")
    # The first pixel of the cut-out is voxel (2, 4) of the slice.
    corner = (-10 + 4 * DX, -20 + 2 * DY, 2 * Z)
    cut = write_segmentation(tmp_path / "cut.dcm", [(1, corner, mask_with((1, 2), shape=(4, 8)))], ("a",))
    assert np.argwhere(read_segments(cut, volume)["a"]).tolist() == [[2, 3, 6]]
    # Twice as fine: pixels 2 and 3 down are in voxel 1, and 8 and 9 along in voxel 4.
    fine = np.zeros((32, 48), bool)
    fine[2:4, 8:10] = True
    finer = (-10 - DX / 4, -20 - DY / 4, 0)
    path = write_segmentation(tmp_path / "fine.dcm", [(1, finer, fine)], ("a",), spacing=(DY / 2, DX / 2))
    assert np.argwhere(read_segments(path, volume)["a"]).tolist() == [[0, 1, 4]]
    # Its first pixel is the last of the slice, and both axes run the other way.
    last = (-10 + 23 * DX, -20 + 15 * DY, 5 * Z)
    turned = write_segmentation(
        tmp_path / "turned.dcm", [(1, last, mask_with((0, 1)))], ("a",), orientation=(-1, 0, 0, 0, -1, 0)
    )
    assert np.argwhere(read_segments(turned, volume)["a"]).tolist() == [[5, 15, 22]]


def test_a_frame_goes_to_the_slice_at_its_place_also_where_slices_are_missing(write_series: Write, tmp_path: Path):
    heights = [0, 1, 2, 10, 11, 12]
    places = {k: [-10, -20, Z * heights[k]] for k in range(6)}
    volume = read_volume(write_series(np.zeros((6, 16, 24)), ImagePositionPatient=places), uniform=False)
    for k, height in enumerate(heights):
        path = write_segmentation(tmp_path / "seg.dcm", [(1, (-10, -20, Z * height), mask_with((3, 5)))], ("a",))
        assert np.argwhere(read_segments(path, volume)["a"]).tolist() == [[k, 3, 5]]
    path = write_segmentation(tmp_path / "seg.dcm", [(1, (-10, -20, Z * 6), mask_with((3, 5)))], ("a",))
    with pytest.raises(InputError, match="between the slices"):
        read_segments(path, volume)


@pytest.mark.parametrize("orientation", [(0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)], ids=["sagittal", "coronal"])
def test_what_was_drawn_in_other_planes_turns_with_the_volume(
    write_series: Write, tmp_path: Path, orientation: tuple[float, ...]
):
    values = np.zeros((7, 8, 9))
    values[2, 3, 4] = 500
    across = np.cross(orientation[:3], orientation[3:])
    places = {k: (2.0 * k * across).tolist() for k in range(7)}
    about = {"ImageOrientationPatient": list(orientation), "ImagePositionPatient": places, "PixelSpacing": [2, 2]}
    volume = read_volume(write_series(values, modality="MR", **about))
    drawn = mask_with((3, 4), shape=(8, 9))
    frame = (1, tuple(places[2]), drawn)
    path = write_segmentation(tmp_path / "seg.dcm", [frame], ("a",), spacing=(2, 2), orientation=orientation)
    found = read_segments(path, volume)["a"]
    assert np.argwhere(found).tolist() == np.argwhere(volume.slices(range(volume.shape[0])) == 500).tolist()
    assert found.sum() == 1


def test_a_label_map_is_a_segmentation_that_is_not_read(write_series: Write, tmp_path: Path):
    series = write_series(np.zeros((6, 16, 24)))
    newer = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.7", "SegmentationType": "LABELMAP"}
    path = write_segmentation(series / "seg.dcm", [(1, (-10, -20, 0), mask_with((0, 0)))], ("a",), **newer)
    volume = read_volume(series)
    assert volume.shape == (6, 16, 24) and volume.notes[:1] == (
        "Files that were passed over: seg.dcm (a segmentation).",
    )
    with pytest.raises(InputError, match="type LABELMAP"):
        read_segments(path, volume)


def test_what_does_not_belong_to_the_volume_is_refused(write_series: Write, tmp_path: Path):
    series = write_series(np.zeros((6, 16, 24)), FrameOfReferenceUID="1.2.3")
    volume = read_volume(series, modality="CT")

    def refused(says: str, position: tuple[float, float, float] = (-10, -20, 0), **given: Any) -> None:
        path = write_segmentation(tmp_path / "seg.dcm", [(1, position, mask_with((0, 0)))], ("a",), **given)
        with pytest.raises(InputError, match=says) as caught:
            read_segments(path, volume)
        assert caught.value.remedy

    refused("between the slices", (-10, -20, 1.2))
    refused("beside the slices", (-10, -20, 6 * Z))
    refused("not parallel", orientation=(1, 0, 0, 0, 0, 1))
    refused("type FRACTIONAL", SegmentationType="FRACTIONAL")
    refused("other coordinates", FrameOfReferenceUID="1.2.4")
    with pytest.raises(InputError, match="None of the 6 DICOM files are segmentations"):
        read_segments(series, volume)
