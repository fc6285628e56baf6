"""Learning from a reward: TRL's prompts and advantages are ours, an adapter comes out, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from helpers.errors import InputError
from helpers.finetuning import Reinforcement, reinforce
from helpers.finetuning.reinforcing import _processor, _trainer
from helpers.models import encode_images, load_model
from helpers.prompts import prompt_ids, render_prompt
from helpers.rewards import answer_reward, format_reward, group_advantages
from helpers.teaching import HELD_OUT, generate

QUICK = Reinforcement(
    rank=2,
    alpha=4,
    learning_rate=1e-3,
    steps=2,
    prompts=3,
    replies=4,
    at_once=6,
    max_new_tokens=24,
    kl=0.05,
    temperature=3.0,  # so high that replies differ, however sure the stand-in is
)
REWARDS = {"answer": answer_reward, "form": format_reward}


def effusions(n: int = 6):
    return generate("effusion", n, HELD_OUT + 40)


def by_length(case, reply):
    """Differs within every group, so that something is learned in two steps."""
    return min(1.0, len(reply.text) / 200) + len(reply.text) % 7 / 100


def test_prompts_and_advantages_are_those_of_the_hand(chat, tmp_path):
    cases = effusions()
    trainer = _trainer(chat, cases, {"length": by_length}, QUICK, tmp_path, [])
    numbers = [4, 1, 2]
    rows = [{"row": k, "prompt": cases[k].messages} for k in numbers for _ in range(QUICK.replies)]
    torch.manual_seed(0)
    made = trainer._generate_and_score_completions(rows)
    for place, k in enumerate(numbers):
        row = place * QUICK.replies
        ids = made["prompt_ids"][row][made["prompt_mask"][row].bool()].tolist()
        assert ids == prompt_ids(cases[k].messages, chat.processor)
        types = made["token_type_ids"][row, : made["prompt_ids"].shape[1]]
        assert torch.equal(types, (made["prompt_ids"][row] == chat.model.config.image_token_id).long())
        ours = encode_images(chat.model, chat.processor.image_processor, cases[k].images)
        theirs = chat.model.get_image_features(made["pixel_values"][row : row + 1], return_dict=True).pooler_output
        assert torch.allclose(ours, theirs, atol=1e-5)
    earned = torch.tensor(list(trainer._logs["rewards"]["length"])).reshape(-1, QUICK.replies)
    assert earned.std(dim=1).max() > 0
    assert made["advantages"].numpy().reshape(earned.shape) == pytest.approx(group_advantages(earned), abs=1e-4)


def test_a_run_gives_an_adapter_that_loads_and_a_record_of_each_step(chat, tmp_path):
    cases, output = effusions(), tmp_path / "adapter"
    tuned = reinforce(chat, cases, {**REWARDS, "length": by_length}, output, QUICK)
    record = json.loads((output / "training.json").read_text(encoding="utf-8"))
    steps = [entry for entry in record["curve"] if "reward" in entry]
    assert len(steps) == QUICK.steps and record["rewards"] == ["answer", "form", "length"]
    for entry in steps:
        parts = [entry[f"rewards/{name}/mean"] for name in record["rewards"]]
        assert entry["reward"] == pytest.approx(sum(parts), abs=1e-3)
        assert entry["kl"] >= 0 and 1 <= entry["completions/mean_length"] <= QUICK.max_new_tokens
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-5)  # an adapter begins at nothing
    assert not list(tmp_path.glob(".*"))
    loaded = load_model("standin", adapter=output, device="cpu")
    said = [model.generate(cases[0].messages, 12).text for model in (tuned, loaded)]
    assert said[0] == said[1] and tuned.name == loaded.name


def test_where_all_replies_earn_the_same_nothing_is_learned_and_it_is_said(chat, tmp_path):
    still = replace(QUICK, steps=1, kl=0.0)
    with pytest.raises(InputError, match="all replies of each group earned the same reward"):
        reinforce(chat, effusions(), {"answer": lambda case, reply: 1.0}, tmp_path / "adapter", still)
    assert not (tmp_path / "adapter").exists()
    assert not hasattr(chat.model.model.language_model.layers[0].self_attn.q_proj, "lora_A"), "it is off again"


def test_the_first_token_is_not_doubled_and_other_tokens_are_refused(chat):
    case, tokenizer = effusions()[0], chat.processor.tokenizer
    ours = prompt_ids(case.messages, chat.processor)

    def begin_with(token):
        ids = [(token, tokenizer.convert_tokens_to_ids(token))]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{token} $A", special_tokens=ids)

    begin_with("<bos>")
    text = render_prompt(case.messages, chat.processor)
    assert chat.processor(images=case.images, text=[text])["input_ids"][0] == [ours[0], *ours]  # as TRL would
    made = _processor(chat, case)(images=case.images, text=[text])
    assert made["input_ids"][0] == ours and len(made["token_type_ids"][0]) == len(ours)


@pytest.mark.parametrize(
    ("cases", "rewards", "problem"),
    [
        (lambda: generate("slide", 4, HELD_OUT), REWARDS, "is a sentence"),
        (lambda: effusions(2), REWARDS, "A step takes 3 cases, but there are only 2"),
        (effusions, {}, "No reward was given"),
        (list, REWARDS, "no cases"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(chat, tmp_path, cases, rewards, problem):
    with pytest.raises(InputError, match=problem):
        reinforce(chat, cases(), rewards, tmp_path / "adapter", QUICK)
