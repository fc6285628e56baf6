"""A model's answer to a prompt: plainly greedy, whatever settings the model was saved with."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig

from helpers.errors import InputError
from helpers.models import STANDIN_FOLDER, ChatModel, load_model
from helpers.teaching import generate

SETTINGS = {
    "repetition_penalty": 5.0,
    "no_repeat_ngram_size": 2,
    "min_new_tokens": 40,
    "begin_suppress_tokens": [5],
    "bad_words_ids": [[7]],
    "num_beams": 3,
    "do_sample": True,
    "temperature": 1.7,
    "max_length": 3,
    "use_cache": False,
}


@pytest.fixture(scope="module")
def cautious(standin: ChatModel, tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    """The stand-in, saved with settings that would change any answer, and loaded again."""
    folder: Path = tmp_path_factory.mktemp("cautious")
    model = copy.deepcopy(standin.model)
    model.save_pretrained(folder)
    standin.processor.save_pretrained(folder)
    case = generate("ct", 1, seed=5)[0]
    reply = standin.processor.tokenizer(standin.generate(case.messages, 12).text, add_special_tokens=False)
    ids = {
        name: getattr(model.generation_config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    saved = GenerationConfig(**SETTINGS, suppress_tokens=reply["input_ids"], **ids)
    (folder / "generation_config.json").write_text(saved.to_json_string(), encoding="utf-8")
    return load_model(str(folder), device="cpu")


def test_settings_that_a_model_was_saved_with_act_nowhere(standin: ChatModel, cautious: ChatModel) -> None:
    assert cautious.model.generation_config.repetition_penalty == 5.0
    for case in generate("ct", 2, seed=5):
        expected = standin.generate(case.messages, max_new_tokens=24)
        alone = cautious.generate(case.messages, max_new_tokens=24)
        with cautious.session(case.messages) as session:
            (shared,) = session.generate_all([case.messages], max_new_tokens=24)
        for reply in (alone, shared):
            assert (reply.text, reply.completion_tokens) == (expected.text, expected.completion_tokens)
    assert cautious.model.generation_config.repetition_penalty == 5.0  # they stay with the model


def test_what_is_saved_says_nothing_of_how_prompts_are_read(standin: ChatModel, tmp_path: Path) -> None:
    case = generate("image", 1, seed=7)[0]
    chat = replace(standin, prefill="sdpa")
    text = chat.generate(case.messages, max_new_tokens=6).text
    chat.model.save_pretrained(tmp_path)
    chat.processor.save_pretrained(tmp_path)
    assert "prompts_" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    again = load_model(str(tmp_path), device="cpu")
    assert again.generate(case.messages, max_new_tokens=6).text == text
    with torch.no_grad():  # and the model still takes whole batches, as training gives them
        ids = torch.tensor([[2, 9, 11, 12], [2, 9, 11, 13]])
        both = again.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        one = again.model(input_ids=ids[:1], attention_mask=torch.ones_like(ids[:1])).logits
    torch.testing.assert_close(both[:1], one)


def test_the_next_token_in_one_pass_is_that_of_a_session(standin: ChatModel) -> None:
    asked = [case.messages for case in generate("ct", 2, seed=5)]
    begun = ["Final Answer:", "It is"]
    read = standin.next_token(asked, begun)
    for prompt, words, logits in zip(asked, begun, read, strict=True):
        with standin.session(prompt) as session:
            (expected,) = session.next_token([prompt], words)
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    assert not torch.allclose(read, standin.next_token(asked, ""), atol=1e-2)


def test_a_folder_may_be_a_path_and_a_gpu_has_to_be_there() -> None:
    assert load_model(STANDIN_FOLDER, device="cpu").is_standin
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="No CUDA GPU is available here"):
            load_model("standin", device="cuda")
