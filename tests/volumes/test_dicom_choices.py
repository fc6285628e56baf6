"""Several volumes in one place: all are listed, each with words that choose it and no other."""

from __future__ import annotations

import ast
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, strategies as st
from pydicom import Dataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from helpers.errors import InputError
from helpers.volumes import read_volume
from helpers.volumes.dicom_choices import plain
from helpers.volumes.dicom_series import NothingMatchesError
from helpers.volumes.header_values import header_text, same
from tests.volumes.test_dicom_slices import edited

KERNELS = (["Br40", "3"], ["Br59", "3"])
MAGNITUDE_PHASE = (["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "P", "ND"])
PRIVATE = {
    "Siemens": ("SIEMENS MR HEADER", 0x0019, 0x0C, "IS", str),
    "GE": ("GEMS_PARM_01", 0x0043, 0x39, "IS", lambda b: [10**9 + b, 8, 0, 0]),
    "GE, plain": ("GEMS_PARM_01", 0x0043, 0x39, "DS", lambda b: [b, 8, 0, 0]),
    "Philips": ("Philips Imaging DD 001", 0x2001, 0x03, "FL", float),
    "UIH": ("Image Private Header", 0x0065, 0x09, "FD", float),
}


def listed(source: Path, given: dict[str, Any] | None = None) -> dict[tuple[tuple[str, str], ...], int]:
    """The volumes that the error lists, as words to slices; checks that each chooses what it promises."""
    with pytest.raises(InputError) as caught:
        read_volume(source, only=given)
    message = str(caught.value)
    found = {}
    for size, words in re.findall(r"^  (\d+) .*?: (\w+=.*)$", message, re.M):
        pairs = dict(pair.split("=", 1) for pair in re.split(r", (?=[A-Za-z]+=)", words))
        volume = read_volume(source, only=pairs)  # all of them as text, as the command line gives them
        assert volume.shape[0] == int(size)
        found[tuple(pairs.items())] = int(size)
    assert len(found) == int(re.search(r"Here are (\d+) volumes", message)[1])
    example = ast.literal_eval(re.search(r"only=(\{.*\})\), or", message)[1])
    flags = shlex.split(re.search(r"or (--only .*) on the command line", message)[1])
    assert [text.split("=", 1) for text in flags if text != "--only"] == [[k, str(v)] for k, v in example.items()]
    assert read_volume(source, only=example).shape[0] in found.values()
    return found


def pair(**by: tuple) -> Callable[[Dataset, int], None]:
    """Two volumes whose slices lie in the same places: what differs, each as (of the first, of the second)."""

    def edit(ds: Dataset, k: int) -> None:
        ds.ImagePositionPatient = [0, 0, 2.5 * (k // 2)]
        for keyword, values in by.items():
            if (value := values[k % 2] if len(values) == 2 else values[k]) is not None:
                setattr(ds, keyword, value)

    return edit


TWO = {
    "echoes": ({"EchoTime": (4.92, 7.38)}, "EchoTime"),
    "acquisitions": ({"AcquisitionNumber": (1, 2)}, "AcquisitionNumber"),
    "kernels": ({"ConvolutionKernel": KERNELS}, "ConvolutionKernel"),
    "fields of view": ({"ReconstructionDiameter": (200, 240)}, "ReconstructionDiameter"),
    "spacings": ({"PixelSpacing": ([0.8, 0.8], [0.803, 0.803])}, "PixelSpacing"),
    "spacings that waver": (
        {"PixelSpacing": tuple([0.8 + 0.001 * (k // 2 % 2) + 0.1 * (k % 2)] * 2 for k in range(8))},
        "PixelSpacing",
    ),
    "magnitude and phase": ({"ImageType": MAGNITUDE_PHASE}, "ImageType"),
    "parts of an ImageType": ({"ImageType": (["ORIGINAL", "PRIMARY"], MAGNITUDE_PHASE[1])}, "ImageType"),
    "b-values": ({"DiffusionBValue": (0.0, 1000.0)}, "DiffusionBValue"),
    "times": ({"TemporalPositionIdentifier": (1, 2)}, "TemporalPositionIdentifier"),
    "trigger times": ({"TriggerTime": (0, 450.5)}, "TriggerTime"),
    "only one has it": ({"ContrastBolusAgent": (None, "Gd (1 mmol/ml)")}, "ContrastBolusAgent"),
    "close numbers": ({"SeriesNumber": (1000001, 1000002)}, "SeriesNumber"),
    "close times": ({"AcquisitionDateTime": ("20240101101010.12", "20240101101010.34")}, "AcquisitionDateTime"),
    "not a number": ({"SeriesDescription": ("nan", "inf")}, "SeriesDescription"),
    "nearly a number": ({"SeriesDescription": ("1_0", "0010")}, "SeriesDescription"),
    "said to be none": ({"SeriesDescription": ("none", "other")}, "SeriesDescription"),
    "for a shell": ({"SeriesDescription": ("it's; a=b", "T1 & T2 $(x)")}, "SeriesDescription"),
    # Acquisitions that go on along the table would make eight volumes of two.
    "acquisitions along the table": (
        {"AcquisitionNumber": tuple(range(1, 9)), "ConvolutionKernel": KERNELS},
        "ConvolutionKernel",
    ),
}


@pytest.mark.parametrize("case", TWO)
def test_what_differs_chooses(case: str, write_series) -> None:
    by, keyword = TWO[case]
    folder = edited(write_series(np.arange(8).reshape(8, 1, 1) * np.ones((8, 3, 3)), modality="MR"), pair(**by))
    found = listed(folder)
    assert {name for words in found for name, _ in words} == {keyword} and set(found.values()) == {4}
    tops = {words[0][1]: read_volume(folder, only=dict(words)).slices([0]).max() for words in found}
    assert sorted(tops.values()) == [0, 1]


@pytest.mark.parametrize("maker", PRIVATE)
@pytest.mark.parametrize("encoding", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_private_b_values_choose(maker: str, encoding: str, write_series) -> None:
    creator, group, element, vr, written = PRIVATE[maker]

    def edit(ds: Dataset, k: int) -> None:
        pair()(ds, k)
        ds.private_block(group, creator, create=True).add_new(element, vr, written(1000 * (k % 2)))
        ds.file_meta.TransferSyntaxUID = encoding

    folder = edited(write_series(np.arange(8).reshape(8, 1, 1) * np.ones((8, 3, 3)), modality="MR"), edit)
    assert listed(folder) == {(("DiffusionBValue", "0"),): 4, (("DiffusionBValue", "1000"),): 4}
    assert read_volume(folder, only={"DiffusionBValue": 1000}).slices([0]).max() == 1


def enhanced(folder: Path, per_frame: Callable[[int], dict[str, dict[str, Any]]], count: int = 12) -> Path:
    """An Enhanced MR of 3 x 3 pixels that are their frame's number."""
    (file,) = folder.iterdir()
    ds = pydicom.dcmread(file)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del ds[keyword]
    ds.NumberOfFrames = count
    ds.PixelData = np.repeat(np.arange(count), 9).astype("<i2").tobytes()

    def groups(said: dict[str, dict[str, Any]]) -> Dataset:
        made = Dataset()
        for sequence, attributes in said.items():
            item = Dataset()
            for keyword, value in attributes.items():
                setattr(item, keyword, value)
            setattr(made, sequence, [item])
        return made

    plane = {"PixelMeasuresSequence": {"PixelSpacing": [1, 1], "SliceThickness": 2}}
    plane |= {"PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}}
    ds.SharedFunctionalGroupsSequence = [groups(plane)]
    ds.PerFrameFunctionalGroupsSequence = [groups(per_frame(k)) for k in range(count)]
    ds.save_as(file, enforce_file_format=True)
    return folder


def at(k: int) -> dict[str, dict[str, Any]]:
    return {"PlanePositionSequence": {"ImagePositionPatient": [0, 0, 2 * k]}}


def diffusion(k: int) -> dict[str, Any]:
    said: dict[str, Any] = {"DiffusionBValue": 1000.0 if k % 4 else 0.0}
    if k % 4:
        direction = Dataset()
        direction.DiffusionGradientOrientation = np.eye(3)[k % 4 - 1].tolist()
        said["DiffusionGradientDirectionSequence"] = [direction]
    return {"MRDiffusionSequence": said}


FRAMES = {
    "stacks": (lambda k: at(k // 2) | {"FrameContentSequence": {"StackID": str(k % 2)}}, 2, "StackID"),
    "times": (
        lambda k: at(k // 2) | {"FrameContentSequence": {"TemporalPositionIndex": k % 2 + 1}},
        *(2, "TemporalPositionIndex"),
    ),
    "echoes": (lambda k: at(k // 2) | {"MREchoSequence": {"EffectiveEchoTime": 5.0 + k % 2}}, 2, "EchoTime"),
    "kinds": (
        lambda k: at(k // 2) | {"MRImageFrameTypeSequence": {"FrameType": MAGNITUDE_PHASE[k % 2]}},
        *(2, "FrameType"),
    ),
    "phases of the heart": (
        lambda k: (
            at(k // 2) | {"CardiacSynchronizationSequence": {"NominalPercentageOfCardiacPhase": 40.0 + k % 2}}
        ),
        *(2, "NominalPercentageOfCardiacPhase"),
    ),
    "breathing": (
        lambda k: (
            at(k // 2)
            | {"RespiratorySynchronizationSequence": {"NominalPercentageOfRespiratoryPhase": 50.0 * (k % 2)}}
        ),
        *(2, "NominalPercentageOfRespiratoryPhase"),
    ),
    "offsets in time": (
        lambda k: at(k // 2) | {"TemporalPositionSequence": {"TemporalPositionTimeOffset": 12.5 * (k % 2)}},
        *(2, "TemporalPositionTimeOffset"),
    ),
    "spin labelling": (
        lambda k: at(k // 2) | {"MRArterialSpinLabelingSequence": {"ASLContext": ("LABEL", "CONTROL")[k % 2]}},
        *(2, "ASLContext"),
    ),
    "directions": (lambda k: at(k // 4) | diffusion(k), 4, "DiffusionBValue"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_frames_of_one_file_choose(case: str, write_series) -> None:
    per_frame, count, keyword = FRAMES[case]
    folder = enhanced(write_series(np.zeros((1, 3, 3)), modality="MR"), per_frame)
    found = listed(folder)
    assert len(found) == count and set(found.values()) == {12 // count}
    assert keyword in {name for words in found for name, _ in words}
    lowest = {float(read_volume(folder, only=dict(words)).slices([0]).max()) for words in found}
    assert lowest == set(range(count))


def test_attributes_of_all_frames_win_over_a_makers_own_of_one(write_series) -> None:
    folder = enhanced(write_series(np.zeros((1, 3, 3)), modality="MR"), at)
    (file,) = folder.iterdir()
    ds = pydicom.dcmread(file)
    for frame in ds.PerFrameFunctionalGroupsSequence:
        own = Dataset()
        own.PixelSpacing, own.RescaleSlope, own.RescaleIntercept = [0.5, 0.5], 7, 5
        frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", [own])
    shared = Dataset()
    shared.RescaleSlope, shared.RescaleIntercept, shared.RescaleType = 1, 0, "US"
    ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = [shared]
    ds.save_as(file, enforce_file_format=True)
    volume = read_volume(folder)
    assert volume.spacing == (2, 1, 1) and volume.slices([11]).max() == 11


def test_frames_that_do_not_fit_are_refused_and_localizers_among_them_passed_over(write_series) -> None:
    folder = write_series(np.zeros((1, 3, 3)), modality="MR")
    kinds = lambda k: {"FrameType": ["ORIGINAL", "PRIMARY", "LOCALIZER" if k < 2 else "VOLUME", "NONE"]}  # noqa: E731
    enhanced(folder, lambda k: at(k) | {"MRImageFrameTypeSequence": kinds(k)})
    volume = read_volume(folder)
    assert volume.shape[0] == 10 and "a localizer" in volume.notes[0] and volume.slices([0]).max() == 2
    ds = pydicom.dcmread(folder / "0000.dcm")
    ds.NumberOfFrames = 11
    ds.save_as(folder / "0000.dcm")
    with pytest.raises(InputError, match="has 11 frames, but describes 12"):
        read_volume(folder)


def test_three_words_are_needed_at_times(write_series) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.ImagePositionPatient = [0, 0, 2 * (k // 8)]
        ds.EchoTime, ds.ImageType = (3, 6)[k & 1], MAGNITUDE_PHASE[k >> 1 & 1]
        ds.TemporalPositionIdentifier = (k >> 2 & 1) + 1

    folder = edited(write_series(np.zeros((24, 3, 3)), modality="MR"), edit)
    found = listed(folder)
    assert len(found) == 8 and {len(words) for words in found} == {3}
    assert len(listed(folder, {"EchoTime": 3})) == 4  # the words go on from what was chosen


def test_what_nothing_tells_apart_asks_for_files(write_series) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.ImagePositionPatient = [0, 0, 2 * (k // 4)]
        ds.DiffusionBValue = 1000.0 if k % 4 else 0.0

    folder = edited(write_series(np.zeros((12, 3, 3)), modality="MR"), edit)
    with pytest.raises(InputError, match=r"(?s)9 MR .*several in one place.*DiffusionBValue=1000"):
        read_volume(folder)
    assert read_volume(folder, only={"DiffusionBValue": "0"}).shape[0] == 3
    with pytest.raises(InputError, match="no header field tells them apart") as caught:
        read_volume(folder, only={"DiffusionBValue": "1000"})
    assert "a list of the files" in caught.value.remedy
    assert read_volume(sorted(folder.iterdir())[1::4]).shape[0] == 3


def test_a_mosaic_can_be_left_for_another_series(write_series) -> None:
    write_series(np.zeros((3, 3, 3)), modality="MR", SeriesNumber=1)
    folder = write_series(
        *(np.zeros((4, 6, 6)),),
        **dict(folder="series/mosaic", modality="MR", SeriesNumber=2, ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"]),
    )
    assert read_volume(folder.parent, only={"SeriesNumber": "1"}).shape[0] == 3
    with pytest.raises(InputError, match=r"mosaic.*dcm2niix"):
        read_volume(folder.parent, only={"SeriesNumber": "2"})


def test_any_keyword_chooses_and_others_are_refused(write_series) -> None:
    folder = write_series(np.zeros((4, 3, 3)), modality="MR", EchoTime=20)
    assert read_volume(folder, only={"EchoTime": "20.0", "Rows": 3}).shape[0] == 4
    with pytest.raises(NothingMatchesError, match="No volume matches EchoTime=90"):
        read_volume(folder, only={"EchoTime": 90})
    with pytest.raises(InputError, match="Did you mean EchoTime"):
        read_volume(folder, only={"EchoTimes": 20})


def test_many_volumes_are_listed_in_time(write_series) -> None:
    """As many directions of diffusion as are usual, each slice with times and numbers of its own."""

    def edit(ds: Dataset, k: int) -> None:
        ds.ImagePositionPatient = [0, 0, 2 * (k // 60)]
        ds.DiffusionBValue = float(1000 * (k % 60 > 0))
        ds.DiffusionGradientOrientation = [k % 60 / 60, 0.0, 1.0]
        ds.InstanceNumber, ds.ContentTime, ds.AcquisitionTime = (
            k,
            f"10{k // 60:02}{k % 60:02}",
            f"11{k // 60:02}{k % 60:02}",
        )

    folder = edited(write_series(np.zeros((360, 3, 3)), modality="MR"), edit)
    start = time.perf_counter()
    with pytest.raises(InputError, match="Here are 60 volumes") as caught:
        read_volume(folder)
    assert time.perf_counter() - start < 5 and str(caught.value).count("DiffusionGradientOrientation=") == 59


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\\", exclude_categories=("C",)), min_size=1)


@given(st.one_of(WORD, st.floats(allow_nan=False), st.integers(), st.lists(WORD, min_size=1, max_size=3)))
def test_a_plain_word_is_the_same_as_the_value(value: Any) -> None:
    if header_text(value):
        assert same(value, plain(value)) and same(value, str(plain(value)))
