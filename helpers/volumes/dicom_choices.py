"""Tell several volumes in one place apart: find header fields that differ, and words that choose each volume."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from helpers.volumes.dicom_record import Slice
from helpers.volumes.header_values import header_text, number_of, same

# Attributes by which people name volumes come first, then those that only machines use.
TELLING = (
    *("SeriesNumber", "SeriesDescription", "AcquisitionNumber", "ImageType", "FrameType", "EchoTime"),
    *("EchoNumbers", "DiffusionBValue", "ComplexImageComponent", "StackID", "TemporalPositionIndex"),
    *("TemporalPositionIdentifier", "TriggerTime", "InversionTime", "FlipAngle", "RepetitionTime"),
    *("NominalPercentageOfCardiacPhase", "NominalCardiacTriggerDelayTime", "ActualCardiacTriggerDelayTime"),
    *("NominalPercentageOfRespiratoryPhase", "TemporalPositionTimeOffset", "EffectiveEchoTime", "ASLContext"),
    "RescaleType",
    *("ContrastBolusAgent", "ConvolutionKernel", "ReconstructionDiameter", "KVP", "FilterType", "ProtocolName"),
    *("SequenceName", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SliceThickness"),
    *("DiffusionGradientOrientation", "DiffusionDirectionality", "ImageComments", "DerivationDescription"),
    *("AcquisitionTime", "AcquisitionDateTime", "ContentTime", "SeriesTime", "Modality", "SeriesInstanceUID"),
    *("StudyInstanceUID", "PatientID", "FrameOfReferenceUID"),
)
# How much the values of slices of one volume may differ, a little more than DICOM allows.
NEAR = {"PixelSpacing": 1.01e-3, "ImageOrientationPatient": 1.01e-4}
MOST = 3  # the most words together
FEW = 4  # the most spellings of one value in a volume, such as 0.5 and 0.50


class Values:
    """The header values of the slices of several volumes by keyword, and the slices that a value chooses."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        # Slice by slice, so that each file is read once.
        rows = [record.look_up(*TELLING) for record in slices]
        self.of = {key: [row[k] for row in rows] for k, key in enumerate(TELLING)}
        texts = {key: [header_text(value) for value in values] for key, values in self.of.items()}
        self.telling = [key for key in TELLING if len(set(texts[key])) > 1]
        # The number of each slice's value among the values of its keyword.
        self.numbers = {key: np.unique(texts[key], return_inverse=True)[1] for key in self.telling}

    def partings(self) -> Iterator[np.ndarray]:
        """Ways to divide the slices by one keyword, then by several: each gives each slice's part, (n,)."""
        ways: dict[bytes, np.ndarray] = {}
        for key in self.telling:
            _, first, part = np.unique(self.numbers[key], return_index=True, return_inverse=True)
            part = first[part]  # named by its first slice, so that equal divisions by other keywords are one way
            ways.setdefault(part.tobytes(), part)
        for count in range(1, MOST + 1):
            for some in itertools.combinations(ways.values(), count):
                part = some[0]
                for other in some[1:]:
                    part = part * len(part) + other
                    part = np.unique(part, return_inverse=True)[1]
                yield np.unique(part, return_inverse=True)[1]

    def chosen(self, key: str, wanted: Any) -> np.ndarray:
        """Which slices have the value ``wanted``, bool (n,)."""
        _, first, number = np.unique(self.numbers[key], return_index=True, return_inverse=True)
        return np.array([chosen(key, self.of[key][place], wanted) for place in first])[number]


def chosen(keyword: str, value: Any, wanted: Any) -> bool:
    """Whether a slice with this value of a keyword is chosen by ``wanted``."""
    return same(value, wanted, NEAR.get(keyword, 1e-4))


def choices(groups: Sequence[Sequence[Slice]], given: dict[str, Any]) -> list[dict[str, Any] | None]:
    """The value of ``only`` that chooses each group and no other; None if no attribute does.

    ``given`` holds the choices that were made already.
    """
    values = Values([record for group in groups for record in group])
    ends = np.cumsum([len(group) for group in groups])
    return [_choice(values, end - len(group), int(end), given) for group, end in zip(groups, ends, strict=True)]


def _choice(values: Values, start: int, end: int, given: dict[str, Any]) -> dict[str, Any] | None:
    wanted = np.zeros(len(values.of[TELLING[0]]), bool)
    wanted[start:end] = True
    words = {key: plain(values.of[key][start]) for key in values.telling}
    # A word for a value that is present is better than one for an absent value.
    for absent in (False, True):
        keys: dict[str, np.ndarray] = {}
        for key, word in words.items():
            several = len(np.unique(values.numbers[key][start:end])) > FEW and key not in NEAR
            if several or (word == "none" and not absent):
                continue
            found = values.chosen(key, word)
            if found[start:end].all() and not any(np.array_equal(found, other) for other in keys.values()):
                keys[key] = found
        for count in range(1, MOST + 1):
            for some in itertools.combinations(keys, count):
                if np.array_equal(np.logical_and.reduce([keys[key] for key in some]), wanted):
                    return given | {key: words[key] for key in some}
    return None


def plain(value: Any) -> int | float | str:
    """A header value as a person would write it; ``none`` if it is absent."""
    if value is None:
        return "none"
    parts = [_plain(part) for part in header_text(value).split("\\")]
    return "\\".join(map(str, parts)) if len(parts) > 1 else parts[0]


def _plain(text: str) -> int | float | str:
    digits = text.removeprefix("-")
    number = number_of(text) if digits.replace(".", "", 1).isdigit() else None
    # An identifier with a leading zero or with very many digits is not a number.
    if number is None or len(text) > 15 or (digits[0] == "0" and digits[1:2].isdigit()):
        return text
    return int(number) if number == int(number) else number
