"""Check that OpenSlide will read the levels of a DICOM slide correctly, because its own checks miss some cases.

OpenSlide reads all files of a series in a folder as one pyramid, by their sizes alone, so two specimens become one
slide. It skips files that it cannot open, so a coarser level becomes level 0. It shows missing tiles as glass. If
tiles should state their places but do not, it ends the program.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.filereader import read_partial
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    VLWholeSlideMicroscopyImageStorage,
)

from helpers.errors import InputError
from helpers.slides.dicom_image import SlideImage
from helpers.volumes import header_text, header_value

_COLOURS = {  # the values of PhotometricInterpretation that OpenSlide 4 reads, by transfer syntax
    ExplicitVRLittleEndian: ("RGB",),
    JPEGBaseline8Bit: ("YBR_FULL_422", "RGB"),
    JPEG2000Lossless: ("YBR_RCT", "RGB"),
    JPEG2000: ("YBR_ICT", "YBR_RCT", "RGB"),
}
_TOOLS = {  # programs of DCMTK
    ImplicitVRLittleEndian: "dcmconv +te",
    ExplicitVRBigEndian: "dcmconv +te",
    DeflatedExplicitVRLittleEndian: "dcmconv +te",
    JPEGLSLossless: "dcmdjpls",
    JPEGLSNearLossless: "dcmdjpls",
    RLELossless: "dcmdrle",
}
_PLACE = ("ColumnPositionInTotalImagePixelMatrix", "RowPositionInTotalImagePixelMatrix")
_EXPORT = "Export the slide from the scanner's software with one focal plane and one optical path."
_PIXEL_DATA = 0x7FE00010
_LAST_ITEM = b"\xfe\xff\xdd\xe0\0\0\0\0"  # the end of the frames (PS3.5 A.4)
_AFTER = 1 << 20  # bytes to search for the end of the frames if other elements follow
_ASPECT = 0.02  # levels are rounded to whole pixels, or padded to whole tiles
_STEP = 1.2  # the least step between levels; most steps are 2 or 4
_EXTENT = 0.1  # tolerance for the extent in mm, which some writers round


def check_levels(levels: Sequence[SlideImage], pictures: Sequence[SlideImage]) -> None:
    """Check the levels of one series in one folder, and the pictures beside them, before OpenSlide opens them.

    Raises:
        InputError: OpenSlide cannot read the form of a file; there are several volumes, or several images of one
            size that are not a concatenation (PS3.3 C.7.6.16.2.2.4); tiles or files are missing; or a file is cut
            off.
    """
    levels = list({level.text("SOPInstanceUID") or level.file: level for level in levels}.values())  # copies
    for level in levels:
        _check_form(level)
    _check_one_volume(levels)
    for _, files in itertools.groupby(sorted(levels, key=lambda level: level.size), lambda level: level.size):
        _check_tiles(sorted(files, key=lambda file: file.number("InConcatenationNumber")))
    for level in levels:
        _check_whole(level)
    _check_pictures(pictures)


def _check_form(level: SlideImage) -> None:
    """Raise `InputError` for a level that OpenSlide would refuse or skip."""
    values = level.text("ImageType").split("\\")
    if values[2:3] != ["VOLUME"]:
        raise InputError(
            f"The ImageType {level.text('ImageType') or '(none)'} does not say whether this is a level of the "
            "slide: its third value is not VOLUME.",
            path=level.file,
            remedy="Correct the ImageType (PS3.3 C.8.12.4.1.1), or take the file out of the folder.",
        )
    if not _begins_with_meta(level):
        raise InputError(
            "The file lacks the preamble or the meta information of a DICOM file (PS3.10), which OpenSlide needs.",
            path=level.file,
            remedy="Export it again, or write it with pydicom: "
            "dcmread(IN, force=True).save_as(OUT, enforce_file_format=True).",
        )
    if found := _unread(level):
        raise InputError(found[0], path=level.file, remedy=found[1])


def _begins_with_meta(image: SlideImage) -> bool:
    with image.file.open("rb") as stream:
        preamble = stream.read(132)[128:] == b"DICM"
    said = header_value((image.header.file_meta,), "MediaStorageSOPClassUID")
    return preamble and said == VLWholeSlideMicroscopyImageStorage


def _unread(image: SlideImage) -> tuple[str, str] | None:
    """The reason why OpenSlide cannot read a file, and the remedy; None if it can."""
    syntax, colours = UID(image.syntax), image.text("PhotometricInterpretation")
    if image.number("SamplesPerPixel") == 1:
        named = header_text(header_value((image.optical_path,), "OpticalPathDescription"))
        return (
            f"The slide has one channel ({', '.join(filter(None, [colours, named]))}): it is a "
            "fluorescence or grey image.",
            "MedGemma reads stained slides in colour; give an RGB scan.",
        )
    if syntax not in _COLOURS:
        tool = f", e.g. with DCMTK: {_TOOLS[syntax]} IN OUT" if syntax in _TOOLS else ""
        return (
            f"OpenSlide cannot read the transfer syntax of its pixels: {syntax.name or 'an unknown one'}.",
            f"Convert it to JPEG, JPEG 2000 or no compression (Explicit VR Little Endian){tool}.",
        )
    if (bits := image.number("BitsAllocated")) != 8:
        return (
            f"The slide has {bits:.0f} bits a channel, but OpenSlide reads only 8.",
            "Export it with 8 bits a channel.",
        )
    if colours not in _COLOURS[syntax]:
        return (
            f"The colours are stored as {colours}, which OpenSlide cannot read with {syntax.name}.",
            f"Export it again with colours as {' or '.join(_COLOURS[syntax])}.",
        )
    if (planes := image.number("TotalPixelMatrixFocalPlanes")) > 1:
        return f"The slide was scanned in {planes:.0f} focal planes.", _EXPORT
    return None


def _one_plane(image: SlideImage) -> InputError:
    return InputError(
        "The file holds several images of each place, from several focal planes or optical paths.",
        path=image.file,
        remedy=_EXPORT,
    )


def _check_one_volume(levels: Sequence[SlideImage]) -> None:
    """Raise `InputError` if files of one series show different things: OpenSlide takes them for one pyramid."""
    whole = max(levels, key=lambda level: level.size)
    for level in levels:
        named = zip(_what_is_shown(whole), _what_is_shown(level), strict=True)
        if any(a and b and a != b for a, b in named) or not _same_shape(whole, level):
            raise InputError(
                "Files of one series show different specimens, regions or optical paths, but "
                f"OpenSlide would read them as one slide: {whole.file.name} ({whole.shown}), "
                f"{level.file.name} ({level.shown}).",
                path=level.file.parent,
                remedy="Move the files of each specimen, region or optical path into a separate folder, and "
                "give one of these folders.",
            )


def _what_is_shown(level: SlideImage) -> tuple[str, ...]:
    path = header_text(header_value((level.optical_path,), "OpticalPathIdentifier"))
    return level.text("ContainerIdentifier"), level.text("PyramidUID"), path


def _same_shape(whole: SlideImage, level: SlideImage) -> bool:
    """Whether a level may show the same as the finest one: it is coarser, with the same shape and extent in mm."""
    (width, height), (w, h) = whole.size, level.size
    if (w, h) != (width, height) and w * _STEP > width:
        return False
    if abs(w * height - h * width) > max(_ASPECT * w * height, 2 * (width + height)):
        return False
    for keyword in ("ImagedVolumeWidth", "ImagedVolumeHeight"):
        a, b = whole.number(keyword), level.number(keyword)
        if a > 0 and b > 0 and not math.isclose(a, b, rel_tol=_EXTENT):
            return False
    return True


def _check_tiles(files: Sequence[SlideImage]) -> None:
    """Raise `InputError` unless the files of one level hold each of its tiles once, in order."""
    first, folder = files[0], files[0].file.parent
    name = f"The level of {first.size[0]:,} x {first.size[1]:,} pixels"
    _check_parts(files, name)
    frames = [max(1, int(file.number("NumberOfFrames"))) for file in files]
    if any(_is_sparse(file) for file in files):
        _check_positions(files, frames)
        return
    (width, height), (columns, rows) = first.size, first.tile
    tiles = math.ceil(width / columns) * math.ceil(height / rows)
    if sum(frames) > tiles:
        raise _one_plane(first)
    offsets = [int(file.number("ConcatenationFrameOffsetNumber")) for file in files]
    if sum(frames) < tiles or offsets != [sum(frames[:index]) for index in range(len(files))]:
        held = ", ".join(
            f"{count:,} from number {offset + 1:,} on ({file.file.name})"
            for file, count, offset in zip(files, frames, offsets, strict=True)
        )
        raise InputError(
            f"{name} has {tiles:,} tiles. The files hold {held}.",
            path=folder,
            remedy="Copy or export the slide again.",
        )


def _check_parts(files: Sequence[SlideImage], name: str) -> None:
    """Raise `InputError` if files of one size are not a concatenation, or if one lacks files."""
    folder, concatenations = files[0].file.parent, {file.text("ConcatenationUID") for file in files}
    if len(files) > 1 and ("" in concatenations or len(concatenations) > 1):
        raise InputError(
            f"{name} occurs {len(files)} times ({_names(files)}), in several focal planes, optical "
            "paths or regions.",
            path=folder,
            remedy="Keep the files of one of them, and move the others to another folder.",
        )
    parts = [int(file.number("InConcatenationNumber")) for file in files]
    total = max(parts + [int(file.number("InConcatenationTotalNumber")) for file in files])
    if concatenations != {""} and (len(files) == 1 or parts != list(range(1, total + 1))):
        raise InputError(
            f"{name} is a concatenation of {max(2, total)} files, but the folder holds {len(files)} "
            f"({_names(files)}).",
            path=folder,
            remedy="Put all of them into this folder.",
        )


def _names(files: Iterable[SlideImage]) -> str:
    return ", ".join(file.file.name for file in files)


def _is_sparse(file: SlideImage) -> bool:
    """Whether each tile states its place, because the tiles are not in order."""
    organization = file.text("DimensionOrganizationType")
    return organization != "TILED_FULL" and (bool(organization) or _positions(file.file) is not None)


def _positions(path: Path) -> list[tuple[int, int]] | None:
    """Column and row of each frame, from 1, if the file states them (PS3.3 C.8.12.6.1), else None."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["PerFrameFunctionalGroupsSequence"])
        frames = header.get("PerFrameFunctionalGroupsSequence")
        planes = [frame.get("PlanePositionSlideSequence") for frame in frames or ()]
        places = [[plane[0].get(keyword) for keyword in _PLACE] for plane in planes if plane]
    except Exception as error:  # a damaged sequence raises errors of many unrelated kinds
        raise InputError(
            f"The positions of its tiles cannot be read ({error}).", path=path, remedy="Export it again."
        ) from error
    found = [(column, row) for column, row in places if isinstance(column, int) and isinstance(row, int)]
    return None if frames is None else found


