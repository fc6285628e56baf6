"""Write the bundled record, data/record.json: a made patient's FHIR R4 Bundle, from a seed.

    python data/make_record.py

Nobody's record: the name says so, and every value is made up or drawn. It has what real records have and a reader
must get right: entries that were entered in error or refuted, a relative's disease, dates of different precision,
a code without words, a reference that leads nowhere, a contained resource, a text with the patient's name.
Afterwards: ``python data/update_manifest.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SEED = 27
ME = {"reference": "Patient/made"}
LOINC, ICD, RXNORM = (
    "http://loinc.org",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
UCUM = "http://unitsofmeasure.org"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VISITS = [f"{year}-{month:02d}-1{month}" for year in range(2016, 2026) for month in (3, 9)]
# name, LOINC, unit, first value, last value, standard deviation, decimals, each how many visits
TESTS = [
    ("Hemoglobin A1c", "4548-4", "%", 7.9, 6.8, 0.2, 1, 1),
    ("Creatinine", "2160-0", "mg/dL", 0.9, 1.3, 0.05, 2, 2),
    ("Hemoglobin", "718-7", "g/dL", 13.6, 11.9, 0.3, 1, 2),
    ("Body weight", "29463-7", "kg", 84, 78, 0.8, 1, 3),
]


def concept(text: str, code: str | None = None, system: str = ICD) -> dict[str, Any]:
    """A CodeableConcept of words and, where there is one, a code."""
    return {"text": text} | ({"coding": [{"system": system, "code": code}]} if code else {})


def status(code: str, system: str) -> dict[str, Any]:
    """A CodeableConcept of a status."""
    return {"coding": [{"system": system, "code": code}]}


def condition(text: str, code: str | None, onset: str, clinical: str = "active", verified: str = "confirmed"):
    """A Condition. Without a clinical status where it was refuted or entered in error, as FHIR has it."""
    made = {"resourceType": "Condition", "subject": ME, "code": concept(text, code), "onsetDateTime": onset}
    made["verificationStatus"] = status(verified, VERIFIED)
    return made | ({} if verified == "entered-in-error" else {"clinicalStatus": status(clinical, CLINICAL)})


def prescription(text: str, code: str, state: str, date: str, dose: str) -> dict[str, Any]:
    """A MedicationRequest."""
    drug = {"resourceType": "MedicationRequest", "status": state, "intent": "order", "subject": ME}
    drug["medicationCodeableConcept"] = concept(text, code, RXNORM)
    return drug | {"authoredOn": date, "dosageInstruction": [{"text": dose}]}


def procedure(text: str, state: str, date: str) -> dict[str, Any]:
    """A Procedure."""
    made = {"resourceType": "Procedure", "status": state, "subject": ME, "code": concept(text)}
    return made | {"performedDateTime": date}


def measured(text: str, code: str, date: str, value: float, unit: str) -> dict[str, Any]:
    """An Observation with one number."""
    made = {"resourceType": "Observation", "status": "final", "subject": ME, "code": concept(text, code, LOINC)}
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    return made | {"effectiveDateTime": date, "valueQuantity": quantity}


def tests(rng: np.random.Generator) -> list[dict[str, Any]]:
    """The laboratory values and weights of all visits, each drawn around a line."""
    made = []
    for name, code, unit, first, last, spread, decimals, every in TESTS:
        for k in range(0, len(VISITS), every):
            value = first + (last - first) * k / (len(VISITS) - 1) + rng.normal(0, spread)
            made.append(measured(name, code, VISITS[k], round(float(value), decimals), unit))
    for date in VISITS[::4]:
        upper, lower = (int(value) for value in rng.normal((146, 84), (7, 4)).round())
        parts = [("Systolic", "8480-6", upper), ("Diastolic", "8462-4", lower)]
        component = [
            {"code": concept(name, code, LOINC), "valueQuantity": {"value": value, "unit": "mmHg"}}
            for name, code, value in parts
        ]
        pressure = {"resourceType": "Observation", "status": "final", "subject": ME, "effectiveDateTime": date}
        made.append(pressure | {"code": concept("Blood pressure", "85354-9", LOINC), "component": component})
    return made


def told() -> list[dict[str, Any]]:
    """What a history tells: diseases, drugs, procedures, allergies, visits."""
    inside = {"resourceType": "Medication", "id": "drug", "code": concept("Metformin 500 mg", "6809", RXNORM)}
    metformin = prescription("", "", "active", "2016-03-13", "two tablets a day")
    metformin = metformin | {"contained": [inside], "medicationReference": {"reference": "#drug"}}
    del metformin["medicationCodeableConcept"]
    penicillin = {"resourceType": "AllergyIntolerance", "patient": ME, "code": concept("Penicillin")}
    penicillin |= {"recordedDate": "1987", "reaction": [{"manifestation": [concept("Hives")]}]}
    penicillin["clinicalStatus"] = status("active", CLINICAL.replace("condition", "allergyintolerance"))
    visit = {
        "resourceType": "Encounter",
        "status": "finished",
        "subject": ME,
        "reasonCode": [concept("Fall, headache")],
    }
    visit |= {"class": {"code": "EMER"}, "period": {"start": "2025-10-04T18:20:00+02:00"}}
    said = {"resourceType": "Observation", "status": "final", "subject": ME, "code": concept("Complaint")}
    said |= {"effectiveDateTime": "2025-10-04T18:40:00+02:00"}
    said["valueString"] = 'Testpatient fell from standing height and has a "dull" headache.'
    return [
        condition("Type 2 diabetes mellitus", "E11.9", "2016-03"),
        condition("Hypertension", "I10", "2011"),
        condition("Atrial fibrillation", "I48.91", "2019-06-02"),
        condition("Community-acquired pneumonia", "J18.9", "2021-01-20", "resolved"),
        condition("Headache after a fall", "R51.9", "2025-10-04"),
        condition("Normal pressure hydrocephalus", None, "2025-09-19", verified="provisional"),
        metformin,
        prescription("Lisinopril 10 mg", "29046", "active", "2017-03-13", "one tablet a day"),
        prescription("Warfarin 5 mg", "11289", "active", "2019-06-10", "by the INR"),
        prescription("Warfarin 5 mg", "11289", "stopped", "2023-04-01", "by the INR"),
        prescription("Apixaban 5 mg", "1364430", "active", "2023-04-01", "two tablets a day"),
        procedure("Appendectomy", "completed", "1979"),
        procedure("Cataract surgery of the left eye", "completed", "2022-11-08"),
        procedure("Colonoscopy", "not-done", "2024-05-14"),
        penicillin,
        visit,
        said,
    ]


def not_told() -> list[dict[str, Any]]:
    """What a history does not tell as the patient's own, or tells only in part."""
    nowhere = prescription("", "", "completed", "2021-01-20", "three a day for a week")
    nowhere = nowhere | {"medicationReference": {"reference": "Medication/lost"}}
    del nowhere["medicationCodeableConcept"]
    latex = {"resourceType": "AllergyIntolerance", "patient": ME, "code": concept("Latex")}
    latex["verificationStatus"] = status("refuted", VERIFIED.replace("condition-ver", "allergyintolerance-ver"))
    mother = {"resourceType": "FamilyMemberHistory", "status": "completed", "patient": ME, "date": "2016-03-13"}
    mother |= {"relationship": concept("Mother"), "condition": [{"code": concept("Glioblastoma")}]}
    bare = measured("", "3094-0", "2025-09-19", 22, "mg/dL")
    bare["code"] = {"coding": [{"system": LOINC, "code": "3094-0"}]}
    return [
        condition("Malignant melanoma", "C43.9", "2018-05-03", verified="entered-in-error"),
        condition("Pulmonary embolism", "I26.99", "2021-01-20", "inactive", "refuted"),
        latex,
        mother,
        bare,
        nowhere,
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": ME},
    ]


def bundle() -> dict[str, Any]:
    """The whole record, in an order that is not that of time."""
    rng = np.random.default_rng(SEED)
    patient = {"resourceType": "Patient", "id": "made", "gender": "female", "birthDate": "1956-08-21"}
    patient["name"] = [{"family": "Testpatient", "given": ["Synthetic"]}]
    patient["identifier"] = [{"system": "urn:example:made", "value": "MADE-0027"}]
    patient["address"] = [{"line": ["No Street 0"], "city": "Nowhere", "postalCode": "00000"}]
    resources = [*tests(rng), *told(), *not_told()]
    shuffled = [resources[k] for k in rng.permutation(len(resources))]
    for k, resource in enumerate(shuffled, start=1):
        resource["id"] = f"r{k}"
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in [patient, *shuffled]],
    }


if __name__ == "__main__":
    target = Path(__file__).parent / "record.json"
    target.write_text(json.dumps(bundle(), indent=1) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size:,} bytes")
