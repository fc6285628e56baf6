"""Decode the pixels of `Slice` records: rescale them, invert MONOCHROME1, and mark padding (PS3.3 C.7.6.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGExtended12Bit

from helpers.errors import InputError
from helpers.volumes.codestream import check_coded, coded_frame
from helpers.volumes.dicom_record import Slice
from helpers.volumes.header_values import header_value

# The packages that decode syntaxes for pydicom, and names of syntaxes for which pydicom has none.
_DECODERS = {
    "JPEG 2000": "pylibjpeg pylibjpeg-openjpeg",
    "High-Throughput JPEG 2000": 'pylibjpeg "pylibjpeg-openjpeg>=2.4"',
    "JPEG-LS": "python-gdcm",
    "JPEG Extended": "pylibjpeg pylibjpeg-libjpeg",
    "JPEG Baseline": "python-gdcm",
    "JPEG Lossless": "python-gdcm",
    "RLE": "pylibjpeg pylibjpeg-rle",
}
_JPEG_XL = {
    f"1.2.840.10008.1.2.4.{last}": f"JPEG XL{kind}"
    for last, kind in ((110, " Lossless"), (111, " JPEG Recompression"), (112, ""))
}


def decode_slices(
    slices: Sequence[Slice], workers: int | None = None, file_of: Callable[[Slice], Path | str] | None = None
) -> np.ndarray:
    """Decode ``slices`` in parallel and rescale each: array (n, rows, columns), int16 where that is exact.

    If the slices have different padding values, a padded pixel becomes NaN; otherwise it keeps its value, see
    `padding_of`. ``file_of`` gives the file of a record whose path is not a file. It may download the file, and
    raise `InputError`. This function decodes every transfer syntax for which pydicom has a decoder installed.
    Raises `InputError` that names the file.
    """
    exact = all(_fits_int16(s) for s in slices)
    out = np.empty((len(slices), slices[0].rows, slices[0].columns), np.int16 if exact else np.float32)

    def fill(i: int) -> None:
        record = slices[i]
        path = file_of(record) if file_of else record.path
        try:
            stored = _stored(path, record)
            if stored.shape != out.shape[1:]:
                raise ValueError(f"an image of {' x '.join(map(str, stored.shape))}")
            _measure(stored, record, out[i])
        except InputError:
            raise
        except Exception as error:  # the decoders raise errors of many unrelated kinds
            raise undecodable(path, error, record.name) from error
        if record.padding_is_nan and record.padding:
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
    unused = not record.floating and _has_unused_bits(record)
    whole = _decoded(path, record, correct_unused_bits=not unused)
    if not unused:
        return whole
    # A padding value may lie outside of the stored bits. Other bits outside of them do not belong to the pixel.
    below = empty_below(whole, record.high_bit, record.bits_stored, record.bits_allocated, record.name)
    above = record.bits_allocated - record.bits_stored - below
    stored = (whole << above) >> (above + below)
    if record.padding and not all(_ends(record)[0] <= end <= _ends(record)[1] for end in record.padding):
        stored = np.where((whole >= record.padding[0]) & (whole <= record.padding[1]), whole, stored)
    return stored


def empty_below(whole: np.ndarray, high_bit: int, bits: int, allocated: int, name: Path | str) -> int:
    """The number of bits below the stored ones. HighBit says this but is often wrong; then the pixels decide.

    Args:
        whole: the values in all allocated bits, with a signed type if they are signed.
        high_bit, bits, allocated: HighBit, BitsStored and BitsAllocated.
        name: the name of the file, for errors.

    Raises `InputError` if there are bits on both sides.
    """
    below = high_bit + 1 - bits
    if not 0 < below <= allocated - bits:
        return 0
    if not (whole & ((1 << below) - 1)).any():
        return below
    if not np.isin(whole >> bits, (0, -1) if whole.dtype.kind == "i" else 0).all():
        raise InputError(
            f"HighBit {high_bit} and BitsStored {bits} do not fit together, so the bits of the pixels "
            "cannot be found.",
            path=name,
            remedy="Export the file again.",
        )
    return 0


def _check_compressed(path: Path | str, record: Slice) -> None:
    """Refuse a compressed frame that differs from the header, because GDCM ends the process for some of them."""
    with Path(path).open("rb") as stream:
        keywords = ["NumberOfFrames", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"]
        header = dcmread(stream, stop_before_pixels=True, specific_tags=keywords, force=True)
        syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
        if not (syntax and syntax.is_transfer_syntax and syntax.is_compressed):
            return
        stream.seek(12, os.SEEK_CUR)  # skips the tag, type and length of Pixel Data
        count = int(header_value((header,), "NumberOfFrames") or 1)
        coded = coded_frame(stream, header, record.frame, count)
    if coded is not None:
        check_coded(coded, syntax, (record.columns, record.rows, 1), record.bits_allocated, record.name)


def _plain(path: Path | str, record: Slice) -> np.ndarray | None:
    """A frame whose pixels are plain numbers in the file; None if they are not, or if the file is cut off."""
    if record.pixels_at is None or record.bits_allocated not in (8, 16, 32):
        return None
    numbers = np.dtype(f"<{'i' if record.signed else 'u'}{record.bits_allocated // 8}")
    count = record.rows * record.columns
    with Path(path).open("rb", buffering=0) as stream:
        stream.seek(record.pixels_at + record.frame * count * numbers.itemsize)
        pixels = np.fromfile(stream, numbers, count)
    return pixels.reshape(record.rows, record.columns) if len(pixels) == count else None


def _decoded(path: Path | str, record: Slice, **options: bool) -> np.ndarray:
    plain = _plain(path, record)
    if plain is not None:
        return plain
    if record.compressed is not False:
        _check_compressed(path, record)
    try:
        return pixel_array(path if record.in_place else read_dataset(path), index=record.frame, **options)
    except Exception:
        # These attributes may have a wrong type or case. Their meaning is clear, but the decoders refuse them.
        dataset = read_dataset(path)
        clear = {"Rows": record.rows, "Columns": record.columns, "SamplesPerPixel": 1}
        clear["PhotometricInterpretation"] = "MONOCHROME1" if record.inverted else "MONOCHROME2"
        if not record.floating:
            clear |= {"BitsAllocated": record.bits_allocated, "BitsStored": record.bits_stored}
            clear["PixelRepresentation"] = int(record.signed)
        for keyword, value in clear.items():
            if keyword in dataset:
                del dataset[keyword]  # this also removes its stated type
            setattr(dataset, keyword, value)
        try:
            return pixel_array(dataset, index=record.frame, **options)
        except Exception:  # the first error, of the unchanged file, is raised
            pass
        raise


def _has_unused_bits(record: Slice) -> bool:
    return record.bits_stored < record.bits_allocated and record.bits_allocated in (8, 16, 32)


def read_dataset(path: Path | str) -> Dataset:
    """Read a whole file. If it has no meta information, the encoding that was found is used."""
    dataset = dcmread(path, force=True)
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
        dataset.file_meta = FileMetaDataset()
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def padding_of(slices: Sequence[Slice]) -> tuple[float, float] | None:
    """The lowest and the highest value of a decoded pixel that is padding; None if there is no padding value."""
    first = slices[0]
    if first.padding is None or first.padding_is_nan:
        return None
    ends = np.empty(2, np.float32)  # as pixels are, because the ends must be rounded as they are
    _measure(np.array(first.padding, np.float64), first, ends)
    return float(ends.min()), float(ends.max())


def undecodable(path: Path | str, error: Exception, name: str = "") -> InputError:
    """The error for pixels that cannot be decoded; its remedy names the package to install."""
    name = name or str(path)
    try:
        syntax = dcmread(path, specific_tags=[], stop_before_pixels=True, force=True).file_meta.TransferSyntaxUID
        called = _JPEG_XL.get(syntax, syntax.name)
        missing = not _is_decoded(syntax, str(error))
    except Exception:  # then the decoder's error is reported
        missing = False
    if missing:
        package = next((p for words, p in _DECODERS.items() if called.startswith(words)), None)
        return InputError(
            f"No decoder for {called if called == syntax else f'{called} ({syntax})'} is installed.",
            path=name,
            remedy=f"Run: pip install {package}"
            if package
            else "pydicom has no decoder for it. Export the series without compression, or as JPEG 2000.",
        )
    said = str(error).partition("\n")[0].rstrip(":")  # the other lines are about each decoder
    return InputError(
        f"The pixel data cannot be decoded ({said}).", path=name, remedy="Copy or export the file again."
    )


def _is_decoded(syntax: UID, error: str) -> bool:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return False
    # Two of three decoders of JPEG Extended take only 8 bits, and their errors say so.
    return decoder.is_available and not (syntax == JPEGExtended12Bit and "12-bit precision" in error)


def _measure(stored: np.ndarray, record: Slice, out: np.ndarray) -> None:
    """Rescale stored pixels to the measured values, in ``out``.

    There is no other array between, because a new one takes ten times as long as the arithmetic. Whole numbers may
    overflow on the way, but wrap around to the same result.
    """

    def number(value: float) -> np.generic:
        return np.int64(value).astype(out.dtype) if out.dtype.kind == "i" else out.dtype.type(value)

    out[...] = stored
    inverted = record.inverted and record.modality != "CT"  # Hounsfield units do not depend on how they are shown
    if inverted:
        low, high = (0, 0) if record.floating else _ends(record)
        out *= number(-1)
        out += number(low + high)
    if record.lut is not None:
        table = Dataset()
        table.ModalityLUTSequence = [record.lut]
        # Entries that are stored as OW are bytes in the order of the file.
        little = record.lut.original_encoding[1]
        table.set_original_encoding(False, little if little is not None else True)
        out[...] = apply_modality_lut((out if inverted else stored).astype(np.int64), table)
    elif record.slope != 1 or record.intercept != 0:
        if record.slope != 1:
            out *= number(record.slope)
        out += number(record.intercept)


def _ends(record: Slice) -> tuple[int, int]:
    span = 2**record.bits_stored
    return (-span // 2, span // 2 - 1) if record.signed else (0, span - 1)


def _fits_int16(record: Slice) -> bool:
    if record.floating or record.lut is not None or record.padding_is_nan:
        return False
    if record.slope != int(record.slope) or record.intercept != int(record.intercept):
        return False
    ends = [end * record.slope + record.intercept for end in (*_ends(record), *(record.padding or ()))]
    return min(ends) >= -32768 and max(ends) <= 32767
