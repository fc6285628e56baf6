"""Other words keep the meaning, and an opposite is made only where it is clear what is asked."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from helpers.evaluation.stress_wordings import (
    EACH,
    asked_sentence,
    opposite_questions,
    other_wordings,
    turned_answers,
)
from helpers.prompts import (
    CHANGE_QUESTION,
    CT_QUESTION,
    CT_RATE_QUESTION,
    MRI_QUESTION,
    YES_NO_QUESTION,
    closed_question,
)

YES_NO = ("yes", "no")
CHANGES = ("improved", "stable", "worsened")
FINDINGS = st.from_regex(r"[a-z]{5,12}( of the [a-z]{4,8})?", fullmatch=True)


def yes_no(question: str) -> str:
    return closed_question(question, YES_NO)


def test_a_finding_is_asked_for_in_three_other_sentences_and_all_else_stays() -> None:
    question = CT_QUESTION.format(history="Fall. Stroke?", condition="oedema")
    begun, form = question.split('Is there "oedema" in the CT volume?')
    found = other_wordings(question, YES_NO)
    assert [found[f"other words {k}"] for k in (1, 2, 3)] == [
        f'{begun}Does the CT volume show "oedema"?{form}',
        f'{begun}Do you see "oedema" in the CT volume?{form}',
        f'{begun}Can "oedema" be seen in the CT volume?{form}',
    ]
    assert found["polite"] == f"Please answer the following question. {question}"
    assert found["options turned"] == question.replace(
        '"Final Answer: yes" or "Final Answer: no"', '"Final Answer: no" or "Final Answer: yes"'
    )


@pytest.mark.parametrize(
    ("asked", "opposites"),
    [
        (
            "Is there a nodule in the left lobe?",
            [
                "Would you call the left lobe free of a nodule?",
                "Is this a case without a nodule in the left lobe?",
            ],
        ),
        (
            "Are there any effusions?",
            ["Would you call what you see free of effusions?", "Is this a case without effusions?"],
        ),
        (
            "Does this film show a fracture or a luxation?",
            [
                "Would you call this film free of a fracture or a luxation?",
                "Is this a case without a fracture or a luxation in this film?",
            ],
        ),
        ("Is this a head CT?", ["Is this something other than a head CT?"]),
        ("Looking at it, is there air?", ["Looking at it, would you call what you see free of air?"]),
    ],
)
def test_the_opposite_of_what_is_understood(asked: str, opposites: list[str]) -> None:
    found = list(opposite_questions(yes_no(asked), YES_NO).values())
    assert found[: len(opposites)] == [yes_no(opposite) for opposite in opposites]


@pytest.mark.parametrize(
    "asked",
    [
        "Is the heart enlarged?",
        "Is there no change?",
        "Is there blood and air?",
        "Is there blood in the urine and the stool?",
        "Is there more than one lesion?",
        "Is there another lesion?",
        "Are there 3 nodules in the image?",
        "Are there multiple nodules?",
        "Is there anything else in the image?",
        "Is there still an effusion?",
        "Is there a nodule that is calcified?",
        "Is there a nodule? If so, is it calcified?",
        "Is there a nodule? Is there a mass?",
        "Is it true that this shows no nodule?",
    ],
)
def test_what_is_unclear_has_no_opposite_and_still_five_wordings(asked: str) -> None:
    assert opposite_questions(yes_no(asked), YES_NO) == {}
    assert len(other_wordings(yes_no(asked), YES_NO)) == EACH


def test_a_choice_has_no_opposite() -> None:
    assert opposite_questions("Is there a nodule? Final Answer: A or B", ("A", "B")) == {}


@pytest.mark.parametrize("template", [CT_QUESTION, MRI_QUESTION, CT_RATE_QUESTION])
@given(finding=FINDINGS, history=FINDINGS)
def test_every_wording_of_a_template_names_the_finding_and_keeps_the_history(
    template: str, finding: str, history: str
) -> None:
    question = template.format(condition=finding, history=history)
    asked = [*other_wordings(question, YES_NO).values(), *opposite_questions(question, YES_NO).values()]
    assert len({question, *asked}) == 1 + EACH + 2
    for words in asked:
        assert words.count(finding) >= question.count(finding)
        assert words.count(history) >= question.count(history)
        assert words.count("?") == 1


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
    st.lists(st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True), min_size=2, max_size=5, unique_by=str.lower),
)
def test_any_question_has_five_other_wordings_that_hold_it(asked: str, options: list[str]) -> None:
    question = closed_question(asked, options)
    found = other_wordings(question, options)
    assert len({question, *found.values()}) == 1 + EACH
    for words in found.values():
        assert all(option in words for option in options)


def test_options_are_turned_where_they_stand_and_within_no_word() -> None:
    asked = closed_question("Which part?", ("chest", "head", "eye"))
    assert "Options: eye, head, chest." in other_wordings(asked, ("chest", "head", "eye"))["options turned"]
    change = CHANGE_QUESTION.format(condition="effusion")
    turned = other_wordings(change, CHANGES)["options turned"]
    assert turned.endswith('"Final Answer: worsened", "Final Answer: stable" or "Final Answer: improved".')
    found = other_wordings("Is it data or biopsy? Say a or b.", ("a", "b"))["options turned"]
    assert found == "Is it data or biopsy? Say b or a."
    found = other_wordings("Which lobe? End on Final Answer: X", ("upper", "lower"))["options turned"]
    assert found.endswith("These can be answered, in no order: lower or upper.")


def test_another_form_takes_the_place_of_the_templates() -> None:
    asked = YES_NO_QUESTION.format(question="Is the heart enlarged?")
    other = other_wordings(asked, YES_NO)["other form"]
    assert other == 'Is the heart enlarged? End your reply with "Final Answer: " and one of these: yes or no.'


def test_what_asks_the_same_whatever_the_history() -> None:
    first, second = (CT_QUESTION.format(history=history, condition="oedema") for history in ("Fall.", "Pain."))
    assert asked_sentence(first, YES_NO) == asked_sentence(second, YES_NO) == 'is there "oedema" in the ct volume?'
    left, right = (yes_no(f"Is there oedema in the {side} lobe?") for side in ("left", "right"))
    assert asked_sentence(left, YES_NO) != asked_sentence(right, YES_NO)


def test_a_change_turns_round_and_stability_stays() -> None:
    assert turned_answers(CHANGES) == {"improved": "worsened", "stable": "stable", "worsened": "improved"}
    lettered = ("(A) Improved", "(B) Stable", "(C) Worsened")
    assert turned_answers(lettered) == dict(zip(lettered, lettered[::-1], strict=True))
    for options in (YES_NO, ("improved", "stable"), ("stable", "unchanged"), ("improved", "worsened", "unclear")):
        assert turned_answers(options) == {}
