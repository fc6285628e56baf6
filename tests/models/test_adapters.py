"""Adapters: of every kind and version exactly as PEFT loads them, merged with equal results, or one error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForImageTextToText, Gemma3ForConditionalGeneration

from helpers.cli import main
from helpers.errors import InputError
from helpers.models import STANDIN_FOLDER, ask_path, fingerprint, load_model, read_adapter
from helpers.models.adapters import folder_fingerprint, merge_adapter
from helpers.prompts import image_messages
from tests.models.test_loading import pictures

pytestmark = pytest.mark.usefixtures("one_thread")
LANGUAGE = r".*language_model.*\.(q_proj|down_proj)"
BOTH = r".*(language_model|vision_tower).*\.(q_proj|v_proj)"
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def base() -> Any:
    return AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.float32)


def trained(config: Any, folder: Path) -> Any:
    """A model with an adapter that changes what it says, saved as trainers do."""
    torch.manual_seed(0)
    tuned = peft.get_peft_model(base(), config)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    tuned.save_pretrained(folder)
    return tuned.eval()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    trained(peft.LoraConfig(r=4, target_modules=BOTH), folder)
    return folder


def logits(model: Any, chat: Any) -> torch.Tensor:
    """Of a prompt with an image, which ``model`` encodes itself."""
    messages = image_messages(pictures(1), "Is it bright?")
    with torch.inference_mode():
        inputs = chat.processor.apply_chat_template(
            messages, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        return model(**inputs).logits


KINDS = {
    "language and vision": peft.LoraConfig(r=4, target_modules=BOTH),
    "the official recipe": peft.LoraConfig(
        r=4, target_modules="all-linear", modules_to_save=["lm_head", "embed_tokens"], task_type="CAUSAL_LM"
    ),
    "a head of its own": peft.LoraConfig(r=4, target_modules=LANGUAGE, modules_to_save=["lm_head"]),
    "tied embeddings": peft.LoraConfig(r=4, target_modules=["embed_tokens", "q_proj"]),
    "tied head": peft.LoraConfig(r=4, target_modules=["lm_head", "q_proj"]),
    "single tokens": peft.LoraConfig(r=4, target_modules=LANGUAGE, trainable_token_indices=[3, 5]),
    "DoRA": peft.LoraConfig(r=4, target_modules=LANGUAGE, use_dora=True),
    "rsLoRA, ranks of their own": peft.LoraConfig(
        r=4, target_modules=["q_proj"], use_rslora=True, rank_pattern={"layers.0.self_attn.q_proj": 7}
    ),
    "biases": peft.LoraConfig(r=4, target_modules=["fc1"], bias="all"),
    "LoKr": peft.LoKrConfig(r=4, target_modules=LANGUAGE),
    "IA3": peft.IA3Config(target_modules=LANGUAGE, feedforward_modules=r".*down_proj"),
    "OFT": peft.OFTConfig(r=0, oft_block_size=8, target_modules=LANGUAGE),
}


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_each_kind_beside_the_weights_merged_and_saved_gives_what_peft_gives(
    standin, tmp_path: Path, config: Any
) -> None:
    expected = logits(trained(config, tmp_path), standin)
    assert (expected - logits(standin.model, standin)).abs().max() > 0.01
    beside = load_model("standin", adapter=tmp_path, merge=False, device="cpu")
    assert torch.equal(logits(beside.model, standin), expected)
    merged = load_model("standin", adapter=tmp_path, device="cpu")
    assert type(merged.model) is Gemma3ForConditionalGeneration and merged.name == f"standin+{tmp_path.name}"
    torch.testing.assert_close(logits(merged.model, standin), expected, atol=1e-4, rtol=1e-4)
    merged.model.save_pretrained(tmp_path / "whole")
    merged.processor.save_pretrained(tmp_path / "whole")
    again = load_model(str(tmp_path / "whole"), device="cpu")
    torch.testing.assert_close(logits(again.model, standin), expected, atol=1e-4, rtol=1e-4)


def renamed(adapter: Path, folder: Path, name: Callable[[str], str]) -> Path:
    shutil.copytree(adapter, folder)
    save_file({name(key): value for key, value in load_file(adapter / WEIGHTS).items()}, folder / WEIGHTS)
    return folder


def before_4_52(key: str) -> str:
    key = key.replace("model.model.language_model.", "model.language_model.model.")
    return key.replace("model.model.vision_tower.", "model.vision_tower.vision_model.")


def before_5(key: str) -> str:
    return key.replace("vision_tower.", "vision_tower.vision_model.")


@pytest.mark.parametrize("name", [before_4_52, before_5])
def test_an_adapter_of_an_older_transformers_is_the_same_adapter(
    standin, plain: Path, tmp_path: Path, name
) -> None:
    expected = load_model("standin", adapter=plain, device="cpu")
    old = load_model("standin", adapter=renamed(plain, tmp_path / "old", name), device="cpu")
    assert torch.equal(logits(old.model, standin), logits(expected.model, standin))


def changed(**settings: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        (folder / CONFIG).write_text(json.dumps(content | settings), encoding="utf-8")

    return spoil


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def text(file: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(content, encoding="utf-8") and None


def cut(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5000])


SPOILT = {
    "weights cut off": (cut, "cannot be read"),
    "pickled": (lambda folder: (folder / WEIGHTS).rename(folder / "adapter_model.bin") and None, "pickle"),
    "settings that are not JSON": (text(CONFIG, '{"r":'), "not JSON"),
    "settings that are a list": (text(CONFIG, "[]"), "not a JSON object"),
    "settings without a kind": (text(CONFIG, "{}"), "peft_type"),
    "a kind that nobody knows": (changed(peft_type="NOVEL"), "kind NOVEL"),
    "words before the prompt": (changed(peft_type="PROMPT_TUNING"), "kind PROMPT_TUNING"),
    "a setting of a newer peft": (changed(use_warp=True), "does not know the adapter's settings use_warp"),
    "a setting of a wrong type": (changed(r="four"), "does not fit"),
    "another rank": (changed(r=8), "size mismatch"),
    "layers that are nowhere": (changed(target_modules=["nothing"]), "not found"),
    "code to import": (changed(megatron_config={"a": 1}, megatron_core="antigravity"), "megatron_config"),
    "a base that it changed": (changed(init_lora_weights="pissa"), "changed the base model's own weights"),
    "a record that is not JSON": (text("training.json", "{"), "not JSON"),
    "a record of another model": (text("training.json", '{"base": "m", "base_fingerprint": "0"}'), r"\(m\)"),
    "a tensor too many": (
        weights(lambda all_: all_ | {k.replace("rs.0.", "rs.99."): v.clone() for k, v in all_.items()}),
        "no place for",
    ),
    "a tensor missing": (weights(lambda all_: dict(list(all_.items())[1:])), "1 of its tensors are missing"),
    "a tensor twice": (
        weights(lambda all_: all_ | {before_4_52(k): v.clone() for k, v in all_.items()}),
        "two of its tensors",
    ),
    "no numbers": (weights(lambda all_: {k: v / 0 for k, v in all_.items()}), "not numbers"),
    "whole numbers": (weights(lambda all_: {k: v.int() for k, v in all_.items()}), "which adapters do not"),
    "8 bits": (
        weights(lambda all_: {k: v.to(torch.float8_e4m3fn) for k, v in all_.items()}),
        "which adapters do not",
    ),
    "a broken expression": (changed(target_modules="(*"), "does not fit"),
    "parts": (lambda f: (f / WEIGHTS).rename(f / "adapter_model-00001-of-00001.safetensors") and None, "1 files"),
    "a run": (
        lambda f: shutil.move(shutil.copytree(f, f.parent / "c"), f) and (f / CONFIG).unlink(),
        "Give one of these subfolders",
    ),
    "nothing": (weights(lambda all_: {}), "holds no weights"),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILT.values(), ids=SPOILT)
def test_what_is_not_loaded_exactly_is_one_error(plain: Path, tmp_path: Path, spoil, said: str) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(plain, adapter)
    spoil(adapter)
    with pytest.raises(InputError, match=said) as caught:
        load_model("standin", adapter=adapter, device="cpu")
    assert caught.value.path.startswith(str(adapter)) and caught.value.remedy
    assert "antigravity" not in sys.modules


def test_an_adapter_of_another_release_is_refused(plain: Path, tmp_path: Path, capsys) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(plain, adapter)
    changed(base_model_name_or_path="google/medgemma-4b-it", auto_mapping={"parent_library": "antigravity"})(
        adapter
    )
    folder = tmp_path / "medgemma-1.5-4b-it"
    shutil.copytree(STANDIN_FOLDER, folder)
    with pytest.raises(InputError, match="another release of MedGemma"):
        load_model(str(folder), adapter=adapter, device="cpu")
    folder = folder.rename(tmp_path / "medgemma-4b-it")
    capsys.readouterr()
    load_model(str(folder), adapter=adapter, device="cpu")
    assert "its files do not show" not in capsys.readouterr().out
    load_model("standin", adapter=adapter, device="cpu")
    assert "trained on 'google/medgemma-4b-it', and its files do not show" in capsys.readouterr().out
    assert "antigravity" not in sys.modules


def test_an_adapter_that_is_given_as_a_model_says_so(plain: Path, tmp_path: Path, asked) -> None:
    with pytest.raises(InputError, match=r"an adapter, not a whole model.*--adapter") as caught:
        load_model(str(plain))
    assert str(STANDIN_FOLDER) in caught.value.remedy
    with pytest.raises(InputError, match="whole model, not an adapter"):
        load_model("standin", adapter=STANDIN_FOLDER)
    pictures(1)[0].save(tmp_path / "image.png")
    code, _, said = asked(tmp_path / "image.png", "What is it?", "--model", str(plain))
    assert code == 2 and said.count("error: ") == 1 and "--adapter" in said


def test_a_merged_model_has_another_fingerprint(standin, plain: Path, tmp_path: Path) -> None:
    assert fingerprint(standin.model) == folder_fingerprint(STANDIN_FOLDER)
    merged = load_model("standin", adapter=plain, device="cpu")
    assert fingerprint(merged.model) != fingerprint(standin.model)
    merged.model.save_pretrained(tmp_path / "whole")
    merged.processor.save_pretrained(tmp_path / "whole")
    with pytest.raises(InputError, match="be applied twice"):
        load_model(str(tmp_path / "whole"), adapter=plain, device="cpu")
    beside = load_model("standin", adapter=plain, merge=False, device="cpu")
    assert fingerprint(beside.model) == fingerprint(standin.model)


def test_ask_and_evaluate_take_an_adapter_and_a_batch(plain: Path, tmp_path: Path, capsys) -> None:
    pictures(1)[0].save(tmp_path / "image.png")
    path = tmp_path / "image.png"
    words = ["ask", str(path), "Is it bright?", "--max-new-tokens", "12", "--json"]
    assert main([*words, "--adapter", str(plain), "--vision-batch", "1"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model"] == f"standin+{plain.name}"
    assert ask_path(path, "Is it bright?", adapter=plain, max_new_tokens=12)["answer"] == said["answer"]
    for batch in ("0", "-1"):
        assert main([*words, "--vision-batch", batch]) == 2
        told = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]["message"]
        assert f"vision_batch is {batch}, which is not a whole number" in told
    words = ["evaluate", "--cases", "teaching:image", "--n", "2", "--output", str(tmp_path / "out")]
    assert main([*words, "--vision-batch", "0"]) == main([*words, "--adapter", str(tmp_path)]) == 2
    assert "no adapter" in capsys.readouterr().err
    assert main([*words, "--adapter", str(plain), "--vision-batch", "2", "--max-new-tokens", "12"]) == 0


class Operations(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_merging_takes_a_third_of_a_tokens_operations_away_at_true_width(plain: Path) -> None:
    config = AutoConfig.from_pretrained(STANDIN_FOLDER)
    words = config.text_config
    words.hidden_size, words.intermediate_size, words.head_dim = 2560, 10_240, 256
    words.num_attention_heads, words.num_key_value_heads, words.num_hidden_layers = 8, 4, 2
    words.layer_types = ["sliding_attention", "full_attention"]

    def cost(model: Any) -> tuple[int, int]:
        mask = dict.fromkeys(words.layer_types, torch.zeros(1, 1, 1, 1, dtype=torch.bool))
        token = {"inputs_embeds": torch.zeros(1, 1, 2560), "position_ids": torch.zeros(1, 1, dtype=torch.long)}
        with torch.no_grad(), Operations() as operations, FlopCounterMode(display=False) as arithmetic:
            model.model.language_model(**token, attention_mask=mask, use_cache=False)
        return operations.count, arithmetic.get_total_flops()

    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(config).eval()
        alone = cost(model)
        everywhere = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
        beside = peft.get_peft_model(model, peft.LoraConfig(r=16, target_modules=everywhere)).eval()
        unmerged = cost(beside.get_base_model())
        merged = cost(beside.unload())
    assert merged == alone
    assert 1.4 < unmerged[0] / alone[0] < 1.7  # measured: 488 and 320 of two layers
    assert 1.005 < unmerged[1] / alone[1] < 1.015


def test_a_sum_in_bfloat16_is_rounded_once(plain: Path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.bfloat16)
    name = "model.language_model.layers.1.self_attn.q_proj"
    before = model.get_submodule(name).weight.float()
    files = read_adapter(plain)
    merged = merge_adapter(peft.PeftModel.from_pretrained(model, plain), files)
    a, b = (load_file(plain / WEIGHTS)[f"base_model.model.{name}.lora_{letter}.weight"] for letter in "AB")
    scale = files.config["lora_alpha"] / files.config["r"]
    expected = (before + scale * (b @ a)).bfloat16()
    assert torch.equal(merged.get_submodule(name).weight, expected)
