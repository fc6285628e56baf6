"""Find out from headers what a path holds: a CT or MR series, a slide, a 2D image, or several of one kind."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from pydicom import dcmread
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)
from tqdm.auto import tqdm

from helpers.data import fetch, manifest
from helpers.errors import InputError
from helpers.images.dicom_image import made_from_images
from helpers.images.pdf_pages import is_pdf
from helpers.images.picture import SUFFIXES
from helpers.images.reading import Reading
from helpers.network import without_secrets
from helpers.prompts import MIN_SLICES
from helpers.slides import SLIDE_SUFFIXES, is_slide, slide_key, slide_picture
from helpers.volumes import (
    PassedOver,
    Volume,
    begins_as_dicom,
    header_text,
    header_value,
    is_dicom_file,
    is_hidden,
    is_label_map,
    is_nifti,
    names_by_kind,
    read_volume,
    volumes_in_nifti,
)

KINDS = {"ct": "CT volume", "mri": "MR volume", "slide": "whole slide", "image": "2D image"}
VOLUME_KINDS = ("ct", "mri")
DEFAULT = Reading()
_CLASSES = {
    CTImageStorage: "ct",
    EnhancedCTImageStorage: "ct",
    LegacyConvertedEnhancedCTImageStorage: "ct",
    MRImageStorage: "mri",
    EnhancedMRImageStorage: "mri",
    LegacyConvertedEnhancedMRImageStorage: "mri",
    VLWholeSlideMicroscopyImageStorage: "slide",
}
_TAGS = ["SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ProtocolName"]
_TAGS += ["ConvolutionKernel", "PatientID", "Rows", "ImagePositionPatient", "ImageType", "PyramidUID"]
_TAGS += ["ContainerIdentifier"]
_UNFINISHED = {".part", ".partial", ".crdownload", ".download"}  # endings that browsers and download tools use


@dataclass(frozen=True)
class Part:
    """One volume, slide or image."""

    kind: str  # one of `KINDS`
    files: tuple[Path, ...]
    series: str = ""  # SeriesNumber, for DICOM
    description: str = field(default="", repr=False)  # in the header's words, which may name a patient
    patient: str = field(default="", repr=False)
    uid: str = field(default="", repr=False)  # SeriesInstanceUID, for DICOM
    beside: str = field(default="", repr=False)  # why it is left out beside a volume; empty if it is not

    def __str__(self) -> str:
        """One line for the user. It is never sent to a model."""
        number = f"series {self.series}: " if self.series else ""
        files = self.files[0].name if len(self.files) == 1 else f"{len(self.files)} files"
        said = f"{self.description}, " if self.description not in ("", files) else ""
        return f"{number}{KINDS[self.kind]}, {said}{files}"


@dataclass(frozen=True)
class Study:
    """The parts of one kind that one prompt can hold, in the order of the prompt."""

    kind: str
    parts: tuple[Part, ...]
    passed_over: tuple[PassedOver, ...]  # files that are not images of the kinds known here

    @property
    def files(self) -> list[Path]:
        """All files of the parts."""
        return [file for part in self.parts for file in part.files]

    def __str__(self) -> str:
        """A line for each part, and one for the files that were passed over."""
        passed_over = (f"files that were passed over: {words}" for words in names_by_kind(self.passed_over, 1))
        return "\n".join([*map(str, self.parts), *passed_over])


def find_study(
    path: str | os.PathLike[str],
    *,
    modality: str | None = None,
    series: Sequence[str] = (),
    mpp: float | None = None,
) -> Study:
    """Find out what a path holds, without reading a pixel.

    Args:
        path: a file (NIfTI, whole slide, PNG, JPEG, TIFF, DICOM), a folder with everything below it, or a name in
            data_manifest.yaml. Several volumes, slides or images in one folder count as one examination.
        modality: "ct" or "mri", which a NIfTI file does not record.
        series: the numbers of the series to use from a folder with several DICOM series; all series if empty.
        mpp: microns per pixel, for slides that do not state them.

    Raises:
        InputError: no file can be read, the path holds several kinds or several patients, the series does not
            exist, a NIfTI file comes without ``modality``, or the path is an address.
    """
    modality = modality or known_modality(path)
    if "://" in str(path):
        shown = without_secrets(str(path))
        raise InputError("This is an address, not a file or folder.", path=shown, remedy="Download it first.")
    root = fetch(path)
    folder = root.is_dir()
    listed = sorted(f for f in root.rglob("*") if f.is_file()) if folder else [root]
    files = [f for f in listed if not (folder and is_hidden(f))]
    parts, passed_over = find_parts(files, modality, mpp=mpp, alone=not folder)
    if media := {f.parent for f in listed if folder and f.name.upper() == "DICOMDIR"}:
        # The pictures on a CD belong to its viewer, or are copies of its DICOM images.
        pictures = [part for part in parts if part.kind == "image" and not begins_as_dicom(part.files[0])]
        copies = [part for part in pictures if media.intersection(part.files[0].parents)]
        passed_over += (PassedOver(part.files[0], "a picture beside a DICOMDIR") for part in copies)
        parts = [part for part in parts if part not in copies]
    if not parts:
        seen = f": {'; '.join(names_by_kind(passed_over, 3))}" if passed_over else ""
        raise InputError(
            f"No image was found that can be read ({len(passed_over)} files were looked at{seen}).",
            path=root,
            remedy="Give a CT or MR series (DICOM, NIfTI), a whole slide, or a PNG, JPEG, TIFF, DICOM or PDF.",
        )
    listing = "".join(f"\n  {part}" for part in parts[:20]) + ("\n  ..." if len(parts) > 20 else "") + "\n"
    if series:
        wanted = {str(number) for number in series}
        if unknown := wanted - {part.series for part in parts}:
            raise InputError(
                f"The study has no series {', '.join(sorted(unknown))}. It holds:{listing}",
                path=root,
                remedy="Give the number of one of them.",
            )
        parts = [part for part in parts if part.series in wanted]
    kinds = sorted({part.kind for part in parts})
    if len(kinds) > 1:
        raise InputError(
            f"One prompt can hold only one kind of image, but the path holds several:{listing}",
            path=root,
            remedy="Give the file or folder of one kind, or its series number (--series).",
        )
    if len({part.patient for part in parts if part.patient}) > 1:
        what = f"The images are from different patients (PatientID):{listing}"
        raise InputError(what, path=root, remedy="Give the images of one patient.")
    return Study(kinds[0], tuple(parts), tuple(passed_over))


def known_modality(path: str | os.PathLike[str]) -> str | None:
    """ "ct" or "mri" if ``path`` is the name of such a volume in data_manifest.yaml."""
    entry = manifest().get(str(path))
    return {"ct-series": "ct", "mri-volume": "mri", "mri-series": "mri"}.get(entry.kind) if entry else None


def find_parts(
    files: Sequence[Path],
    modality: str | None = None,
    *,
    mpp: float | None = None,
    alone: bool = False,
    named: bool | None = None,
    damaged: list[InputError] | None = None,
) -> tuple[list[Part], list[PassedOver]]:
    """Group ``files`` into parts, in the order of series numbers and names; also return files of no part.

    ``mpp``: microns per pixel that were given for slides; if given, a tiled TIFF counts as a slide. ``alone``: a
    file is read as an image, whatever its name. ``named``: a label map or a 4D file is accepted too, because it
    was asked for by its name; the default is ``alone``. A file whose header cannot be read raises `InputError`. If
    a list is given as ``damaged``, the error is added to the list instead.
    """
    found: dict[str, list[tuple[Path, Part]]] = {}
    passed_over: list[PassedOver] = []
    for file in tqdm(files, desc="headers", unit="file", delay=2, leave=False):
        try:
            key, part = _part_of(file, modality, mpp, alone, alone if named is None else named)
        except InputError as error:
            if damaged is None:
                raise
            damaged.append(error)
            continue
        if isinstance(part, PassedOver):
            passed_over.append(part)
        else:
            found.setdefault(key, []).append((file, part))
    parts = []
    for members in found.values():
        # A series is left out only if all of its files are. The reader of a series leaves out a localizer within
        # it.
        beside = members[0][1].beside if all(part.beside for _, part in members) else ""
        parts.append(replace(members[0][1], files=tuple(file for file, _ in members), beside=beside))
        folders = sorted({file.parent for file in parts[-1].files}) if parts[-1].kind == "slide" else []
        if len(folders) > 1:
            names = ", ".join(f.name for f in folders[:5])
            error = InputError(
                f"The files of one slide lie in {len(folders)} folders, but OpenSlide reads only one: {names}.",
                path=folders[0].parent,
                remedy="Move the files into one folder, or give one of these folders.",
            )
            if damaged is None:
                raise error
            damaged.append(error)
            parts.pop()
    if any(part.kind in VOLUME_KINDS and not part.beside for part in parts):
        passed_over += [PassedOver(file, part.beside) for part in parts if part.beside for file in part.files]
        parts = [part for part in parts if not part.beside]
    return sorted(parts, key=lambda p: (int(p.series) if p.series.isdigit() else 1 << 31, p.files[0])), passed_over


def stands_alone(name: str) -> bool:
    """Whether a file of this name is a complete volume, slide or image, not one of the files of a series."""
    suffix = PurePath(name).suffix.lower()
    return is_nifti(name) or suffix in SLIDE_SUFFIXES or suffix in SUFFIXES


def part_volume(part: Part, reading: Reading = DEFAULT) -> Volume:
    """The volume of a CT or MR part, headers only. Raises as `read_volume` does, and for fewer than 5 slices."""
    modality = "CT" if part.kind == "ct" else "MR"
    files = part.files[0] if len(part.files) == 1 else part.files
    volume = read_volume(files, modality=modality, **reading.of_volume)
    if volume.shape[0] < MIN_SLICES:
        raise InputError(
            f"A volume prompt needs at least {MIN_SLICES} slices, but this volume has {volume.shape[0]}.",
            path=part.files[0],
            remedy="Give the folder of the whole series.",
        )
    return volume


def _part_of(
    file: Path, modality: str | None, mpp: float | None, alone: bool, named: bool
) -> tuple[str, Part | PassedOver]:
    """The part to which a file belongs, and the name that it shares with the other files of this part."""
    suffix, key = file.suffix.lower(), str(file)
    if suffix in _UNFINISHED and not alone:
        return key, PassedOver(file, "an unfinished download")
    if is_nifti(file):
        return key, _nifti_part(file, modality, named)
    if is_dicom_file(file):
        return _dicom_part(file)
    if is_pdf(file):  # beside images, it is usually their report
        return key, Part("image", (file,)) if alone else PassedOver(file, "a PDF, which is read by its own name")
    if is_slide(file, mpp):
        return key, Part("slide", (file,))
    # A single file is read as an image, whatever its name, so that an error gives the reason if it is none.
    return key, Part("image", (file,)) if alone or suffix in SUFFIXES else PassedOver(file, "not a medical image")


def _nifti_part(file: Path, modality: str | None, named: bool) -> Part | PassedOver:
    if not named:
        if is_label_map(f"{file.parent.name}/{file.name}"):
            return PassedOver(file, "a label map, judging by its name")
        if (count := volumes_in_nifti(file)) > 1:
            return PassedOver(file, f"a 4D file of {count} volumes")
    if modality is None:
        raise InputError(
            "A NIfTI file does not record whether it is CT or MR.",
            path=file,
            remedy="Give --modality ct or --modality mri.",
        )
    return Part(modality, (file,), description=file.name)


def _dicom_part(file: Path) -> tuple[str, Part | PassedOver]:
    if not begins_as_dicom(file):
        what = "an empty file" if not file.stat().st_size else "not a DICOM file"
        raise InputError(
            f"The name of the file suggests a DICOM file, but this is {what}.",
            path=file,
            remedy="Copy or export it again.",
        )
    try:
        header = dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        get = functools.partial(header_value, (header,))
        what = getattr(get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID"), "name", "")
        if not get("Rows") and (not what or "Image Storage" in what):
            raise EOFError("it ends before the size of the image")
    except Exception as error:  # a damaged header raises errors of many unrelated kinds
        what = f"The DICOM header cannot be read ({error})."
        raise InputError(what, path=file, remedy="Copy or export the file again.") from error
    made = made_from_images(what, header_text(get("Modality")))
    kind = None if made else _dicom_kind(get)
    if kind is None:
        return "", PassedOver(file, made or what or "DICOM of an unknown kind")
    if kind == "slide" and (picture := slide_picture(header_text(get("ImageType")))):
        return "", PassedOver(file, f"the {picture} of a slide")
    said = [header_text(get(k)) for k in ("SeriesDescription", "ProtocolName", "ConvolutionKernel")]
    localizer = "LOCALIZER" in header_text(get("ImageType")).upper().split("\\")
    part = Part(
        kind,
        (file,),
        header_text(get("SeriesNumber")),
        " ".join(dict.fromkeys(word for word in said if word)),
        header_text(get("PatientID")),
        uid := header_text(get("SeriesInstanceUID")),
        beside="a localizer" if localizer else what if "Secondary Capture" in what else "",
    )
    if kind == "image" or not uid:
        return str(file), part
    return f"{kind} {slide_key(get) if kind == 'slide' else uid}", part


def _dicom_kind(get: Callable[[str], Any]) -> str | None:
    """One of `KINDS`. None for objects without pixels, and for kinds that the model was not trained on (PET)."""
    if kind := _CLASSES.get(header_text(get("SOPClassUID"))):
        return kind
    return "image" if get("Rows") and not get("ImagePositionPatient") else None
