"""Examples: every bad one named, patients kept apart, the prompt as the model is asked it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from helpers.errors import InputError
from helpers.finetuning import Collator, finetune, prepare
from helpers.finetuning.training_data import Kept
from helpers.prompts import Message, image_messages
from helpers.teaching import generate
from tests.finetuning.conftest import images


@dataclass
class Example:
    """An example as a user would write it."""

    id: str
    answer: str
    messages: list[Message]
    group: str = ""
    options: tuple[str, ...] = ()


def test_every_bad_example_is_named_before_anything_is_trained(chat, tmp_path):
    picture = images(1)[0].images[0]
    asked = image_messages([picture], "Is this a head CT?")
    lost = image_messages([picture], "Is this a head CT?")
    lost[0]["content"][1]["text"] += " <start_of_image>"
    bad = [
        Example("empty", "  ", asked),
        Example("other", "Final Answer: perhaps", asked, options=("yes", "no")),
        Example("places", "Yes.", lost),
        Example("long", "word " * 40_000, asked),
    ]
    with pytest.raises(InputError) as caught:
        finetune(chat, [*images(4), *bad], [], tmp_path / "adapter")
    assert "4 of 8" in str(caught.value)
    assert all(example.id in str(caught.value) for example in bad)
    assert not list(tmp_path.iterdir())


def test_validation_of_the_same_patients_is_refused(chat, tmp_path):
    with pytest.raises(InputError, match="share 1 groups"):
        finetune(chat, images(4), images(1, seed=3), tmp_path / "adapter")


def test_a_batch_holds_the_prompt_that_the_model_is_asked_with(chat):
    cases = generate("ct-staining", 2, 0) + generate("text", 1, 0)
    rows = prepare(cases, chat.processor)
    batch = Collator(rows, cases, chat.model, chat.processor, None)([{"row": k} for k in range(3)])
    for k, case in enumerate(cases):
        asked = chat.inputs(case.messages)["input_ids"][0]
        assert torch.equal(batch["input_ids"][k, : len(asked)], asked)
        said = batch["labels"][k][batch["labels"][k] >= 0]
        assert chat.processor.tokenizer.decode(said) == f"{case.answer}<end_of_turn>"
        assert (batch["labels"][k, : len(asked)] == -100).all()
    assert len(batch["pixel_values"]) == sum(len(case.images) for case in cases)


def test_prompts_stay_in_memory_while_there_is_room(chat):
    drawn = []

    class Counted(Example):
        @property
        def messages(self):
            drawn.append(self.id)
            return image_messages([images(1)[0].images[0]], "?")

        @messages.setter
        def messages(self, _):
            pass

    room = [Counted("x", "yes", []).messages[0]["content"][0]["image"].width ** 2 * 3]
    drawn.clear()
    kept = [Kept(Counted(name, "yes", []), room) for name in ("first", "second")]
    rows = prepare(kept, chat.processor) + prepare(kept, chat.processor)
    assert drawn == ["first", "second", "second"] and rows[:2] == rows[2:]
