"""Turn DICOM files into `Slice` records from their headers, and list the files that are not images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydicom import Dataset

from helpers.errors import InputError
from helpers.volumes.dicom_files import PassedOver, find_dicom_files, read_header, what_else, whole_header
from helpers.volumes.dicom_private import PHILIPS_SCALE
from helpers.volumes.dicom_record import HEADER_KEYWORDS, NoSliceError, Slice, slices_of_header
from helpers.volumes.header_values import header_text, header_value
from helpers.volumes.usual_headers import tags_of


def scan(source: Any, keywords: Sequence[str] = ()) -> tuple[list[Slice], list[PassedOver]]:
    """Read the headers of a file, a list of files or a folder; return a record of each image plane, and the other
    files.

    No pixels are read. ``keywords`` are read in addition to those that every volume needs.

    Raises:
        InputError: a file is cut off, an image has no place in a volume, or no file is an image. The last error
            says what each file is.
    """
    files = find_dicom_files(source)
    known: dict[tuple, dict[str, Any]] = {}
    records: list[Slice] = []
    passed: list[PassedOver] = []
    alone = len(files) == 1
    wanted = tags_of((*HEADER_KEYWORDS, PHILIPS_SCALE, *keywords))
    for file in files:
        header = read_header(file, wanted, alone=alone)
        if isinstance(header, PassedOver):
            passed.append(header)
            continue
        try:
            whole = partial(whole_header, file)
            found = slices_of_header(file, header.dataset, known, header.floating, whole, header.place)
        except NoSliceError as error:
            if alone or not (what := _made_from_images(header.dataset)):
                raise
            passed.append(PassedOver(file, f"{what} {error.what}"))
            continue
        _check_length(file, header.length, found)
        records += found
    if not records:
        raise _nothing(source, passed)
    return without_localizers(records, passed)


def without_localizers(
    records: list[Slice], passed: Sequence[PassedOver] = ()
) -> tuple[list[Slice], list[PassedOver]]:
    """The records without localizers, if there are other records."""
    scouts = [record for record in records if "LOCALIZER" in record.image_type]
    if not scouts or len(scouts) == len(records):
        return records, list(passed)
    files = dict.fromkeys(record.path for record in scouts)
    kept = [record for record in records if "LOCALIZER" not in record.image_type]
    return kept, [*passed, *(PassedOver(Path(file), "a localizer") for file in files)]


def _nothing(source: Any, passed: Sequence[PassedOver]) -> InputError:
    first = passed[0]
    if len(passed) == 1:
        return first.error()
    listed = "".join(f"\n  {one}" for one in passed[:10]) + ("\n  ..." if len(passed) > 10 else "")
    return InputError(
        f"None of the {len(passed)} files is a slice of a volume:{listed}\n",
        path=source if isinstance(source, (str, Path)) else first.path.parent,
        remedy="Give the folder of a CT or MR series.",
    )


def _made_from_images(header: Dataset) -> str:
    """The kind of an image that was made from others but stored like one of the scanner's; "" for a real one."""
    if "SECONDARY" in header_text(header_value((header,), "ImageType")).upper():
        return "a secondary image"  # such as a screenshot, a dose report or a map in colour
    unknown = header_value((header,), "SOPClassUID") is not None and what_else(header) == ""
    return "an image of no known class" if unknown else ""


def _check_length(path: Path, length: int | None, found: Sequence[Slice]) -> None:
    """Raise `InputError` if the number of uncompressed pixels does not fit the header."""
    first = found[0]
    expected = -(-len(found) * first.rows * first.columns * first.bits_allocated // 8)
    if length is not None and not expected <= length < max(2 * expected, expected + 2):
        raise InputError(
            f"The pixel data has {length} bytes, but {len(found)} x {first.rows} x {first.columns} "
            f"pixels of {first.bits_allocated} bits need {expected}.",
            path=path,
            remedy="Copy or export the file again.",
        )
