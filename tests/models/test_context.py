"""The budget of a prompt: the report's by default, raised up to the model's window, and what it then costs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.finetuning.planning import model_config
from helpers.models import ChatModel, ask_path, load_model
from helpers.models.context import context_for, count_within, served_length, window_of
from helpers.models.prompt_memory import prompt_bytes
from helpers.models.server import command
from helpers.prompts import CONTEXT_BUDGET, CONTEXT_WINDOW, TokenCount, image_messages, images_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "prompts.md"
THREE = image_messages([Image.new("RGB", (8, 8))] * 3, "Is there a mass?")
REAL = model_config("google/medgemma-1.5-4b-it")
WAYS = ("sdpa", "flex_attention")  # with masks of all pairs, and by blocks


def test_the_budget_is_the_reports_and_goes_up_to_the_window(standin: ChatModel) -> None:
    assert (standin.context, window_of(standin.model.config)) == (32_768, 131_072)
    assert window_of(REAL) == CONTEXT_WINDOW == 131_072
    assert context_for(None, CONTEXT_WINDOW, "m") == CONTEXT_BUDGET == 32_768
    assert context_for(131_072, CONTEXT_WINDOW, "m") == 131_072
    with pytest.raises(
        InputError, match=r"^m: A context of 131,073 tokens.*131,072.*Give a context of at most 131072"
    ):
        context_for(131_073, CONTEXT_WINDOW, "m")
    for wrong in (0, -5, 1000.5, True, "1000"):
        with pytest.raises(InputError, match=f"The context is {wrong!r}, which is not a whole number"):
            load_model("no folder, which is looked for later", context=wrong)
        with pytest.raises(InputError, match=f"The context is {wrong!r}, which is not a whole number"):
            ask_path("no folder", "Is there a mass?", context=wrong)
    with pytest.raises(InputError, match=r"140,000 tokens is more than the 131,072"):
        load_model("standin", context=140_000)


def test_a_prompt_over_the_budget_says_how_to_raise_it_and_what_that_costs(standin: ChatModel) -> None:
    count = standin.count_tokens(THREE)
    small = replace(standin, context=count.budgeted - 1)
    for ask in (small.generate, small.session, small.count_tokens):
        with pytest.raises(
            InputError, match=r"1 tokens over the budget.*context=1024\) or --context 1024.*memory"
        ):
            ask(THREE)
    assert replace(small, context=count.budgeted).count_tokens(THREE) == count


def test_a_prompt_that_the_window_has_no_room_for_is_refused(standin: ChatModel) -> None:
    """The four tokens around each image are in no budget, but the model reads them."""
    count = standin.count_tokens(THREE)
    assert count.wrapper == 3 * 4
    assert count_within(THREE, standin.processor, count.budgeted, count.total + 1) == count
    with pytest.raises(InputError, match=rf"{count.total} tokens, including the tokens around its images"):
        count_within(THREE, standin.processor, count.budgeted, count.total)
    with pytest.raises(InputError) as caught:  # what cannot be raised is not said
        count_within(THREE, standin.processor, count.budgeted - 1, count.total)
    assert "context" not in str(caught.value)


def test_an_answer_ends_where_the_window_is_full(standin: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = ["Describe the image.", "Describe the three images."]
    prompts = [image_messages(images_of(THREE), question) for question in questions]
    whole = [standin.generate(prompt).completion_tokens for prompt in prompts]
    totals = [standin.count_tokens(prompt).total for prompt in prompts]
    window = totals[1] + 3
    assert totals[0] < totals[1] and min(whole) > window - totals[0]  # both have more to say
    monkeypatch.setattr(standin.model.config.get_text_config(), "max_position_embeddings", window)
    with standin.session(THREE) as session:
        replies = session.generate_all(prompts)
    for reply, prompt, total in zip(replies, prompts, totals, strict=True):
        alone = standin.generate(prompt)
        assert (reply.text, reply.completion_tokens) == (alone.text, alone.completion_tokens)
        assert alone.completion_tokens == window - total and not alone.finished and not reply.finished


def test_a_server_gets_room_for_the_prompt_its_images_and_an_answer() -> None:
    assert served_length(CONTEXT_BUDGET) == 36_864 and served_length(131_072) == 131_072
    assert served_length(CONTEXT_BUDGET) > TokenCount(126, 126 * 256, 126 * 4, 400).total + 2_000
    words = command("vllm", "m", 9, cpu=False, float32=False, context=65_536)
    assert words[words.index("--max-model-len") + 1] == "69632"
    assert words[words.index("--limit-mm-per-prompt") + 1] == '{"image": 256}'


def test_the_page_tells_the_memory_that_is_counted() -> None:
    rows = re.findall(
        r"^\| ([\d,]+) \| \d+ \| ([\d.]+) GB \| ([\d.]+) GB \|$", PAGE.read_text(encoding="utf-8"), re.M
    )
    assert [int(tokens.replace(",", "")) for tokens, *_ in rows] == [22_420, 32_768, 65_536, 131_072]
    for tokens, *told in rows:
        counted = [prompt_bytes(REAL.get_text_config(), int(tokens.replace(",", "")), 2, way) for way in WAYS]
        assert told == [f"{n / 1e9:.1f}" for n in counted]
