"""Check, before images leave this machine, whether the headers of their files still name a patient.

Only pixels and the prompt are ever sent, never a header. But if a file still names its patient, it was not
de-identified, so nobody has checked its pixels for a burned-in name either.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from helpers.data import cache_folder, manifest, own_manifest
from helpers.errors import InputError
from helpers.images.hashed_files import HashedFiles
from helpers.storage import file_sha256
from helpers.volumes import RemoteSeries, begins_as_dicom, header_text

# These may hold a pseudonym if Patient Identity Removed is YES (PS3.15, Basic Application Confidentiality
# Profile).
PSEUDONYMS = ("PatientName", "PatientID", "AccessionNumber")
IDENTIFIERS = (
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientBirthName",
    "PatientMotherBirthName",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientTelecomInformation",
    "PatientInsurancePlanCodeSequence",
    "MedicalRecordLocator",
    "ResponsiblePerson",
    "AdmissionID",
)
# Statements of a file about itself: attribute -> the value that forbids sending.
FLAGS = {"PatientIdentityRemoved": "NO", "BurnedInAnnotation": "YES", "RecognizableVisualFeatures": "YES"}
# Kinds of images that often have words drawn into them: ultrasound, screenshots and scans, photographs, endoscopy.
TEXT_MODALITIES = ("US", "IVUS", "SC", "XC", "ES", "OT")
TEXT_CLASSES = ("Secondary Capture", "Ultrasound", "Photographic", "Endoscopic")
HEADERS_REMEDY = (
    "De-identify the files first. If they may leave this machine as they are, give the reason: "
    'load_model(..., may_leave="the reason").'
)


class HeadersRead(Protocol):
    """Images whose headers were read before, e.g. `helpers.preparing.Prepared`."""

    path: str

    def identifying(self) -> list[str] | None:
        """The result of `identifying`; None if there were no headers."""

    def may_show_text(self) -> list[str]:
        """The result of `may_show_text`."""


ImageSource = str | os.PathLike[str] | HeadersRead | HashedFiles


@dataclass(frozen=True)
class SeriesHeaders:
    """The headers of a DICOMweb series, from its server, with the results of both checks."""

    path: str  # address of the series
    found: tuple[str, ...]
    text: tuple[str, ...]

    def identifying(self) -> list[str]:
        """As in `HeadersRead`."""
        return list(self.found)

    def may_show_text(self) -> list[str]:
        """As in `HeadersRead`."""
        return list(self.text)


def check_may_leave(sources: Iterable[ImageSource]) -> list[ImageSource]:
    """Read the header of every file of ``sources``, and raise an error if one names a patient.

    Returns the checked sources, with the hashes of files, so that no other file can take their place later.

    A source is a file, a folder of a series, or the address of a DICOMweb series, whose server sends the headers
    (``DICOMWEB_TOKEN``). For prepared images, the results of their preparation are used. Warns of kinds of images
    that often have words drawn into them (`may_show_text`).

    Files of the data manifest are public, where their content is the one that it describes. Others must be DICOM
    without identifying attributes; if Patient Identity Removed is YES, name, ID and accession number count as
    pseudonyms. Pixels are not checked.

    Raises:
        InputError: attributes identify a patient (the error shows their names, never their values), a file is not
            DICOM, so that its header cannot be checked, a file changes meanwhile, or an address is not that of a
            DICOMweb series, or does not answer.
    """
    public = _public_files()
    checked: list[ImageSource] = []
    for source in sources:
        if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
            source = _series_headers(source)
        if isinstance(source, (str, os.PathLike)):
            source = HashedFiles(source)
        if not isinstance(source, HashedFiles):
            _check_read(source)
        elif not all(_is_public(file, public) for file in source.files):
            _check(source)
        checked.append(source)
    return checked


def identifying(header: Dataset) -> list[str]:
    """Keywords of attributes that identify the patient, or say that identifying content was not removed."""
    removed = str(header.get("PatientIdentityRemoved") or "").strip().upper() == "YES"
    wanted = IDENTIFIERS if removed else (*PSEUDONYMS, *IDENTIFIERS)
    found = [keyword for keyword in wanted if str(header.get(keyword) or "").strip() not in ("", "[]")]
    said = {keyword: str(header.get(keyword) or "").strip().upper() for keyword in FLAGS}
    return found + [f"{keyword} is {value}" for keyword, value in FLAGS.items() if said[keyword] == value]


def may_show_text(header: Dataset) -> str:
    """The kind of an image if words are often drawn into that kind, else ""; "" if Burned In Annotation is NO."""
    if header_text(header.get("BurnedInAnnotation")).strip().upper() == "NO":
        return ""
    modality = header_text(header.get("Modality")).strip().upper()
    name = getattr(header.get("SOPClassUID"), "name", "")
    return modality if modality in TEXT_MODALITIES else next((kind for kind in TEXT_CLASSES if kind in name), "")


def identifying_in(files: Iterable[Path]) -> dict[str, int]:
    """The findings of `identifying` in the headers of DICOM files, each with its number of files.

    Raises `InputError` for a file that is not DICOM, because the program cannot tell whether it names a patient.
    """
    return _counted(identifying(header) for header in _headers_of(files))


def may_show_text_in(files: Iterable[Path]) -> list[str]:
    """What `may_show_text` finds in the headers of DICOM files. Raises `InputError` as `identifying_in`."""
    return _kinds(_headers_of(files))


def _counted(found: Iterable[Iterable[str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for keywords in found:
        for keyword in keywords:
            counts[keyword] = counts.get(keyword, 0) + 1
    return counts


def _headers_of(files: Iterable[Path]) -> Iterator[Dataset]:
    for file in files:
        try:
            if not begins_as_dicom(file):
                raise InvalidDicomError
            wanted = [*PSEUDONYMS, *IDENTIFIERS, *FLAGS, "Modality", "SOPClassUID"]
            header = dcmread(file, stop_before_pixels=True, specific_tags=wanted, force=True)
        except (InvalidDicomError, OSError, EOFError, ValueError):
            raise InputError(
                "This is not a DICOM file, so the program cannot tell whether it names a patient.",
                path=file,
                remedy=HEADERS_REMEDY,
            ) from None
        yield header


def _check_read(source: HeadersRead) -> None:
    found = source.identifying()
    if found is None:
        problem = (
            "The image was not prepared from a DICOM file, so the program cannot tell whether it names a patient."
        )
        raise InputError(problem, path=source.path, remedy=HEADERS_REMEDY)
    if found and isinstance(source, SeriesHeaders):
        problem = f"The images were not sent, because they may identify the patient: {', '.join(found)}."
        raise InputError(problem, path=source.path, remedy=HEADERS_REMEDY)
    if found:
        problem = (
            "The image was not sent, because the file that it was prepared from may identify the patient: "
            f"{', '.join(found)}."
        )
        raise InputError(problem, path=source.path, remedy=HEADERS_REMEDY)
    _warn_of_text(source.path, source.may_show_text())


def _check(source: HashedFiles) -> None:
    headers = list(_headers_of(source.files))
    source.check_unchanged()  # the hashed files are those that were read
    if found := _counted(map(identifying, headers)):
        listed = ", ".join(_listed(found, len(headers), "files"))
        raise InputError(
            f"The image was not sent, because it may identify the patient: {listed}.",
            path=source.path,
            remedy=HEADERS_REMEDY,
        )
    _warn_of_text(source.path, _kinds(headers))


def _series_headers(url: str) -> SeriesHeaders:
    try:
        headers = RemoteSeries(url).headers()
        if not headers:
            raise InputError("The server lists no instances.", path=url, remedy="Check the address.")
    except InputError as error:
        raise InputError(
            f"The images were not sent, because the headers at their address cannot be checked. {error.problem}",
            path=error.path or url,
            remedy=f"{error.remedy} {HEADERS_REMEDY}",
        ) from None
    found = _listed(_counted(map(identifying, headers)), len(headers), "instances")
    return SeriesHeaders(url, tuple(found), tuple(_kinds(headers)))


def _listed(found: Mapping[str, int], n: int, what: str) -> list[str]:
    return [f"{keyword} ({k} of {n} {what})" for keyword, k in found.items()]


def _kinds(headers: Iterable[Dataset]) -> list[str]:
    return sorted({may_show_text(header) for header in headers} - {""})


def _warn_of_text(path: str, kinds: Iterable[str]) -> None:
    if listed := ", ".join(kinds):
        warnings.warn(
            f"{path}: Images of this kind ({listed}) often have a name or a date drawn into their pixels, which "
            "no header tells. Look at each of them before it is sent.",
            stacklevel=2,
        )


def _public_files() -> dict[Path, str]:
    """Files of the manifest where they lie here, each with its SHA-256."""
    public: dict[Path, str] = {}
    for entry in manifest().values():
        root = own_manifest().parent if entry.bundled else cache_folder()
        for file in entry.bundled or ([entry.download] if entry.download else []):
            public[(root / file.path).resolve()] = file.sha256
    return public


def _is_public(file: Path, public: Mapping[Path, str]) -> bool:
    expected = public.get(file.resolve())
    return expected is not None and file_sha256(file) == expected  # another file may lie at that place
