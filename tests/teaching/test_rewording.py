"""Learned questions in other words: whatever the words, the answer is the one that the images have."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

from helpers import teaching
from helpers.prompts import parse_final_answer
from helpers.teaching import CHANGES, EFFUSION, HAEMORRHAGE, IMAGE_KINDS, PARTS, VENTRICLES, wordings
from helpers.teaching.other_questions import ABOUT_ANYTHING, ABOUT_THE_PATIENT, CONDITIONS, OTHER_LANGUAGES, SIGNS

SEEDS = st.integers(0, 2**31)
FRAMES = [v for k, v in vars(wordings).items() if isinstance(v, tuple) and not k.startswith("_")]
FINDINGS = [("CT", HAEMORRHAGE), ("MR", VENTRICLES), ("CXR", EFFUSION)]
FORMS = ["protocol", "plain", "closed", "absent", "absent closed", "state", "letters"]


@pytest.mark.parametrize("words", [*FRAMES, ABOUT_ANYTHING, ABOUT_THE_PATIENT, CONDITIONS, OTHER_LANGUAGES, SIGNS])
def test_words_that_are_held_out_are_never_taught(words: tuple[str, ...]) -> None:
    taught, kept = (set(wordings.frames_of(words, held_out)) for held_out in (False, True))
    assert taught and kept and not taught & kept and taught | kept == set(words)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("modality", "condition"), FINDINGS)
@given(seed=SEEDS, present=st.booleans(), held_out=st.booleans(), composed=st.sampled_from([0.0, 1.0]))
def test_an_answer_says_what_is_there(
    form: str, modality: str, condition: str, seed: int, present: bool, held_out: bool, composed: float
) -> None:
    rng = np.random.default_rng(seed)
    how = {"held_out": held_out, "form": form, "composed": composed}
    question = teaching.worded_finding(modality, condition, present, rng, **how)
    assert parse_final_answer(question.answer, question.options) == question.truth
    assert question.answer.startswith(teaching.ABSENCE) == form.startswith("absent")
    argument = question.answer.removeprefix(teaching.ABSENCE)
    assert argument.startswith(f"{teaching.SIGNS[condition]}: {'seen' if present else 'not seen'}.")
    if question.options == ("yes", "no"):
        assert (question.truth == "yes") == (present != form.startswith("absent"))


@given(seed=SEEDS)
def test_a_letter_stands_before_its_choice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = rng.permutation(["heart", "lung", "brain"]).tolist()
    text, letters, truth = teaching.lettered("Which organ?", "brain", words, rng)
    assert letters == ("A", "B", "C") and re.search(rf"\b{truth}[).:]+ brain\b", text)


@given(seed=SEEDS, kind=st.sampled_from(list(IMAGE_KINDS)))
def test_the_choice_is_named_before_its_letter(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    for question in (
        teaching.worded_image(kind, rng, form="kind by letter"),
        teaching.worded_finding("CT", HAEMORRHAGE, bool(seed % 2), rng, form="letters"),
    ):
        named = re.fullmatch(r".+ Choice: (.+) \(([A-F])\)\. Final Answer: \2", question.answer)
        assert named and re.search(rf"\b{named[2]}[).:]+ {re.escape(named[1])}", question.text)


@given(seed=SEEDS, kind=st.sampled_from(list(IMAGE_KINDS)))
def test_what_a_single_image_is_follows_from_its_kind(seed: int, kind: str) -> None:
    question = teaching.worded_image(kind, np.random.default_rng(seed))
    if question.options:
        assert parse_final_answer(question.answer, question.options) == question.truth
        assert teaching.named(kind) in question.answer or f"The part is {PARTS[kind]}." in question.answer
    else:
        assert question.answer in (teaching.kind_sentence(kind), f"The part is {PARTS[kind]}.")


@given(seed=SEEDS, fragments=st.booleans(), stain=st.sampled_from(teaching.STAINS))
def test_what_a_slide_is_follows_from_its_specimen(seed: int, fragments: bool, stain: str) -> None:
    question = teaching.worded_slide(stain, fragments, np.random.default_rng(seed))
    if question.condition == "fragments":
        assert question.truth == ("yes" if fragments else "no")
    else:
        assert teaching.named(stain) in question.answer


@given(seed=SEEDS, prior=st.sampled_from(teaching.STATES), current=st.sampled_from(teaching.STATES))
def test_a_change_is_that_of_the_states(seed: int, prior: str, current: str) -> None:
    question = teaching.worded_change(prior, current, np.random.default_rng(seed))
    step = teaching.STATES.index(current) - teaching.STATES.index(prior)
    assert question.truth == CHANGES[1 + int(np.sign(step))]


@given(seed=SEEDS, kind=st.sampled_from(["", *IMAGE_KINDS]), held_out=st.booleans())
def test_what_was_not_learned_is_declined_with_two_examples(seed: int, kind: str, held_out: bool) -> None:
    question = teaching.worded_other(kind, np.random.default_rng(seed), held_out=held_out)
    assert question.text.strip()
    assert question.truth.startswith(teaching.NOT_LEARNED)
    assert all(example in question.truth for example in teaching.CAN_BE_ASKED[kind])


@given(words=st.text(min_size=1), seed=SEEDS)
def test_carelessly_typed_words_are_still_words(words: str, seed: int) -> None:
    typed = wordings.typed(words, np.random.default_rng(seed))
    assert typed and len(typed) <= len(words.lower()) + 2
