"""Examples: every bad one named, patients kept apart, the prompt as the model is asked it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import pytest
import torch
from PIL import Image
from transformers import TrainerCallback

from helpers.errors import InputError
from helpers.evaluation import Quantity
from helpers.finetuning import Collator, finetune, prepare
from helpers.finetuning.training_data import Kept
from helpers.prompts import Message, image_messages
from helpers.teaching import generate
from tests.finetuning.conftest import QUICK, images


@dataclass
class Example:
    """An example as a user would write it."""

    id: str
    answer: str
    messages: list[Message]
    group: str = ""
    options: tuple[str, ...] = ()


def box(top: int, bottom: int) -> str:
    return f'{{"box_2d": [{top}, 0, {bottom}, 600]}}'


@dataclass
class Scored(Example):
    """An example that evaluation could score too."""

    truth: str = ""
    quantity: Quantity | None = None


def test_an_answer_is_read_as_evaluation_reads_it(chat):
    asked = image_messages([], "?")
    good = [
        Scored("choice", "It is HER2+. Final Answer: HER2+", asked, options=("HER2+", "HER2-"), truth="HER2+"),
        Scored("near", "Final Answer: 1.25 cm", asked, truth="12 mm", quantity=Quantity("mm", tolerance=1)),
        Scored("box", f"Here: [{box(100, 200)}]", asked, truth=f"[{box(110, 210)}]"),
        Scored("none", "[]", asked, truth="[]"),
        Scored("sentence", "A head.", asked, truth="This is a CT."),
    ]
    assert len(prepare([*good, *generate("box", 2, 0), *generate("change", 2, 0)], chat.processor)) == 9


def test_every_bad_example_is_named_before_anything_is_trained(chat, tmp_path):
    picture = images(1)[0].images[0]
    asked = image_messages([picture], "Is this a head CT?")
    lost = image_messages([picture], "Is this a head CT?")
    lost[0]["content"][1]["text"] += " <start_of_image>"
    bad = [
        Example("empty", "  ", asked),
        Example("number", 5, asked),
        Example("other", "Final Answer: perhaps", asked, options=("yes", "no")),
        Example("alike", "Final Answer: yes", asked, options=("yes", "yes.")),
        Scored("wrong", "Two are seen. Final Answer: no", asked, options=("yes", "no"), truth="yes"),
        Scored("far", "Final Answer: 3 cm", asked, truth="12 mm", quantity=Quantity("mm", tolerance=1)),
        Scored("elsewhere", f"[{box(0, 90)}]", asked, truth=f"[{box(100, 200)}]"),
        Scored("several", f"[{box(0, 90)}]", asked, truth=f"[{box(0, 90)}, {box(100, 200)}]"),
        Example("places", "Yes.", lost),
        Example("long", "word " * 40_000, asked),
    ]
    with pytest.raises(InputError) as caught:
        finetune(chat, [*images(4), *bad], [], tmp_path / "adapter")
    assert "10 of 14" in str(caught.value)
    assert all(f"\n  {example.id}: " in str(caught.value) for example in bad)
    assert not list(tmp_path.iterdir())


def test_half_of_a_sign_is_no_answer(chat):
    with pytest.raises(InputError, match=r"broken: The answer .* holds half of a sign"):
        prepare([Example("broken", "yes \ud83d", image_messages([], "?"))], chat.processor)


@pytest.mark.parametrize("group", [None, 7, float("nan")])
def test_a_group_that_is_no_text_is_named(chat, tmp_path, group):
    case = Example("case-3", "Yes.", image_messages([], "?"), group=group)
    for train, validation in (([case], images(2)), (images(2), [case])):
        with pytest.raises(InputError, match=f"group of the example case-3 is {group!r}"):
            finetune(chat, train, validation, tmp_path / "adapter")


def test_validation_of_the_same_patients_is_refused(chat, tmp_path):
    with pytest.raises(InputError, match="share 1 groups"):
        finetune(chat, images(4), images(1, seed=3), tmp_path / "adapter")


def test_a_batch_holds_the_prompt_that_the_model_is_asked_with(chat):
    cases = generate("ct-staining", 2, 0) + generate("text", 1, 0)
    rows = prepare(cases, chat.processor)
    batch = Collator(rows, chat)([{"row": k} for k in range(3)])
    for k, case in enumerate(cases):
        asked = chat.inputs(case.messages)["input_ids"][0]
        assert torch.equal(batch["input_ids"][k, : len(asked)], asked)
        said = batch["labels"][k][batch["labels"][k] >= 0]
        assert chat.processor.tokenizer.decode(said) == f"{case.answer}<end_of_turn>"
        assert (batch["labels"][k, : len(asked)] == -100).all()
    assert batch["image_rows"].tolist() == [0, 1]  # the third has words alone


@pytest.mark.parametrize(
    "token",
    [
        "<image_soft_token>",
        "<start_of_image>",
        "<end_of_image>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<bos>",
        "<eos>",
        "<pad>",
        "<unused94>",
    ],
)
def test_tokens_of_the_prompt_are_nobodys_words(token, chat):
    picture = images(1)[0].images[0]
    said = Example("said", f"A square.{token}Normal.", image_messages([picture], "What is it?"))
    asked = Example("asked", "A square.", image_messages([picture], "What is it?"))
    asked.messages[0]["content"][1]["text"] += f" {token}"
    told = Example("told", "A square.", [{"role": "system", "content": f"Be brief.{token}"}, *said.messages])
    with pytest.raises(InputError) as caught:
        prepare([said, asked, told], chat.processor)
    for line in (f"said: The answer holds {token}", f"asked: The prompt holds {token}", "told: The prompt holds"):
        assert line in str(caught.value)


def test_what_only_looks_like_a_token_is_learned(chat):
    answer = "Under 5 < x > 3:\n\n  <b>bold</b> unused94, start_of_turn, [image]"
    rows = prepare([Example("x", answer, image_messages([], "?"))], chat.processor)
    assert chat.processor.tokenizer.decode(rows[0].ids[-rows[0].answer_tokens :]) == f"{answer}<end_of_turn>"


def test_the_loss_can_be_on_the_prompts_words_too(chat):
    cases = generate("ct-staining", 1, 0)
    answer, whole = (prepare(cases, chat.processor, learn_prompt=learn)[0] for learn in (False, True))
    assert answer.ids == whole.ids
    ids = torch.tensor(whole.ids)
    start = chat.processor.tokenizer.convert_tokens_to_ids("<start_of_image>")
    image = (ids == chat.model.config.image_token_id) | (ids == start)
    assert torch.equal(torch.tensor(whole.labels), torch.where(image, -100, ids))
    learned = torch.tensor(answer.labels) >= 0
    assert learned.sum() == answer.answer_tokens and learned[-answer.answer_tokens :].all()


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

    room = [one := Counted("x", "yes", []).messages[0]["content"][0]["image"].width ** 2 * 3]
    drawn.clear()
    kept = [Kept(Counted(name, "yes", []), room) for name in ("first", "second")]
    rows = prepare(kept, chat.processor) + prepare(kept, chat.processor)
    assert drawn == ["first", "second", "second"] and rows[:2] == rows[2:]
    kept[0].let_go()
    assert room == [one]
    assert kept[0].messages and drawn[3:] == ["first"] and room == [0]


def test_no_prompt_stays_in_memory_while_a_run_learns_from_image_tokens(chat, tmp_path):
    drawn, alive = [], []

    class Fresh(Example):
        @property
        def messages(self):
            image = Image.new("RGB", (60, 40), (int(self.id), 0, 0))
            drawn.append(weakref.ref(image))
            return image_messages([image], "Is this a head CT?")

        @messages.setter
        def messages(self, _):
            pass

    class Looks(TrainerCallback):
        def on_step_begin(self, *_, **__):
            alive.append(sum(image() is not None for image in drawn))

    finetune(chat, [Fresh(str(k), "yes", []) for k in range(4)], [], tmp_path / "a", QUICK, callbacks=[Looks()])
    assert len(drawn) == 4 and set(alive) == {0}
