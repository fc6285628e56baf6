"""`Slice` records to decoded pixels: rescaled, MONOCHROME1 turned round, padding told apart (PS3.3 C.7.6.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, get_decoder, pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from helpers.errors import InputError
from helpers.volumes.dicom_slices import Slice

# What decodes the syntaxes that pydicom does not decode by itself.
_DECODERS = {
    "JPEG 2000": "pylibjpeg-openjpeg",
    "High-Throughput JPEG 2000": "pylibjpeg-openjpeg>=2.4",
    "JPEG-LS": "python-gdcm (or pyjpegls)",
    "JPEG": "python-gdcm (or pylibjpeg-libjpeg)",
    "RLE": "pylibjpeg-rle",
}


def decode_slices(
    slices: Sequence[Slice], workers: int | None = None, file_of: Callable[[Slice], Path | str] | None = None
) -> np.ndarray:
    """Decode ``slices`` in parallel and rescale each: array (n, rows, columns), int16 where that is exact.

    Where the slices have different paddings, a padded pixel is NaN; else it keeps its value, see `padding_of`.
    ``file_of`` gives the file of a record whose own path is not one (it may download it, and raise `InputError`).
    Takes every transfer syntax that an installed pydicom decoder reads. Raises `InputError` naming the file.
    """
    mark_padding = _paddings_differ(slices)
    exact = not mark_padding and all(_fits_int16(s) for s in slices)
    out = np.empty((len(slices), slices[0].rows, slices[0].columns), np.int16 if exact else np.float32)

    def fill(i: int) -> None:
        record = slices[i]
        path = file_of(record) if file_of else record.path
        try:
            stored = _stored(path, record)
        except Exception as error:  # the decoders raise errors of many unrelated kinds
            raise undecodable(path, error, record.name) from error
        out[i] = _measured(stored, record, np.int32 if exact else np.float32)
        if mark_padding and record.padding:
            out[i][(stored >= record.padding[0]) & (stored <= record.padding[1])] = np.nan

    if len(slices) == 1:
        fill(0)
        return out
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for _ in pool.map(fill, range(len(slices))):
            pass
    return out


def _stored(path: Path | str, record: Slice) -> np.ndarray:
    """The stored pixels of a record's frame."""
    if record.has_meta:
        return pixel_array(path, index=record.frame)
    dataset = dcmread(path, force=True)  # without its meta information the encoding is what was found
    dataset.file_meta = FileMetaDataset()
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return pixel_array(dataset, index=record.frame)


def padding_of(slices: Sequence[Slice]) -> tuple[float, float] | None:
    """From and to which value a decoded pixel is padding and no measurement; None where there is no such value."""
    first = slices[0]
    if first.padding is None or _paddings_differ(slices):
        return None
    ends = [float(_measured(np.array(end, np.float64), first, np.float64)) for end in first.padding]
    return min(ends), max(ends)


def undecodable(path: Path | str, error: Exception, name: str = "") -> InputError:
    """Why pixels cannot be decoded, and how to get what is missing."""
    name = name or str(path)
    try:
        syntax = dcmread(path, specific_tags=[], stop_before_pixels=True, force=True).file_meta.TransferSyntaxUID
        missing = bool(syntax.is_compressed) and not _is_decoded(syntax)
    except Exception:  # what cannot be told by its header is told by the decoder's error
        missing = False
    if missing:
        package = next((p for words, p in _DECODERS.items() if syntax.name.startswith(words)), None)
        return InputError(
            f"No decoder for {syntax.name} ({syntax}) is installed.",
            path=name,
            remedy=f"Run: pip install {package}" if package else "Convert it to another transfer syntax first.",
        )
    return InputError(
        f"The pixel data cannot be decoded ({error}).", path=name, remedy="Copy or export the file again."
    )


def _is_decoded(syntax: str) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _measured(stored: np.ndarray, record: Slice, wide: type) -> np.ndarray:
    """Stored pixels as what they measure, computed in the type ``wide``."""
    if record.inverted and record.modality != "CT":  # Hounsfield units are what they are, however they are shown
        low, high = _ends(record)
        stored = stored.astype(wide) * wide(-1) + wide(low + high)
    if record.lut is not None:
        table = Dataset()
        table.ModalityLUTSequence = [record.lut]
        return apply_modality_lut(stored.astype(np.int64), table)
    if record.slope == 1 and record.intercept == 0:
        return stored
    return stored.astype(wide) * wide(record.slope) + wide(record.intercept)


def _ends(record: Slice) -> tuple[int, int]:
    span = 2**record.bits_stored
    return (-span // 2, span // 2 - 1) if record.signed else (0, span - 1)


def _paddings_differ(slices: Sequence[Slice]) -> bool:
    return len({(s.padding, s.padding and (s.slope, s.intercept)) for s in slices}) > 1


def _fits_int16(record: Slice) -> bool:
    if record.floating or record.lut is not None:
        return False
    if record.slope != int(record.slope) or record.intercept != int(record.intercept):
        return False
    low, high = _ends(record)
    ends = (low * record.slope + record.intercept, high * record.slope + record.intercept)
    return min(ends) >= -32768 and max(ends) <= 32767
