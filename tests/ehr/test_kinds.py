"""Each kind of resource as a line, and what is never told as the patient's own."""

from __future__ import annotations

import pytest

from helpers.ehr import read_history
from tests.ehr.records import ME, code, condition, drug, observation, text, write


def line(tmp_path, resource) -> str:
    (entry,) = read_history(write(tmp_path, resource)).entries
    return str(entry)


def of(kind: str, **more) -> dict:
    return {"resourceType": kind, **more}


ALLERGY = {"resourceType": "AllergyIntolerance", "patient": ME}


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (
            condition(
                "Pneumonia",
                onsetDateTime="2020-01",
                abatementDateTime="2020-02-03",
                clinicalStatus=code("resolved"),
                severity=text("severe"),
                bodySite=[text("left lung")],
            ),
            "2020-01 Condition: Pneumonia (resolved, severe, left lung, until 2020-02-03).",
        ),
        (
            condition("Lymphoma", recordedDate="2021", verificationStatus=code("provisional")),
            "2021 Condition: Lymphoma (date of the recording, provisional).",
        ),
        (
            condition("Asthma", onsetAge={"value": 8, "unit": "years"}),
            "undated Condition: Asthma (began at 8 years).",
        ),
        (
            condition(
                "Croup",
                onsetRange={"low": {"value": 2, "unit": "a"}, "high": {"value": 3, "unit": "a"}},
                abatementRange={"high": {"value": 5, "unit": "a"}},
            ),
            "undated Condition: Croup (began at 2 a to 3 a, until unknown to 5 a).",
        ),
        (
            {
                **ALLERGY,
                "code": text("Nuts"),
                "criticality": "high",
                "reaction": [{"manifestation": [text("Rash")]}],
            },
            "undated Allergy: Nuts (high criticality, reaction: Rash).",
        ),
        (
            observation(
                "Sodium",
                effectiveDateTime="2020-05-01T08:00:00Z",
                valueQuantity={"value": 131, "unit": "mmol/L"},
                interpretation=[code("L")],
            ),
            "2020-05-01 Observation: Sodium: 131 mmol/L (low).",
        ),
        (
            observation(
                "Blood pressure",
                component=[
                    {"code": text("Systolic"), "valueQuantity": {"value": 120, "unit": "mmHg"}},
                    {"code": text("Diastolic"), "dataAbsentReason": text("not asked")},
                ],
            ),
            "undated Observation: Blood pressure: Systolic 120 mmHg; Diastolic no value, not asked.",
        ),
        (
            observation(
                "Blood pressure",
                component=[
                    {"code": text("Systolic"), "valueInteger": 180, "interpretation": [code("H")]},
                    {"code": text("Diastolic"), "valueInteger": 60, "interpretation": [text("rather low")]},
                ],
                effectiveTiming={"event": ["2020-05-01"]},
                specimen={"display": "none"},
                bodySite=text("arm"),
            ),
            "2020-05-01 Observation: Blood pressure: Systolic 180 (high); Diastolic 60 (rather low) (none, arm).",
        ),
        (observation("Smoker", valueBoolean=False), "undated Observation: Smoker: no."),
        (observation("Gravida", valueInteger=0), "undated Observation: Gravida: 0."),
        (
            observation("Titre", valueRatio={"numerator": {"value": 1}, "denominator": {"value": 128}}),
            "undated Observation: Titre: 1 : 128.",
        ),
        (
            observation(
                "Weight", status="preliminary", dataAbsentReason=text("refused"), issued="2020-01-01T00:00:00Z"
            ),
            "2020-01-01 Observation: Weight (no value, refused, preliminary, date of the report).",
        ),
        (drug("Iron", dosageInstruction=[{"text": "1 a day."}]), "undated Prescription: Iron (active, 1 a day.)."),
        (
            drug(
                "Iron",
                dosageInstruction=[
                    {
                        "doseAndRate": [{"doseQuantity": {"value": 100, "unit": "mg"}}],
                        "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                        "route": text("by mouth"),
                        "asNeededBoolean": True,
                    },
                    {"timing": {"code": text("BID")}},
                ],
            ),
            "undated Prescription: Iron (active, 100 mg 2 x per 1 d by mouth as needed, BID).",
        ),
        (
            of("MedicationStatement", status="active", subject=ME, medicationCodeableConcept=text("Iron"))
            | {"effectivePeriod": {"start": "2019-01-01", "end": "2019-02-01"}},
            "2019-01-01 Medication: Iron (active, until 2019-02-01).",
        ),
        (
            drug("Iron", doNotPerform=True, authoredOn="2020"),
            "2020 Prescription: Iron (the drug is not to be given, active).",
        ),
        (drug("Iron", intent="proposal"), "undated Prescription: Iron (active, only a proposal)."),
        (
            of("MedicationStatement", status="not-taken", subject=ME, medicationCodeableConcept=text("Iron")),
            "undated Medication: Iron (not taken).",
        ),
        (
            of("Procedure", status="not-done", subject=ME, code=text("Biopsy"), performedDateTime="2020"),
            "2020 Procedure: Biopsy (not done).",
        ),
        (
            of(
                "Immunization",
                status="completed",
                patient=ME,
                vaccineCode=text("Flu"),
                occurrenceDateTime="2020-10",
            ),
            "2020-10 Immunization: Flu.",
        ),
        (
            of("Encounter", status="finished", subject=ME, reasonCode=[text("Cough")], period={"end": "2020"})
            | {"class": {"code": "EMER"}},
            "2020 Encounter: emergency (for Cough).",
        ),
        (
            of("FamilyMemberHistory", status="partial", patient=ME, relationship=text("Aunt"), name="Bea")
            | {"condition": [{"code": text("Stroke"), "onsetAge": {"value": 60, "unit": "a"}}]},
            "undated Family history: Aunt, Stroke at 60 a (of relatives, not of the patient, partial).",
        ),
    ],
)
def test_each_kind_is_one_line(tmp_path, resource, said):
    assert line(tmp_path, resource) == said


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (condition("x", verificationStatus=code("refuted")), "refuted"),
        (condition("x", verificationStatus=text("Refuted")), "refuted"),
        (condition("x", verificationStatus={"coding": [{"display": "Refuted"}]}), "refuted"),
        (condition("x", verificationStatus=text("Entered in error")), "entered-in-error"),
        ({**ALLERGY, "code": text("x"), "verificationStatus": code("refuted")}, "refuted"),
        (observation("x", status="entered-in-error"), "entered-in-error"),
        (observation("x", status="cancelled"), "cancelled, so that nothing was found or done"),
        (observation("x", status="done"), "without a status that FHIR R4 has"),
        (drug("x", status="entered-in-error"), "entered-in-error"),
        (observation("x", modifierExtension=[{"url": "urn:not", "valueBoolean": True}]), "changes the meaning"),
        (condition("x") | {"code": {"coding": [{"system": "http://loinc.org"}]}}, "without a name or a code"),
        ({"resourceType": "Condition", "subject": ME}, "without a name or a code"),
        ({"resourceType": "CarePlan"}, "CarePlan"),  # whatever else it holds, nobody reads it
    ],
)
def test_what_is_not_the_patients_own_is_counted_and_not_told(tmp_path, resource, reason):
    history = read_history(write(tmp_path, resource))
    assert history.entries == ()
    ((why, n),) = history.not_told.items()
    assert reason in why and n == 1


