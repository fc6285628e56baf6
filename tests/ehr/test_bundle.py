"""What is read, and what is refused with a clear word: other releases of FHIR, other forms, other people."""

from __future__ import annotations

import json
import re
import sys

import pytest

from helpers.ehr import read_history
from helpers.errors import InputError
from tests.ehr.records import ME, PATIENT, condition, drug, observation, text, write


def lines(path) -> list[str]:
    return [str(entry) for entry in read_history(path).entries]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<Bundle xmlns='http://hl7.org/fhir'/>", "XML"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"resourceType": "Bundle", "total": NaN}', "not JSON"),
        ('{"resourceType": "Bundle", "entry": [], "entry": []}', "occurs twice"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no FHIR resource, not a Bundle"),
        ("3", "no FHIR resource, not a Bundle"),
        (json.dumps(PATIENT), "Patient, not a Bundle"),
        (f"{json.dumps(PATIENT)}\n{json.dumps(condition('Gout'))}\n", "NDJSON"),
        ('{"resourceType": "Bundle", "type": "collection"}', "no Patient"),
        (
            '{"resourceType": "Bundle", "entry": [{"resource": {}}, {"request": {"method": "DELETE"}}]}',
            "no Patient",
        ),
        ('{"resourceType": "Bundle", "entry": {"resource": {}}}', "not a list of objects"),
        ('{"resourceType": "Bundle", "entry": [{"resource": "Patient"}]}', "not an object"),
        ('{"resourceType": "Bundle", "entry": [{"resource": {"id": "x"}}]}', "no resourceType"),
        ('{"resourceType": "Bundle", "type": "history", "entry": []}', "past versions"),
        (b"\xff\xfe\x00", "as text"),
    ],
)
def test_what_is_no_bundle_of_one_patient_is_refused(tmp_path, content, words):
    path = tmp_path / "record.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=re.escape(words)) as refused:
        read_history(path)
    assert refused.value.path == str(path) and "FHIR R4" in refused.value.remedy


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        # DSTU2: subjects called patient, statuses as plain words, other kinds
        (
            {"resourceType": "Condition", "patient": ME, "code": text("Gout"), "verificationStatus": "x"},
            "FHIR DSTU2",
        ),
        ({"resourceType": "MedicationOrder", "patient": ME}, "MedicationOrder is of FHIR DSTU2"),
        # STU3: statuses as plain words
        (condition("Gout", clinicalStatus="active", verificationStatus="refuted"), "FHIR STU3"),
        # R5: a drug is a CodeableReference, a procedure has an occurrence, and there are other kinds
        ({**drug("x"), "medication": {"concept": text("x")}, "medicationCodeableConcept": None}, "FHIR R5"),
        (
            {"resourceType": "Procedure", "status": "completed", "subject": ME, "occurrenceDateTime": "2020"},
            "FHIR R5",
        ),
        ({"resourceType": "Transport", "status": "completed"}, "Transport is of FHIR R5"),
        # no release has these
        (
            observation("x", effectiveDateTime="2020-05-01T10:00:00"),
            "resource 2 of the Bundle, does not follow FHIR R4",
        ),
        (observation("x", effectiveDateTime="01.05.2020"), "effectiveDateTime"),
        (observation("x", valueQuantity={"value": "many"}), "valueQuantity.value"),
        (observation("x", valueString="a", valueBoolean=True), "does not follow FHIR R4"),
        (condition("x", contained=[{"resourceType": "Nonsense"}]), "does not follow FHIR R4"),
        ({"resourceType": "Condition", "code": text("x")}, "subject"),
    ],
)
def test_another_release_and_what_is_of_none_are_named(tmp_path, resource, words):
    resource = {key: value for key, value in resource.items() if value is not None}
    with pytest.raises(InputError, match=re.escape(words)):
        read_history(write(tmp_path, resource))


def test_a_patient_of_dstu2_is_named(tmp_path):
    with pytest.raises(InputError, match="FHIR DSTU2"):
        read_history(write(tmp_path, patient={**PATIENT, "name": [{"family": ["Quirk"]}]}))


def test_an_error_never_shows_a_value(tmp_path):
    path = write(tmp_path, condition("x", onsetDateTime="on Jo's birthday"))
    with pytest.raises(InputError) as refused:
        read_history(path)
    assert "Jo" not in str(refused.value)


def test_several_patients_are_refused(tmp_path):
    with pytest.raises(InputError, match="several patients"):
        read_history(write(tmp_path, {**PATIENT, "id": "q"}))


def test_the_same_resource_twice_is_told_once_and_two_versions_are_refused(tmp_path):
    gout = condition("Gout", id="a")
    assert lines(write(tmp_path, gout, gout)) == ["undated Condition: Gout."]
    with pytest.raises(InputError, match="two versions of one Condition"):
        read_history(write(tmp_path, gout, condition("No gout", id="a")))


def test_references_by_address_version_and_urn_lead_to_the_patient_and_others_do_not(tmp_path):
    path = write(tmp_path, patient=None)
    own = ["urn:uuid:1", "Patient/p", "https://a.example/fhir/Patient/p", "Patient/p/_history/3"]
    others = ["Patient/q", "Group/p", "urn:uuid:2", "#p"]
    entries = [{"fullUrl": "urn:uuid:1", "resource": PATIENT}]
    for reference in own + others:
        entries.append({"resource": condition("-".join(reference.split("/")), subject={"reference": reference})})
    entries.append({"resource": condition("by name only", subject={"display": "somebody"})})
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    history = read_history(path)
    assert [entry.name for entry in history.entries] == ["-".join(one.split("/")) for one in own]
    assert history.not_told == {"about somebody or something else": 5}


def test_the_focus_of_an_observation_is_not_the_patient(tmp_path):
    history = read_history(write(tmp_path, observation("Heart rate", focus=[{"display": "the fetus"}])))
    assert history.entries == () and history.not_told == {"about somebody or something else": 1}


def test_drugs_are_found_where_they_are_referred_to(tmp_path):
    inside = {"resourceType": "Medication", "id": "m", "code": text("Contained drug")}
    beside = {"resourceType": "Medication", "id": "n", "code": text("Drug beside")}
    requests = [
        drug("", medicationReference={"reference": "#m"}, contained=[inside]),
        drug("", medicationReference={"reference": "Medication/n"}),
        drug("", medicationReference={"reference": "Medication/lost"}),
        drug("", medicationReference={"reference": "Medication/lost", "display": "Drug by its name"}),
    ]
    for request in requests:
        del request["medicationCodeableConcept"]
    names = [entry.name for entry in read_history(write(tmp_path, *requests, beside)).entries]
    assert names == ["Contained drug", "Drug beside", "a drug that the record does not name", "Drug by its name"]


def test_one_page_of_several_says_so(tmp_path):
    path = write(tmp_path, condition("Gout"), link=[{"relation": "next", "url": "https://a.example/2"}])
    history = read_history(path)
    assert "one page" in history.text() and "one page" in history.notes[-1]


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B", None)
    with pytest.raises(InputError, match=r"pip install 'medgemma-tutorials\[ehr\]'"):
        read_history(write(tmp_path))
