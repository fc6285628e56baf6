"""Check, before images leave this machine, whether the headers of their files still name a patient.

Only pixels and the prompt are ever sent, never a header. But if a file still names its patient, it was not
de-identified, so nobody has checked its pixels for a burned-in name either.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from helpers.data import cache_folder, manifest, own_manifest
from helpers.errors import InputError
from helpers.volumes import begins_as_dicom, find_dicom_files

# May hold a pseudonym where Patient Identity Removed is YES (PS3.15, Basic Application Confidentiality Profile).
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
# Said by the file about itself: attribute -> the value that speaks against sending.
FLAGS = {"PatientIdentityRemoved": "NO", "BurnedInAnnotation": "YES", "RecognizableVisualFeatures": "YES"}
HEADERS_REMEDY = (
    "De-identify the files first. If they may leave this machine as they are, give the reason: "
    'load_model(..., may_leave="the reason").'
)


class HeadersRead(Protocol):
    """Images whose headers were read before, e.g. `helpers.preparing.Prepared`."""

    path: str

    def identifying(self) -> list[str] | None:
        """The result of `identifying`; None if there were no headers."""


ImageSource = str | os.PathLike[str] | HeadersRead


def check_may_leave(sources: Iterable[ImageSource]) -> None:
    """Check the header of every file of ``sources`` (files, or folders of series); raise nothing if all are clean.

    For prepared images, the result from the time of preparation is used.

    Files of the data manifest are public. Others must be DICOM without identifying attributes; if Patient Identity
    Removed is YES, name, ID and accession number count as pseudonyms. Pixels are not checked.

    Raises:
        InputError: attributes identify a patient (the error names the attributes, never their values), or a file
            is not DICOM, so that its header cannot be checked.
    """
    public = _public_paths()
    for source in sources:
        if not isinstance(source, (str, os.PathLike)):
            _check_read(source)
            continue
        if str(source).startswith(("http://", "https://")):
            raise InputError(
                "The headers of files at an address cannot be checked.", path=source, remedy=HEADERS_REMEDY
            )
        if Path(source).resolve() not in public:
            _check(Path(source))


def identifying(header: Dataset) -> list[str]:
    """Keywords of attributes that identify the patient, or say that identifying content was not removed."""
    removed = str(header.get("PatientIdentityRemoved") or "").strip().upper() == "YES"
    wanted = IDENTIFIERS if removed else (*PSEUDONYMS, *IDENTIFIERS)
    found = [keyword for keyword in wanted if str(header.get(keyword) or "").strip() not in ("", "[]")]
    said = {keyword: str(header.get(keyword) or "").strip().upper() for keyword in FLAGS}
    return found + [f"{keyword} is {value}" for keyword, value in FLAGS.items() if said[keyword] == value]


def identifying_in(files: Iterable[Path]) -> dict[str, int]:
    """The findings of `identifying` in the headers of DICOM files, each with its number of files.

    Raises `InputError` for a file that is not DICOM, because the program cannot tell whether it names a patient.
    """
    found: dict[str, int] = {}
    for file in files:
        try:
            if not begins_as_dicom(file):
                raise InvalidDicomError
            wanted = [*PSEUDONYMS, *IDENTIFIERS, *FLAGS]
            header = dcmread(file, stop_before_pixels=True, specific_tags=wanted, force=True)
        except (InvalidDicomError, OSError, EOFError, ValueError):
            raise InputError(
                "This is not a DICOM file, so the program cannot tell whether it names a patient.",
                path=file,
                remedy=HEADERS_REMEDY,
            ) from None
        for keyword in identifying(header):
            found[keyword] = found.get(keyword, 0) + 1
    return found


def _check_read(source: HeadersRead) -> None:
    found = source.identifying()
    if found is None:
        problem = (
            "The image was not prepared from a DICOM file, so the program cannot tell whether it names a patient."
        )
        raise InputError(problem, path=source.path, remedy=HEADERS_REMEDY)
    if found:
        problem = (
            "The image was not sent, because the file that it was prepared from may identify the patient: "
            f"{', '.join(found)}."
        )
        raise InputError(problem, path=source.path, remedy=HEADERS_REMEDY)


def _check(source: Path) -> None:
    files = find_dicom_files(source)
    if found := identifying_in(files):
        listed = ", ".join(f"{keyword} ({n} of {len(files)} files)" for keyword, n in found.items())
        raise InputError(
            f"The image was not sent, because it may identify the patient: {listed}.",
            path=source,
            remedy=HEADERS_REMEDY,
        )


def _public_paths() -> set[Path]:
    """Files of the manifest as they lie here, and the folders of its series."""
    paths: set[Path] = set()
    for entry in manifest().values():
        root = own_manifest().parent if entry.bundled else cache_folder()
        files = [root / file.path for file in entry.bundled or ([entry.download] if entry.download else [])]
        paths |= {file.resolve() for file in files}
        if len(files) > 1:
            paths.add(files[0].parent.resolve())
    return paths
