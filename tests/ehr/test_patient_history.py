"""The order of a history, its patient's line, and what fits into a budget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from helpers.ehr import History, read_history
from helpers.errors import InputError
from tests.ehr.records import ME, PATIENT, condition, observation, text, write

DATES = ["2019", "2021-03-02", None, "2019-05", "2021-03-02T23:00:00-05:00", "2021-03-03T01:00:00Z", "2019-01-01"]


def words(told: str) -> int:
    return len(told.split())


@pytest.fixture
def history(tmp_path) -> History:
    dated = [condition(f"c{k}", **({"onsetDateTime": day} if day else {})) for k, day in enumerate(DATES)]
    allergy = {"resourceType": "AllergyIntolerance", "patient": ME, "code": text("Nuts")}
    return read_history(write(tmp_path, *dated, allergy, observation("o", effectiveDateTime="2020")))


def test_allergies_come_first_then_the_newest_and_undated_last(history):
    # 23:00 at UTC-5 is 04:00 of the next day; a year counts as its first day; the file's order settles a tie
    order = [entry.name for entry in history.entries]
    assert order == ["Nuts", "c4", "c5", "c1", "o", "c3", "c0", "c6", "c2"]


def test_what_does_not_fit_is_counted_from_the_oldest_on(history):
    whole = history.text()
    assert len(whole.splitlines()) == 10 and history.text(10_000, count=words) == whole
    told = history.text(words(whole) - 1, count=words).splitlines()
    assert told[-1].startswith("Left out for lack of room: the ") and told[:3] == whole.splitlines()[:3]
    assert history.text(40, count=words).splitlines()[-1].endswith("the 4 oldest entries (from 2019 to 2019).")


def test_a_count_that_refuses_a_long_text_counts_it_as_too_long(history):
    def strict(told: str) -> int:
        if words(told) > 50:
            raise InputError("over the context")
        return words(told)

    assert history.text(60, count=strict) == history.text(50, count=words)


@given(budget=st.integers(1, 90))
@settings(deadline=None, max_examples=40)
def test_a_text_is_never_over_its_budget_and_always_accounts_for_all(tmp_path_factory, budget):
    path = write(
        tmp_path_factory.mktemp("r"), *(condition(f"c{k}", onsetDateTime=f"20{k:02d}") for k in range(12))
    )
    history = read_history(path)
    try:
        lines = history.text(budget, count=words).splitlines()
    except InputError as refused:
        assert "before its first entry" in str(refused) and budget < 30
        return
    assert words("\n".join(lines)) <= budget
    told = [line for line in lines if "Condition:" in line]
    left = int(lines[-1].split("the ")[1].split()[0]) if lines[-1].startswith("Left out") else 0
    assert len(told) + left == 12 and [line.split()[0] for line in told] == sorted(
        (line.split()[0] for line in told), reverse=True
    )


def test_kinds_can_be_chosen_and_the_text_says_what_else_there_is(history):
    assert history.text(kinds=["Allergy"]).splitlines()[-1] == "Not told here: Condition (7), Observation (1)."
    with pytest.raises(InputError, match="Choose among: Allergy, Condition, Observation"):
        history.text(kinds=["Prescription"])


@pytest.mark.parametrize(("budget", "count"), [(3, None), (None, words), (0, words), (True, words), (2.5, words)])
def test_a_budget_is_a_number_with_a_count(history, budget, count):
    with pytest.raises(InputError):
        history.text(budget, count=count)


@pytest.mark.parametrize(
    ("patient", "newest", "said"),
    [
        ({"gender": "female", "birthDate": "1950-06-15"}, "2020-06-14", "female, 69 years old"),
        ({"gender": "female", "birthDate": "1950-06-15"}, "2020-06-15", "female, 70 years old"),
        ({"gender": "male", "birthDate": "1950"}, "2020-06-14", "male, about 70 years old"),
        ({"birthDate": "1925-01-01"}, "2020", "sex not known, 90 or more years old"),
        ({"gender": "unknown"}, "2020", "sex not known, age not known"),
        ({"gender": "other", "birthDate": "2021"}, "2020", "other, age not known"),
    ],
)
def test_the_patient_is_sex_and_age(tmp_path, patient, newest, said):
    patient = {"resourceType": "Patient", "id": "p", **patient}
    history = read_history(write(tmp_path, condition("x", onsetDateTime=newest), patient=patient))
    assert history.patient.startswith(f"Patient: {said}")


def test_a_record_of_nothing_says_so(tmp_path):
    assert read_history(write(tmp_path, patient=PATIENT)).text() == "Patient: female, age not known."


def test_a_token_of_the_prompt_is_refused(tmp_path):
    with pytest.raises(InputError, match="<start_of_image>"):
        read_history(write(tmp_path, observation("x", valueString="a <start_of_image>")))
