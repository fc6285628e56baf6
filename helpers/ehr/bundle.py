"""Read a FHIR Bundle of one patient, check it against FHIR R4, and resolve its references.

The pydantic models of R4B in ``fhir.resources`` check each resource that a history uses. For these resources, R4B
is the same as R4. For all other resources, only the kind is kept.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from helpers.errors import InputError

# The kinds of resources that a history uses. Each has the field `subject` or `patient`.
TOLD = (
    *("AllergyIntolerance", "Condition", "Encounter", "FamilyMemberHistory", "Immunization"),
    *("MedicationAdministration", "MedicationRequest", "MedicationStatement", "Observation", "Procedure"),
)
REMEDY = (
    "Give a Bundle in JSON with the record of one patient in FHIR R4 (4.0.1), as a server's $everything gives."
)
# DSTU2 is an old release of FHIR. These fields and kinds are in DSTU2 alone.
_DSTU2_FIELDS = {
    "Patient": ("careProvider",),
    "Condition": ("patient", "dateRecorded"),
    "Encounter": ("patient",),
    "MedicationStatement": ("patient", "wasNotTaken"),
    "Procedure": ("notPerformed",),
    "Immunization": ("wasNotGiven",),
    "AllergyIntolerance": ("substance",),
}
_DSTU2_KINDS = ("MedicationOrder", "DiagnosticOrder", "ReferralRequest", "BodySite", "ProcedureRequest")


@dataclass
class Bundle:
    """The resources of one patient's record, as models of ``fhir.resources``."""

    path: Path
    raw: list[dict[str, Any]]  # every resource as it is in the file; `Identity` finds in them the words to hide
    patient: Any  # the Patient resource
    told: list[Any] = field(default_factory=list)  # resources of the kinds in `TOLD`, in the file's order
    others: Counter[str] = field(default_factory=Counter)  # kind of resource that is not used -> how many
    is_part: bool = False  # whether the server has more pages of this record
    _by_reference: dict[str, Any] = field(default_factory=dict)

    def resolve(self, reference: Any, owner: Any) -> Any | None:
        """The resource to which a Reference leads, in its owner or in the file. None if neither has it."""
        text = getattr(reference, "reference", None) or ""
        if text.startswith("#"):
            inside = owner.contained or []
            return next((one for one in inside if one.id == text[1:]), None)
        return self._by_reference.get(_key(text))


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a file and check it.

    Raises:
        InputError: there is no such file, the file is not JSON (NDJSON is not accepted either), it is no Bundle,
            it is of another release of FHIR, a resource does not follow FHIR R4, or there are several patients or
            two versions of one resource.
    """
    path = Path(path)
    content = _parse(path)
    if not isinstance(content, dict) or content.get("resourceType") != "Bundle":
        what = content.get("resourceType", "no FHIR resource") if isinstance(content, dict) else "no FHIR resource"
        raise InputError(f"The file holds {what}, not a Bundle.", path=path, remedy=REMEDY)
    if content.get("type") == "history":
        raise InputError("The Bundle holds past versions of each resource.", path=path, remedy=REMEDY)
    listed = content.get("entry", [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise InputError("The Bundle's entry is not a list of objects.", path=path, remedy=REMEDY)
    links = content.get("link") or []
    is_part = any(isinstance(link, dict) and link.get("relation") == "next" for link in links)
    pairs = _without_repeats(
        path, [(one.get("fullUrl"), one["resource"]) for one in listed if one.get("resource")]
    )
    bundle = Bundle(path, [raw for _, raw in pairs], None, is_part=is_part)
    for place, (url, raw) in enumerate(pairs, start=1):
        kind = raw.get("resourceType")
        if kind not in (*TOLD, "Patient", "Medication"):
            _refuse_other_release(kind, path)
            bundle.others[str(kind)] += 1
            continue
        model = _model(kind, raw, f"{kind}, resource {place} of the Bundle", path)
        for name in (url, f"{kind}/{raw['id']}" if raw.get("id") else None):
            if name:
                bundle._by_reference[_key(str(name))] = model
        if kind == "Patient":
            if bundle.patient is not None:
                raise InputError("The Bundle holds several patients.", path=path, remedy=REMEDY)
            bundle.patient = model
        elif kind in TOLD:
            bundle.told.append(model)
    if bundle.patient is None:
        raise InputError("The Bundle holds no Patient.", path=path, remedy=REMEDY)
    _leave_others_out(bundle)
    return bundle


def _parse(path: Path) -> Any:
    """The JSON of a file. Numbers with a point become Decimal, because 7.10 is more precise than 7.1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("This file does not exist.", path=path, remedy=REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file cannot be read as text ({error}).", path=path, remedy=REMEDY) from None
    if text.lstrip().startswith("<"):
        raise InputError("The file is XML, not JSON.", path=path, remedy=REMEDY)
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        if _is_ndjson(text):
            raise InputError(
                "The file is NDJSON, which has one resource a line. Such an export has one file for each kind of "
                "resource, so this file alone is not a whole record.",
                path=path,
                remedy=REMEDY,
            ) from None
        raise InputError(f"The file is not JSON ({error}).", path=path, remedy=REMEDY) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Two equal names are an error, because Python would silently keep the last one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _is_ndjson(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()][:2]
    try:
        return len(lines) == 2 and all("resourceType" in json.loads(line) for line in lines)
    except (ValueError, TypeError, RecursionError):
        return False


def _without_repeats(path: Path, pairs: list[tuple[Any, Any]]) -> list[tuple[Any, dict[str, Any]]]:
    """Each resource once. Raises `InputError` for two that differ, but have the same kind and id."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    kept = []
    for url, raw in pairs:
        if not isinstance(raw, dict):
            raise InputError("A resource of the Bundle is not an object.", path=path, remedy=REMEDY)
        key = (str(raw.get("resourceType")), str(raw.get("id") or url))
        if raw.get("id") or url:
            if key in seen and seen[key] != raw:
                raise InputError(f"The Bundle holds two versions of one {key[0]}.", path=path, remedy=REMEDY)
            if key in seen:
                continue
            seen[key] = raw
        kept.append((url, raw))
    return kept


def _key(reference: str) -> str:
    """Shorten a reference: ``https://server/fhir/Condition/1/_history/2`` becomes ``Condition/1``."""
    parts = reference.partition("/_history/")[0].split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else reference


def _model(kind: str, raw: Mapping[str, Any], what: str, path: Path) -> Any:
    """A resource as a model. Raises `InputError` that names the resource's release of FHIR, if it can be found."""
    problem = _problem("R4B", kind, raw)
    if not isinstance(problem, str):
        return problem
    names = raw.get("name") if kind == "Patient" else None
    several = isinstance(names, list) and any(isinstance(one.get("family"), list) for one in walk(names))
    if several or any(name in raw for name in _DSTU2_FIELDS.get(kind, ())):  # in DSTU2, a family name is a list
        release = "DSTU2"
    else:
        others = {"": "R5", "STU3": "STU3"}
        release = next((name for module, name in others.items() if _is_valid(module, kind, raw)), None)
    said = f"is of FHIR {release}, but only R4 can be read" if release else f"does not follow FHIR R4 ({problem})"
    raise InputError(f"The {what}, {said}.", path=path, remedy=REMEDY)


def _problem(module: str, kind: str, raw: Mapping[str, Any]) -> Any:
    """The model, or a text that says where and how the resource is wrong, without the value: it may be a name."""
    from pydantic import ValidationError

    models = _models(module)
    try:
        return models(kind).model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg'].rstrip('.!')}"
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # e.g. from a contained resource
        return type(error).__name__


def _is_valid(module: str, kind: str, raw: Mapping[str, Any]) -> bool:
    return not isinstance(_problem(module, kind, raw), str)


def _models(module: str) -> Any:
    """The function that returns the model of a kind, in the release "R4B", "STU3", or "" for R5."""
    try:
        if module == "STU3":
            from fhir.resources.STU3 import get_fhir_model_class
        elif module == "R4B":
            from fhir.resources.R4B import get_fhir_model_class
        else:
            from fhir.resources import get_fhir_model_class
    except ImportError:
        raise InputError(
            "Reading a record needs the package fhir.resources.",
            remedy="Run: pip install 'medgemma-tutorials[ehr]'",
        ) from None
    return get_fhir_model_class


def _refuse_other_release(kind: Any, path: Path) -> None:
    """Raise `InputError` if R4 does not have this kind, but another release has."""
    if not isinstance(kind, str):
        raise InputError("A resource of the Bundle has no resourceType.", path=path, remedy=REMEDY)

    def knows(module: str) -> bool:
        models = _models(module)
        try:
            return models(kind) is not None
        except (ValueError, LookupError):
            return False

    if not knows("R4B"):
        release = next((name for module, name in {"": "R5", "STU3": "STU3"}.items() if knows(module)), None)
        release = "DSTU2" if kind in _DSTU2_KINDS else release
        if release:
            raise InputError(f"{kind} is of FHIR {release}, but only R4 can be read.", path=path, remedy=REMEDY)


def _leave_others_out(bundle: Bundle) -> None:
    """Keep the resources that are about the patient, and count all others, also those that do not say."""
    kept = []
    for one in bundle.told:
        subject = getattr(one, "subject", None) or getattr(one, "patient", None)
        # An observation with a focus is about the focus, such as a fetus or a donor, and not about the subject.
        if bundle.resolve(subject, one) is bundle.patient and not getattr(one, "focus", None):
            kept.append(one)
        else:
            bundle.others["about somebody or something else"] += 1
    bundle.told = kept


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value, beginning with the value itself."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)
