"""Findings of truth and reply as sets: figures by hand, and laws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from helpers.evaluation import (
    Agreement,
    compare,
    finding_agreement,
    finding_counts,
    score,
)
from helpers.findings import finding_states, read_terms

TRUTH = "Small left effusion. No pneumothorax or consolidation. Possible pneumonia."
PARTS = ["a mass", "no mass", "an effusion", "no effusion", "possible pneumonia", "no fracture", "the lungs", ""]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=5).map(". ".join)


def answer(name: str, truth: str, text: str, group: str = "") -> dict[str, Any]:
    about = {"id": name, "kind": "image", "group": group or name, "condition": "", "form": "text", "options": []}
    return {**about, "truth": truth, "text": text, "parsed": None}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (TRUTH, Agreement(1, 1, 1)),
        ("Possible pneumonia. No consolidation or pneumothorax. Left effusion, small.", Agreement(1, 1, 1)),
        ("No effusion. No pneumothorax or consolidation. Possible pneumonia.", Agreement(3 / 4, 3 / 4, 3 / 4)),
        ("Effusion.", Agreement(1, 1 / 4, 2 / 5)),
        ("Effusion and a mass.", Agreement(1 / 2, 1 / 4, 2 / 6)),
        ("Pneumonia and effusion.", Agreement(1 / 2, 1 / 4, 2 / 6)),  # sure, where the truth is in doubt
        ("The lungs are clear.", Agreement(0, 0, 0)),
    ],
)
def test_agreement_by_hand(text: str, wanted: Agreement) -> None:
    assert finding_agreement(TRUTH, text) == pytest.approx(wanted)


def test_a_truth_without_findings_does_not_count() -> None:
    assert finding_agreement("The left kidney.", "No effusion.") is None
    answers = [answer("a", "The left kidney.", "No effusion."), answer("b", "No mass.", "Final Answer: No mass.")]
    found = score([*answers, answer("c", "No mass.", "A mass. Final Answer: There is a mass.")])
    assert (found["kinds"]["image"]["findings F1"]["mean"], found["kinds"]["image"]["findings F1"]["n"]) == (
        0.5,
        2,
    )
    assert found["kinds"]["image"]["ROUGE-L"]["n"] == 3
    assert found["findings"] == {
        "answers": 3,
        "with findings": 2,
        "by finding": {
            "effusion": counts(added=1),
            "mass": counts(negated=2, agreed=1) | {"other state": 1},
        },
    }
    assert "findings F1" not in score(answers[:1])["kinds"]["image"]
    assert "findings" not in score([answer("d", "The left kidney.", "The spleen.")])


def counts(**more: int) -> dict[str, int]:
    names = ("asserted", "negated", "uncertain", "agreed", "other state", "missed", "added")
    return dict.fromkeys(names, 0) | more


def test_counts_tell_what_was_missed_and_what_was_added() -> None:
    found = finding_counts([answer("a", TRUTH, "No effusion, no pneumothorax. A mass."), answer("b", "", "Mass")])
    assert (found["answers"], found["with findings"]) == (2, 1)
    assert found["by finding"] == {
        "consolidation": counts(negated=1, missed=1),
        "effusion": counts(asserted=1) | {"other state": 1},
        "mass": counts(added=2),
        "pneumonia": counts(uncertain=1, missed=1),
        "pneumothorax": counts(negated=1, agreed=1),
    }


def test_two_runs_are_compared_on_cases_that_count_and_a_no_is_what_tells_them_apart() -> None:
    truths = ["There is an effusion.", "No effusion is seen.", "The spleen."]
    first = [answer(str(k), truth, "There is an effusion.") for k, truth in enumerate(truths)]
    second = [answer(str(k), truth, truth) for k, truth in enumerate(truths)]
    found = compare(first, second)["kinds"]["image"]["findings F1"]["difference"]
    assert (found["mean"], found["n"]) == (0.5, 2)


def test_an_own_list_is_used_by_scores_and_comparisons(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("kidney: renal", encoding="utf-8")
    terms = read_terms(tmp_path / "terms.txt")
    first, second = [answer("a", "A kidney, no mass.", "A mass.")], [answer("a", "A kidney, no mass.", "Renal.")]
    assert score(second, terms=terms)["kinds"]["image"]["findings F1"]["mean"] == 1
    assert list(score(second, terms=terms)["findings"]["by finding"]) == ["kidney"]
    assert score(second)["kinds"]["image"]["findings F1"]["mean"] == 0
    assert compare(first, second, terms=terms)["kinds"]["image"]["findings F1"]["difference"]["mean"] == 1


@settings(deadline=None, max_examples=50)
@given(TEXTS, TEXTS)
def test_a_text_agrees_with_itself_and_the_two_ways_round_alike(truth: str, text: str) -> None:
    if finding_states(truth):
        assert finding_agreement(truth, truth) == (1, 1, 1)
        assert finding_agreement(truth, f"{truth}. {truth.upper()}") == (1, 1, 1)
    there, back = finding_agreement(truth, text), finding_agreement(text, truth)
    if there and back:
        assert there == (back.recall, back.precision, back.f1)
