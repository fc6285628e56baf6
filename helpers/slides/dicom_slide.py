"""Find the file of a DICOM whole slide that OpenSlide must open, and the files beside it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from helpers.errors import InputError
from helpers.slides.dicom_image import SlideImage, read_slide_image, slide_key
from helpers.slides.dicom_levels import check_levels
from helpers.volumes import header_value, is_dicom_file, is_hidden

_SHOWN = 20  # the most slides of a folder that an error lists
_SQUARE = 1.05  # the largest ratio of the sides of a pixel


def dicom_slide_file(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Find the file of a DICOM slide that OpenSlide must open. OpenSlide then finds the other levels beside it.

    Only headers are read.

    Args:
        path: a folder with one slide, whose sub folders are not looked at, or any level of a slide.

    Returns:
        The file of the finest level (the first file if it is a concatenation), and sentences about files that were
            passed over.

    Raises:
        InputError: there is no slide or only its label, there are several slides, a label image was given as the
            slide, or `check_levels` refuses the levels.
    """
    images, others = _in_folder(path) if path.is_dir() else _beside(path)
    levels = [image for image in images if not image.picture]
    if not images:
        raise InputError(
            "The folder holds no DICOM whole slide.",
            path=path,
            remedy="Give the folder that holds the slide's .dcm files, or a slide file in another format.",
        )
    if not levels:
        raise InputError(
            f"The folder holds no level of a slide, only {_counted(images)}, which may show a patient's name.",
            path=path,
            remedy="Add the files of the slide's levels (ImageType VOLUME), which show the tissue.",
        )
    if len({level.series for level in levels}) > 1:
        raise _several(path, levels)
    series = levels[0].series
    check_levels(levels, [image for image in images if image.picture and image.series == series])
    finest = max(levels, key=lambda level: (level.size, -level.number("InConcatenationNumber")))
    return finest.file, _notes(finest, [image for image in images if image.picture], others)


def imaged_volume_mpp(file: Path) -> float | None:
    """Microns per pixel of one level, from the size of the imaged area (PS3.3 C.8.12.4, ImagedVolumeWidth in mm).

    None if the header does not state the size, or if pixels would not be square (5 %). ``path`` must be the file
    that `dicom_slide_file` returns, whose pixels are those of level 0.
    """
    image = read_slide_image(file)
    if isinstance(image, str):
        return None
    x = image.number("ImagedVolumeWidth") * 1000 / image.size[0]
    y = image.number("ImagedVolumeHeight") * 1000 / image.size[1]
    return (x + y) / 2 if 0 < max(x, y) <= _SQUARE * min(x, y) else None


def _in_folder(folder: Path) -> tuple[list[SlideImage], int]:
    """The files of slides in a folder, and the number of other DICOM files."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and not is_hidden(p) and is_dicom_file(p))
    read = [read_slide_image(file) for file in files]
    images = [image for image in read if not isinstance(image, str)]
    return images, len(read) - len(images)


def _beside(file: Path) -> tuple[list[SlideImage], int]:
    """The files of the slide to which the level ``file`` belongs: those of its series in its folder."""
    given = read_slide_image(file)
    if isinstance(given, str):
        raise InputError(
            f"The file is not a DICOM whole slide: {given}.",
            path=file,
            remedy="Read CT and MR with read_volume, and 2D images with read_image.",
        )
    images = [given]
    for other in sorted(p for p in file.parent.iterdir() if p.is_file() and not is_hidden(p) and p != file):
        try:
            image = read_slide_image(other) if is_dicom_file(other) else ""
        except (InputError, OSError):
            continue  # its series is not known
        if not isinstance(image, str) and image.series == given.series:
            images.append(image)
    if given.picture:
        levels = [image.file.name for image in images if not image.picture]
        raise InputError(
            f"The file is the {given.picture} of a slide, which may show a patient's name, not a level "
            "of the slide.",
            path=file,
            remedy=f"Give a level of the slide{f': {levels[0]}' if levels else ' (ImageType VOLUME)'}.",
        )
    return sorted(images, key=lambda image: image.file), 0


def _several(folder: Path, levels: Sequence[SlideImage]) -> InputError:
    """The error for a folder with several slides. It names a file of each, by which the user can choose."""
    slides: dict[object, SlideImage] = {}
    for level in levels:
        key = slide_key(functools.partial(header_value, (level.header,)))
        if key not in slides or level.size > slides[key].size:
            slides[key] = level
    found = list(slides.values())[:_SHOWN]
    more = " ..." if len(slides) > _SHOWN else ""
    return InputError(
        f"The folder holds {len(slides)} DICOM slides: "
        f"{'; '.join(f'{slide.file.name} ({slide.shown})' for slide in found)}{more}.",
        path=folder,
        remedy=f"Give one file of the slide you want: {', '.join(slide.file.name for slide in found)}{more}.",
    )


def _counted(pictures: Sequence[SlideImage]) -> str:
    kinds = Counter(picture.picture for picture in pictures)
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items())


def _notes(finest: SlideImage, pictures: Sequence[SlideImage], others: int) -> tuple[str, ...]:
    passed = [_counted(pictures)] if pictures else []
    if others:
        passed.append(f"{others} DICOM file{'s' if others > 1 else ''} of another kind")
    notes = [f"Files that were passed over: {', '.join(passed)}."] if passed else []
    values = finest.text("ImageType").split("\\")
    if values[0] == "DERIVED" and "RESAMPLED" in values[3:]:
        notes.append(
            f"The ImageType of the finest level, {finest.file.name}, says that it was resampled, so "
            "the files may lack the scan itself."
        )
    return tuple(notes)