@pytest.mark.parametrize(
    "resource",
    [
        condition("Family history of breast cancer"),
        condition("FH: breast cancer"),
        condition("Breast cancer") | {"code": {"coding": [{"code": "Z80.3", "display": "Breast cancer, mother"}]}},
        observation("History of family member diseases", valueString="breast cancer"),
    ],
)
def test_a_relatives_disease_that_is_coded_as_the_patients_is_told_as_the_relatives(tmp_path, resource):
    (entry,) = read_history(write(tmp_path, resource)).entries
    assert entry.kind == "Family history" and "not of the patient" in str(entry)


def test_a_drug_whose_own_resource_is_wrong_is_not_told(tmp_path):
    wrong = {"resourceType": "Medication", "id": "m", "status": "entered-in-error", "code": text("Lead")}
    given = drug("") | {"contained": [wrong], "medicationReference": {"reference": "#m"}}
    del given["medicationCodeableConcept"]
    history = read_history(write(tmp_path, given))
    assert not history.entries and "of a drug that is entered-in-error" in next(iter(history.not_told))


def test_the_reason_of_a_visit_that_was_refuted_is_not_told(tmp_path):
    refuted = condition("Stroke", id="c", verificationStatus=code("refuted"))
    visit = of("Encounter", status="finished", subject=ME, reasonReference=[{"reference": "Condition/c"}])
    assert line(tmp_path, visit | {"class": {"code": "AMB"}}) == "undated Encounter: ambulatory."
    (entry,) = read_history(write(tmp_path, refuted, visit | {"class": {"code": "AMB"}})).entries
    assert str(entry) == "undated Encounter: ambulatory."
