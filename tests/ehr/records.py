"""Small records for the tests, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ME = {"reference": "Patient/p"}
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-06-15"}


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def code(word: str) -> dict[str, Any]:
    return {"coding": [{"code": word}]}


def condition(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "subject": ME, "code": text(name), **more}


def observation(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "subject": ME, "code": text(name), **more}


def drug(name: str, **more: Any) -> dict[str, Any]:
    made = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": ME}
    return {**made, "medicationCodeableConcept": text(name), **more}


def write(folder: Path, *resources: dict[str, Any], patient: dict[str, Any] | None = PATIENT, **more: Any) -> Path:
    """A Bundle of these resources and a patient, in a file."""
    listed = [{"resource": one} for one in ([patient] if patient else []) + list(resources)]
    path = folder / "record.json"
    path.write_text(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": listed, **more}, default=str)
    )
    return path
