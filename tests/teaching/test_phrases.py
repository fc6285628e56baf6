"""Questions put together from parts: many of them, none kept from training, and only negations deny."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from helpers.teaching import phrases, wordings

DRAWS = 3000
DENIES = re.compile(
    r"\b(no|not|without|free|exclude|excluded|gone|rule out|ruled out|nothing|lack|lacks|lacking|missing|absen\w+|"
    r"clear of|cannot|isn't|don't|doesn't|negative|impossible|nobody|nowhere|fail|failed|unaffected|spared)\b",
    re.IGNORECASE,
)
COMPOSED = {
    wordings.FINDING: phrases.composed_finding,
    wordings.ABSENCE: phrases.composed_absence,
    wordings.WHAT: phrases.composed_what,
    wordings.IS_IT: phrases.composed_is_it,
    wordings.PART: phrases.composed_part,
}


def bare(frame: str) -> str:
    return frame.replace("{here}", "")


def drawn(compose: object, n: int = DRAWS) -> list[str]:
    rng = np.random.default_rng(0)
    return [compose(rng) for _ in range(n)]


@pytest.mark.parametrize("frames", COMPOSED)
def test_what_is_kept_from_training_is_never_put_together(frames: tuple[str, ...]) -> None:
    made = {bare(frame) for frame in drawn(functools.partial(wordings.composed_frame, frames))}
    assert len(made) > 100 and not made & {bare(frame) for frame in wordings.frames_of(frames, held_out=True)}


def test_only_negations_deny() -> None:
    assert all(DENIES.search(frame) for frame in drawn(phrases.composed_absence))
    # These say nothing about what is asked for, which stands elsewhere in the question.
    aside = re.compile(r"(yes or no|or is it gone)\?$|^True or not")
    asked = [aside.sub("", frame) for frame in drawn(phrases.composed_finding)]
    assert not any(DENIES.search(frame) for frame in asked)
    assert not DENIES.search(" ".join(phrases.FILLERS))


def test_every_word_that_does_not_deny_is_met_where_nothing_is_denied() -> None:
    def words(frames: list[str]) -> set[str]:
        return {word.removesuffix("{here}") for frame in frames for word in re.findall(r"[\w'{}]+", frame)}

    only = words(drawn(phrases.composed_absence, 6000)) - words(drawn(phrases.composed_finding, 6000))
    assert not [
        word for word in only if not DENIES.search(word) and word.lower() not in ("clear", "rule", "ruled", "out")
    ]


def test_words_between_leave_the_others_in_their_order() -> None:
    words = ["Is", "there", "a", "bleed", "in", "the", "brain?"]
    for seed in range(100):
        filled = phrases.with_fillers(" ".join(words), np.random.default_rng(seed)).split()
        rest = iter(filled)
        assert 1 <= len(filled) - len(words) <= 3 and all(word in rest for word in words)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_composed_wordings_is_the_one_that_was_asked_for(share: float) -> None:
    rng = np.random.default_rng(0)
    drawn = {wordings.wording(wordings.PART, rng, careless=0, composed=share) for _ in range(400)}
    frames = wordings.frames_of(wordings.PART, held_out=False)
    assert all(any(frame in words for frame in frames) for words in drawn) == (share == 0)
