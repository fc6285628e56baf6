"""Occlusion of whole images: the log-odds of prompts that are written anew, and blocks and blanks by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from helpers.attribution import Occlusion, blank_image, blocks, coarse_to_fine, occlude
from helpers.errors import InputError
from helpers.evaluation import ANSWER_BEGUN, word_tokens
from helpers.prompts import images_of, with_images
from helpers.teaching import generate


@pytest.fixture(scope="module")
def case():
    """A head CT with a haemorrhage that the stand-in finds, of few slices; never trained on."""
    some = (
        case for case in generate("ct", 400, 1_800_000) if case.truth == "yes" and len(case.record["slices"]) < 26
    )
    return next(some)


def log_odds(chat, messages) -> float:
    """Of yes, as the evaluation has it: in a session of its own."""
    yes, no = word_tokens(chat.processor.tokenizer)
    with chat.session(messages) as session:
        logits = session.next_token([messages], ANSWER_BEGUN)[0].double()
    return float(logits[yes].logsumexp(-1) - logits[no].logsumexp(-1))


@pytest.mark.parametrize("blank", ["mean", "black"])
def test_it_is_what_prompts_written_anew_give(standin, case, blank):
    images = images_of(case.messages)
    found = occlude(standin, case.messages, parts=[(3,), (0, 1), (len(images) - 1,)], blank=blank)
    assert found.plain == pytest.approx(log_odds(standin, case.messages), abs=1e-3)
    for part, value in zip(found.parts, found.without, strict=True):
        other = blank_image(images, blank)
        anew = with_images(case.messages, [other if k in part else image for k, image in enumerate(images)])
        assert value == pytest.approx(log_odds(standin, anew), abs=1e-3)
    assert found.mass > 0.5


def test_coarse_to_fine_looks_into_the_block_that_speaks_most(standin, case):
    coarse, fine = coarse_to_fine(standin, case.messages, widths=(5, 1))
    n = len(images_of(case.messages))
    assert [number for part in coarse.parts for number in part] == list(range(n))
    assert tuple(number for (number,) in fine.parts) == coarse.parts[coarse.winner]
    every = occlude(standin, case.messages)
    for (number,), value in zip(fine.parts, fine.without, strict=True):
        assert value == pytest.approx(every.without[number], abs=1e-3)


@pytest.mark.parametrize("widths", [(), (4, 4), (1, 4), (4, 0), (2.5,)])
def test_widths_that_do_not_fall_are_refused(standin, case, widths):
    with pytest.raises(InputError):
        coarse_to_fine(standin, case.messages, widths=widths)


def test_support_speaks_for_the_answer_that_is_given():
    # Log-odds 2 with all; 0.5, 3 and 2 without one of three images: the first speaks for yes, the second against.
    yes = Occlusion([(0,), (1,), (2,)], 2.0, np.array([0.5, 3.0, 2.0]))
    assert (yes.answer, yes.winner, yes.support.tolist()) == ("yes", 0, [1.5, -1.0, 0.0])
    no = Occlusion([(0,), (1,), (2,)], -2.0, np.array([-3.0, -0.5, -2.0]))
    assert (no.answer, no.winner, no.support.tolist(), no.drops.tolist()) == (
        "no",
        1,
        [-1.0, 1.5, 0.0],
        [1, -1.5, 0],
    )


@given(images=st.integers(1, 130), width=st.integers(1, 20), step=st.integers(1, 20))
def test_blocks_cover_every_image_and_no_other(images, width, step):
    if step > width:
        with pytest.raises(InputError):
            blocks(images, width, step)
        return
    found = blocks(images, width, step)
    assert sorted({number for part in found for number in part}) == list(range(images))
    assert all(list(part) == list(range(part[0], part[0] + len(part))) and len(part) <= width for part in found)
    assert [part[0] for part in found] == [step * k for k in range(len(found))]
    assert len(found) == max(1, math.ceil((images - width) / step) + 1)


def test_blanks_by_hand():
    dark, bright = (Image.new("RGB", (2, 2), (value, 0, 10)) for value in (10, 31))
    assert blank_image([dark, bright], "mean").getpixel((0, 0)) == (20, 0, 10)  # 20.5 is rounded to even
    assert blank_image([dark, bright]).getpixel((1, 1)) == (0, 0, 0)
    assert blank_image([dark], bright).getpixel((0, 0)) == (31, 0, 10)


@pytest.mark.parametrize(
    ("given", "blank"),
    [
        ([], "black"),
        ([(9, 9, 9)], "mean"),
        ([(9, 9, 9)] * 3, "mean"),
        ([(0, 0, 0)] * 2, "black"),
        ([(5, 5, 5)], Image.new("RGB", (2, 2), (5, 5, 5))),
        ([(1, 2, 3)], "grey"),
    ],
)
def test_a_blank_that_would_change_nothing_is_refused(given, blank):
    with pytest.raises(InputError):
        blank_image([Image.new("RGB", (2, 2), colour) for colour in given], blank)


@pytest.mark.parametrize("parts", [[], [()], [(0,), ()], [(99,)]])
def test_parts_that_are_no_images_are_refused(standin, case, parts):
    with pytest.raises(InputError):
        occlude(standin, case.messages, parts=parts)