def _check_positions(files: Sequence[SlideImage], frames: Sequence[int]) -> None:
    """Raise `InputError` if a tile states no place, or that of another tile. Places without a tile are glass."""
    seen: set[tuple[int, int]] = set()
    for file, count in zip(files, frames, strict=True):
        places = _positions(file.file) or []
        if len(places) != count:
            raise InputError(
                f"The header states the position of {len(places):,} of its {count:,} tiles "
                "(PerFrameFunctionalGroupsSequence).",
                path=file.file,
                remedy="Export it again, as TILED_FULL or with the position of each tile.",
            )
        columns, rows = file.tile
        if any(
            not (0 < x <= file.size[0] and 0 < y <= file.size[1]) or (x - 1) % columns or (y - 1) % rows
            for x, y in places
        ):
            raise InputError(
                f"Its tiles do not lie on a grid of {columns} x {rows} pixels, as OpenSlide needs them.",
                path=file.file,
                remedy="Export it again, as TILED_FULL.",
            )
        if len(set(places)) < count or seen & set(places):
            raise _one_plane(file)
        seen |= set(places)


def _check_whole(level: SlideImage) -> None:
    """Raise `InputError` if a file ends before its last tile. OpenSlide would only notice when it reads there."""
    size = level.file.stat().st_size
    with level.file.open("rb") as stream:
        with contextlib.suppress(Exception):  # a damaged header raises errors of many unrelated kinds
            read_partial(stream, lambda tag, *_: tag >= _PIXEL_DATA, specific_tags=[], force=True)
        head = stream.read(12)
        group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
        whole = len(head) == 12 and Tag(group, element) == _PIXEL_DATA
        length = int.from_bytes(head[8:], "little")
        if whole and length != 0xFFFFFFFF:
            whole = stream.tell() + length <= size
        elif whole:
            start = stream.tell()
            stream.seek(max(start, size - _AFTER))
            whole = _LAST_ITEM in stream.read()
    if not whole:
        raise InputError(
            "This file of the slide is damaged or cut off, because it ends before its last tile.",
            path=level.file,
            remedy="Copy or download it again.",
        )


def _check_pictures(pictures: Sequence[SlideImage]) -> None:
    """Raise `InputError` for a picture beside the levels that makes OpenSlide refuse the whole slide."""
    seen: dict[str, SlideImage] = {}
    for picture in pictures:
        kind = picture.text("ImageType").split("\\")[2]
        if kind not in ("LABEL", "OVERVIEW", "THUMBNAIL") or not _begins_with_meta(picture):
            continue  # OpenSlide skips it
        why = _unread(picture)
        before = seen.setdefault(picture.picture, picture)
        if before.text("SOPInstanceUID") != picture.text("SOPInstanceUID"):
            why = f"There is another one, {before.file.name}.", ""
        if why:
            raise InputError(
                f"OpenSlide refuses the whole slide because of its {picture.picture}. {why[0]}",
                path=picture.file,
                remedy="Move this file to another folder.",
            )
