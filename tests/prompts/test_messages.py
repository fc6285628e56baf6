"""Prompts: the order, the padding and the budget of the protocol."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import ExifTags, Image

from helpers.errors import InputError
from helpers.prompts import (
    THINKING_INSTRUCTION,
    check_budget,
    image_messages,
    images_of,
    pad_to_square,
    render_prompt,
    rendered_ids,
    slide_messages,
    volume_messages,
    with_images,
    with_question,
)
from helpers.prompts.messages import count_tokens

GREY = Image.new("RGB", (8, 8), (90, 90, 90))


def kinds(messages: list) -> list[str]:
    return ["image" if part["type"] == "image" else part["text"] for part in messages[-1]["content"]]


def test_a_volume_is_instruction_then_numbered_slices_then_the_question() -> None:
    messages = volume_messages([GREY, GREY, GREY], "Is it bright?", instruction="Three slices.")
    assert kinds(messages) == [
        "Three slices.", "image", "SLICE 1", "image", "SLICE 2", "image", "SLICE 3\n\nIs it bright?"
    ]  # fmt: skip


def test_a_slide_is_text_then_patches_and_an_image_is_before_its_question() -> None:
    assert kinds(slide_messages([GREY] * 2, "Colon, biopsy."))[1:] == ["image", "image"]
    assert kinds(slide_messages([GREY], "Colon, biopsy."))[0].endswith("Colon, biopsy.")
    assert kinds(image_messages([GREY], "What is it?")) == ["image", "What is it?"]
    assert image_messages([], "Why?", system=THINKING_INSTRUCTION)[0]["role"] == "system"


def test_a_question_follows_labels_and_never_another_question() -> None:
    several = {"T1": [GREY], "FLAIR (fat\nsaturated)": [GREY] * 2}
    for opened in (volume_messages([GREY], None), volume_messages(several, None), image_messages([GREY], None)):
        asked = with_question(opened, "Is it bright?")
        assert kinds(asked)[-1].endswith("Is it bright?")
        with pytest.raises(InputError, match=r"already ends with words.*Leave them out"):
            with_question(asked, "Why?")


def test_other_images_take_the_places_and_every_word_stays() -> None:
    messages = volume_messages([GREY, GREY], "Is it bright?")
    other = with_images(messages, [Image.new("RGB", (8, 8)), Image.new("RGB", (8, 4)), GREY])
    assert kinds(other) == kinds(messages) and images_of(messages) == [GREY, GREY]
    assert [image.size for image in images_of(other)] == [(8, 8), (8, 8)]  # padded, as all are
    with pytest.raises(InputError, match="more places for images than there are images"):
        with_images(messages, [GREY])


def test_the_reports_order_of_a_slide_has_the_text_behind_the_patches() -> None:
    first = kinds(slide_messages([GREY] * 2, "Colon, biopsy."))
    last = kinds(slide_messages([GREY] * 2, "Colon, biopsy.", text_first=False))
    assert last == ["image", "image", first[0]]
    *labelled, words = kinds(slide_messages([[GREY], [GREY] * 2], "Colon.", text_first=False))
    assert labelled == ["SLIDE 1", "image", "SLIDE 2", "image", "image"]
    assert "from 2 pathology slides" in words and words.endswith("Colon.")


@given(st.lists(st.integers(1, 8), min_size=2, max_size=20))
def test_patches_of_several_slides_follow_the_number_of_theirs(counts: list[int]) -> None:
    shades = iter(range(256))
    slides = [[Image.new("RGB", (1, 1), (next(shades),) * 3) for _ in range(n)] for n in counts]
    if sum(counts) > 126:
        with pytest.raises(InputError, match=r"over the limit of 126.*sample_slides\(slides, limit=126\)"):
            slide_messages(slides)
        return
    messages = slide_messages(slides, "Colon, biopsy.")
    assert [image.getpixel((0, 0))[0] for image in images_of(messages)] == list(range(sum(counts)))
    first, *rest = kinds(messages)
    assert f"from {len(counts)} pathology slides" in first and first.endswith("Colon, biopsy.\n\nSLIDE 1")
    expected = [part for k, n in enumerate(counts, start=1) for part in [f"SLIDE {k}", *["image"] * n]]
    assert rest == expected[1:]


def test_one_slide_in_a_list_is_that_slide_and_an_empty_one_is_refused() -> None:
    assert slide_messages([[GREY, GREY]], "Colon.") == slide_messages([GREY, GREY], "Colon.")
    with pytest.raises(InputError, match="There are no patches"):
        slide_messages([[GREY], []])
    words = 'Answer as {"stain": ...}.'
    assert kinds(slide_messages([GREY], instruction=words))[0] == words


def test_the_chat_template_keeps_the_parts_apart(standin) -> None:
    """The template trims every part; the last label and the question must not run together."""
    text = render_prompt(volume_messages([GREY, GREY], "Is it bright?"), standin.processor)
    assert "SLICE 2\n\nIs it bright?<end_of_turn>\n<start_of_turn>model\n" in text
    slides = render_prompt(slide_messages([[GREY], [GREY]], "Colon."), standin.processor)
    assert "Colon.\n\nSLIDE 1<start_of_image>SLIDE 2<start_of_image><end_of_turn>" in slides
    assert text.startswith("<bos><start_of_turn>user\n") and text.count("<start_of_image>") == 2


@given(width=st.integers(1, 60), height=st.integers(1, 60))
def test_padding_is_square_black_and_centred(width: int, height: int) -> None:
    image = pad_to_square(np.full((height, width, 3), 200, np.uint8))
    side = max(width, height)
    pixels = np.asarray(image)
    assert image.size == (side, side)
    rows, columns = np.nonzero(pixels[..., 0])
    assert (pixels == 200).sum() == width * height * 3
    assert rows.min() == (side - height) // 2 and columns.min() == (side - width) // 2


FINE = np.array([[0, 1000, 2000, 3000]], np.uint16)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.fromarray(FINE), "mode I;16 holds more than 8 bits"),
        (Image.fromarray(FINE.astype(np.int32)), "mode I holds more than 8 bits"),
        (Image.fromarray(FINE / np.float32(3000)), "mode F holds more than 8 bits"),
        (FINE, r"array of uint16 with shape \(1, 4\)"),
        *((np.zeros(shape, np.uint8), "shape") for shape in ((3, 4, 4), (4, 4, 2), (4, 4, 1), (0, 4), (4,))),
        ("scan.png", "not an image, but str"),
    ],
)
def test_what_has_no_8_bits_or_is_no_image_is_refused(image: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        image_messages([image], "What is it?")
    assert "read_image" in caught.value.remedy


@pytest.mark.parametrize("make", [image_messages, volume_messages, slide_messages])
@pytest.mark.parametrize("one", [np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), GREY, "scan.png"])
def test_one_image_is_not_a_list_of_its_rows(make: Callable, one: object) -> None:
    with pytest.raises(InputError, match="A list of images was expected"):
        make(one, "What is it?")


def test_images_are_taken_as_they_are_seen() -> None:
    clear = np.dstack([np.full((2, 2, 3), 90, np.uint8), np.array([[255, 0], [0, 255]], np.uint8)])
    assert np.asarray(pad_to_square(Image.fromarray(clear)))[..., 0].tolist() == [[90, 255], [255, 90]]
    keyed = Image.fromarray(np.array([[10, 20]], np.uint8))
    keyed.info["transparency"] = 20
    assert np.asarray(pad_to_square(keyed))[..., 1].tolist() == [[10, 255], [0, 0]]
    turned = Image.fromarray(np.array([[1, 2, 3]], np.uint8))
    turned.getexif()[ExifTags.Base.Orientation] = 6
    assert np.asarray(pad_to_square(turned))[:, 1, 2].tolist() == [1, 2, 3]
    stack = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)  # slices in an array are as good as in a list
    assert [np.asarray(image)[0, 0, 0] for image in images_of(volume_messages(stack, "?"))] == [0, 4]


def test_counts_agree_with_what_the_processor_makes(standin) -> None:
    messages = volume_messages([GREY] * 5, "Is it bright?")
    count = count_tokens(messages, standin.processor)
    ids = standin.processor.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=True
    )
    assert count.total == len(np.ravel(ids["input_ids"]))
    assert (count.images, count.image) == (5, 5 * standin.processor.image_seq_length)


@settings(deadline=None)
@given(texts=st.lists(st.text("ab ?\n\t'", min_size=1, max_size=8), min_size=1, max_size=4))
def test_ids_are_those_of_the_text_in_which_every_token_of_an_image_is_written(standin, texts: list[str]) -> None:
    """Spaces and line ends beside an image are what a tokenizer might merge."""
    processor = standin.processor
    prompt = processor.boi_token.join(["<bos>", *texts])
    whole = prompt.replace(processor.boi_token, processor.full_image_sequence)
    assert rendered_ids(prompt, processor) == processor.tokenizer(whole, add_special_tokens=False)["input_ids"]


def test_200_slices_are_refused_with_the_limit_that_fits() -> None:
    with pytest.raises(InputError, match=r"200 slices are 115 over the limit of 85.*select_slices\(n, limit=85\)"):
        volume_messages([GREY] * 200, "Is it bright?")
    with pytest.raises(InputError, match="127 patches are 1 over the limit of 126"):
        slide_messages([GREY] * 127)


def test_a_prompt_over_the_budget_says_by_how_much_and_what_fits(standin) -> None:
    messages = volume_messages([GREY] * 20, "Is it bright?")
    count = count_tokens(messages, standin.processor)
    with pytest.raises(InputError, match=r"32 tokens over the budget.*at most 18 images") as caught:
        check_budget(messages, standin.processor, budget=count.budgeted - 2 * count.image // count.images)
    assert caught.value.remedy
    assert check_budget(messages, standin.processor) == count


@pytest.mark.parametrize("question", ["", "  ", "Is <start_of_image> a token?", "<end_of_turn>"])
def test_words_that_break_a_prompt_are_refused(question: str) -> None:
    with pytest.raises(InputError):
        volume_messages([GREY], question)


def test_values_that_are_not_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="float32"):
        image_messages([np.zeros((4, 4), np.float32)], "What is it?")
