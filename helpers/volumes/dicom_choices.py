"""Several volumes in one place: what really differs between them, and words that choose each one and no other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from helpers.volumes.dicom_slices import Slice
from helpers.volumes.header_values import header_text, same

# What people call volumes by, before what only machines do.
TELLING = (
    *("SeriesNumber", "SeriesDescription", "AcquisitionNumber", "ImageType", "EchoTime", "EchoNumbers"),
    *("DiffusionBValue", "StackID", "TemporalPositionIndex", "TemporalPositionIdentifier", "TriggerTime"),
    *("InversionTime", "FlipAngle", "RepetitionTime", "ContrastBolusAgent", "ConvolutionKernel", "ProtocolName"),
    *("SequenceName", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "ReconstructionDiameter"),
    *("SliceThickness", "DiffusionGradientOrientation", "AcquisitionTime", "ContentTime", "SeriesTime"),
    *("Modality", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "FrameOfReferenceUID"),
)


def choices(groups: Sequence[Sequence[Slice]], given: dict[str, Any]) -> list[dict[str, Any] | None]:
    """For each group what ``only`` has to be to choose it and no other; None where no attribute tells.

    ``given`` is what was chosen by already.
    """
    values = [{k: [s.look_up(k) for s in members] for k in TELLING} for members in groups]
    telling = [k for k in TELLING if len({header_text(v) for group in values for v in group[k]}) > 1]
    return [_choice(n, values, telling, given) for n in range(len(groups))]


def _choice(
    n: int, values: Sequence[dict[str, list[Any]]], telling: Sequence[str], given: dict[str, Any]
) -> dict[str, Any] | None:
    for count in (1, 2, 3):
        for keys in itertools.combinations(telling, count):
            wanted = {k: values[n][k][0] for k in keys}
            if any(v is None for v in wanted.values()):
                continue
            if _matches(values[n], wanted) == len(values[n][keys[0]]) and not any(
                _matches(other, wanted) for k, other in enumerate(values) if k != n
            ):
                return given | {k: _plain(v) for k, v in wanted.items()}
    return None


def _matches(group: dict[str, list[Any]], wanted: dict[str, Any]) -> int:
    """How many slices of a group match."""
    rows = zip(*(group[k] for k in wanted), strict=True)
    return sum(all(same(have, want) for have, want in zip(row, wanted.values(), strict=True)) for row in rows)


def _plain(value: Any) -> Any:
    """A header value as one would write it."""
    parts = [_short(part) for part in header_text(value).split("\\")]
    if len(parts) > 1:
        return "\\".join(map(str, parts))
    return parts[0]


def _short(text: str) -> int | float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number == int(number) and abs(number) < 1e15 else number
