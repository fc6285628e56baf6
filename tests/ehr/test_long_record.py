"""Questions over a record: answers that are counted by hand, and what nobody could answer is not asked."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from helpers.data import fetch
from helpers.ehr import RecordQuestion, read_history, record_questions
from tests.ehr.records import ME, condition, drug, observation, text, write


def asked(tmp_path, *resources) -> dict[str, str]:
    history = read_history(write(tmp_path, *resources))
    return {f"{one.kind}: {one.question}": one.answer for one in record_questions(history)}


def value(day: str | None, number: float) -> dict:
    when = {"effectiveDateTime": day} if day else {}
    return observation("INR", valueQuantity={"value": number}, **when)


def test_answers_follow_from_the_entries(tmp_path):
    relative = {"resourceType": "FamilyMemberHistory", "status": "completed", "patient": ME}
    relative |= {"relationship": text("Father"), "condition": [{"code": text("Gout")}, {"code": text("Stroke")}]}
    found = asked(
        tmp_path,
        *(value(day, number) for day, number in (("2020-05", 2.5), ("2021-01-02", 3.1), ("2019", 2.0))),
        condition("Gout", onsetDateTime="2012", clinicalStatus={"coding": [{"code": "active"}]}),
        condition("Gout", onsetDateTime="2009"),
        condition("Asthma", onsetDateTime="1999", verificationStatus={"coding": [{"code": "provisional"}]}),
        drug("Iron", authoredOn="2020"),
        drug("Iron", authoredOn="2021", status="stopped"),
        drug("Zinc", authoredOn="2020"),
        {"resourceType": "Procedure", "status": "not-done", "subject": ME, "code": text("Biopsy")},
        relative,
    )
    assert found == {
        "newest value: What is the newest value of INR?": "3.1",
        "count: How many times does the record have a value of INR?": "3",
        "first year: Which is the earliest year that the record has for Gout?": "2009",
        "first year: Which is the earliest year that the record has for Asthma?": "1999",
        "active drug: By the newest entry about it, is Iron active?": "no",
        "active drug: By the newest entry about it, is Zinc active?": "yes",
        "done: Was this procedure done: Biopsy?": "no",
        "own disease: Is this a disease of the patient: Stroke?": "no",
        "own disease: Is this a disease of the patient: Gout?": "yes",
    }


def coded(name: str, number: str) -> dict:
    return {"text": name, "coding": [{"system": "http://snomed.info/sct", "code": number}]}


def family(*diseases: dict) -> dict:
    relative = {"resourceType": "FamilyMemberHistory", "status": "completed", "patient": ME}
    return relative | {"relationship": text("Father"), "condition": [{"code": code} for code in diseases]}


@pytest.mark.parametrize(
    ("relatives", "is_asked"),
    [
        (coded("Diabetes mellitus type 2", "44054006"), False),  # the words of the patient's are in its name
        (coded("Sugar disease", "44054006"), False),  # another name for the same code
        (coded("Gout", "90560007"), True),
    ],
)
def test_a_relatives_disease_that_may_be_the_patients_own_is_not_asked_for(tmp_path, relatives, is_asked):
    own = condition("", clinicalStatus={"coding": [{"code": "active"}]}) | {"code": coded("Diabetes", "44054006")}
    found = asked(tmp_path, own, family(relatives))
    assert found.pop("own disease: Is this a disease of the patient: Diabetes?") == "yes"
    named = {f"own disease: Is this a disease of the patient: {relatives['text']}?": "no"}
    assert found == (named if is_asked else {})


def glucose(day: str, number: float, unit: str = "mg/dL", **more) -> dict:
    measured = {"effectiveDateTime": day, "valueQuantity": {"value": number, "unit": unit}}
    return observation("Glucose", **measured, **more)


@pytest.mark.parametrize(
    "other",
    [
        {"code": coded("Glucose", "5792-7")},
        {"specimen": {"display": "Urine"}},
        {"bodySite": text("Left arm")},
        {"valueQuantity": {"value": Decimal("4.50"), "unit": "mmol/L"}},  # 4.5 in another spelling
    ],
)
def test_tests_of_one_name_that_may_differ_are_not_compared(tmp_path, other):
    first = glucose("2020", 4.5, "mmol/L") | {"code": coded("Glucose", "2345-7"), "specimen": {"display": "Serum"}}
    second = glucose("2021", 7.5, "mmol/L") | {
        "code": coded("Glucose", "2345-7"),
        "specimen": {"display": "Serum"},
    }
    assert asked(tmp_path, first, second) == {
        "newest value: What is the newest value of Glucose?": "7.5 mmol/L",
        "count: How many times does the record have a value of Glucose?": "2",
    }
    assert asked(tmp_path, first, second | other) == {}


def test_a_drug_that_has_ended_and_is_still_active_is_not_asked_for(tmp_path):
    taken = {"resourceType": "MedicationStatement", "status": "active", "subject": ME}
    taken |= {"medicationCodeableConcept": text("Iron"), "effectivePeriod": {"start": "2019-01-01"}}
    assert list(asked(tmp_path, taken).values()) == ["yes"]
    taken["effectivePeriod"]["end"] = "2019-02-01"
    assert asked(tmp_path, taken) == {}


def test_what_the_record_leaves_open_is_not_asked(tmp_path):
    only_counts = {"count: How many times does the record have a value of INR?": "2"}
    assert asked(tmp_path, value("2020-05-01", 2.5), value("2020", 3.1)) == only_counts
    assert asked(tmp_path, value("2020-05-01", 2.5), value(None, 3.1)) == only_counts
    assert (
        asked(tmp_path, drug("Iron", authoredOn="2021-05"), drug("Iron", authoredOn="2021", status="stopped"))
        == {}
    )
    assert asked(tmp_path, condition("Gout", onsetDateTime="2012"), condition("Gout")) == {}


def test_the_bundled_record_has_each_kind_and_its_key_is_right():
    path = fetch("record-made")
    questions = record_questions(read_history(path))
    assert {one.kind for one in questions} == {
        *("newest value", "count", "first year", "active drug", "done", "own disease")
    }
    resources = [one["resource"] for one in json.loads(path.read_text(encoding="utf-8"))["entry"]]
    values = [one for one in resources if one.get("code", {}).get("text") == "Hemoglobin A1c"]
    newest = max(values, key=lambda one: one["effectiveDateTime"])["valueQuantity"]
    key = {one.question: one.answer for one in questions}
    assert key["What is the newest value of Hemoglobin A1c?"] == f"{newest['value']} {newest['unit']}"
    assert key["How many times does the record have a value of Hemoglobin A1c?"] == str(len(values))
    assert key["Is this a disease of the patient: Glioblastoma?"] == "no"  # the mother's
    assert key["By the newest entry about it, is Warfarin 5 mg active?"] == "no"
    assert not [question for question in key if "melanoma" in question or "embolism" in question]


def test_each_key_is_read_back_from_every_form_and_nothing_from_an_argument():
    for one in record_questions(read_history(fetch("record-made"))):
        assert one.read(f"It is written there.\nFinal Answer: {one.answer}") == one.answer
        assert one.read(one.answer) == one.answer
        assert one.read("The record does not say.") is None
        assert one.answer in (one.options or (one.answer,))
        assert one.question in one.prompt("H") and one.prompt("H").index("H") < one.prompt("H").index(one.question)


def test_a_wrong_number_is_read_as_it_is():
    question = RecordQuestion("count", "How many?", (), "3")
    assert question.read("Final Answer: 4") == "4" and question.read("Final Answer: 3 or 4") is None
