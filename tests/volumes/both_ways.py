"""A header read as usual, and by pydicom alone: the records and errors have to be the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from pydicom import Dataset
from pydicom.tag import BaseTag

from helpers.volumes import dicom_files
from helpers.volumes.dicom_files import PassedOver, read_header
from helpers.volumes.dicom_private import PHILIPS_SCALE
from helpers.volumes.dicom_record import HEADER_KEYWORDS, Slice, slices_of_header
from helpers.volumes.usual_headers import tags_of

TAGS = tags_of((*HEADER_KEYWORDS, PHILIPS_SCALE, "PatientName", "StudyDescription", "EchoTime"))


def differences(path: Path, tags: Mapping[int, BaseTag] = TAGS, alone: bool = True) -> list[str]:
    """What differs between the two ways: attributes of records, or the errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = _outcome(path, tags, alone)
        with mock.patch.object(dicom_files, "usual_header", lambda *_: None):
            theirs = _outcome(path, tags, alone)
    if len(ours) != len(theirs):
        return [f"{path}: {ours} and {theirs}"]
    pairs = ((mine, other) for mine, other in zip(ours, theirs, strict=True))
    return [f"{path}: {mine} and {other}" for mine, other in pairs if mine != other]


def _outcome(path: Path, tags: Mapping[int, BaseTag], alone: bool) -> list[Any]:
    try:
        header = read_header(path, tags, alone=alone)
        if isinstance(header, PassedOver):
            return [header]
        found = slices_of_header(path, header.dataset, {}, header.floating, Dataset, header.place)
    except Exception as error:  # every kind has to be the same
        return [(type(error).__name__, str(error))]
    return [header.length, *(told for record in found for told in _attributes(record))]


def _attributes(record: Slice) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = []
    for name in (field.name for field in fields(Slice)):
        value = getattr(record, name)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if name == "_headers":
            value = [_elements(header) for header in value]
            value.append([header.original_encoding for header in record._headers])
            value.append(list(record._headers[-1].original_character_set))
        told.append((name, repr(value)))
    return told


def _elements(header: Dataset) -> list[tuple]:
    found = []
    for raw in list(header.values()):
        try:
            element = header[raw.tag]
        except Exception:  # a value that cannot be converted
            element = raw
        found.append((raw.tag, element.VR, repr(element.value)))
    return found
