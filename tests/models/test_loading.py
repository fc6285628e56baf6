"""Models: loading by name, answers, and the true geometry of MedGemma on thin random weights."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, Gemma3ForConditionalGeneration

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image
from helpers.models import encode_images, hub, load_model, pixel_batches
from helpers.prompts import image_messages, slide_messages, split_thinking, volume_messages
from helpers.prompts.messages import count_tokens


def pictures(n: int, side: int = 64, seed: int = 0) -> list[Image.Image]:
    values = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)
    return [Image.fromarray(v) for v in values]


@pytest.fixture(scope="module")
def true_geometry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of MedGemma's image geometry (896 pixels, 4,096 vision patches, 256 tokens), two thin layers."""
    folder = tmp_path_factory.mktemp("true_geometry")
    config = AutoConfig.from_pretrained(hub.STANDIN_FOLDER)
    config.is_standin = False
    config.mm_tokens_per_image = 256
    config.vision_config.image_size, config.vision_config.patch_size = 896, 14
    config.vision_config.num_hidden_layers = config.text_config.num_hidden_layers = 2
    config.vision_config.hidden_size, config.vision_config.intermediate_size = 32, 64
    config.vision_config.num_attention_heads = 2
    config.text_config.layer_types = ["sliding_attention", "full_attention"]
    torch.manual_seed(0)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    processor = AutoProcessor.from_pretrained(hub.STANDIN_FOLDER, backend="pil")
    processor.image_processor.size = {"height": 896, "width": 896}
    type(processor)(
        image_processor=processor.image_processor,
        tokenizer=processor.tokenizer,
        chat_template=processor.chat_template,
        image_seq_length=256,
    ).save_pretrained(folder)
    return folder


def test_true_geometry_takes_slices_patches_and_a_radiograph(true_geometry: Path, capsys) -> None:
    chat = load_model(str(true_geometry))
    assert "not MedGemma" not in capsys.readouterr().out
    radiograph = read_image(fetch("chest-radiograph"))
    assert radiograph.width != radiograph.height
    for images, messages in (
        (3, volume_messages(pictures(3), "Is it bright?")),
        (3, slide_messages(pictures(3), "Colon.")),
        (1, image_messages([radiograph], "What is it?")),
    ):
        count = count_tokens(messages, chat.processor)
        assert (count.images, count.image) == (images, images * 256)
        reply = chat.generate(messages, max_new_tokens=2)
        assert reply.prompt_tokens == count.total and reply.completion_tokens >= 1
    padded = messages[0]["content"][0]["image"]
    pixels = next(pixel_batches([padded], chat.processor.image_processor))
    assert pixels.shape == (1, 3, 896, 896)
    side_bar = (padded.width - radiograph.width) // 2 * 896 // padded.width
    assert (pixels[0, :, :, : side_bar - 2] == -1).all()  # zero padding, normalised


def test_slices_over_the_32k_budget_are_refused_at_true_geometry(true_geometry: Path) -> None:
    chat = load_model(str(true_geometry))
    with pytest.raises(InputError, match=r"at most \d+ images") as caught:
        chat.generate(volume_messages(pictures(200, side=8), "Is it bright?", limit=200))
    fits = int(re.search(r"at most (\d+)", str(caught.value))[1])
    assert chat.count_tokens(volume_messages(pictures(fits, side=8), "Is it bright?", limit=200)).images > 85
    assert chat.count_tokens(slide_messages(pictures(126, side=8), "Colon.")).image == 32_256


def test_small_batches_give_what_the_processor_and_the_tower_give_at_once(standin) -> None:
    images = [*pictures(9, side=200), *pictures(2, side=50, seed=1)]
    processor, model = standin.processor.image_processor, standin.model
    expected = processor(images=images, return_tensors="pt")["pixel_values"]
    assert torch.equal(torch.cat(list(pixel_batches(images, processor, batch_size=4))), expected)
    with torch.inference_mode():
        at_once = model.get_image_features(pixel_values=expected, return_dict=True).pooler_output
    torch.testing.assert_close(encode_images(model, processor, images, batch_size=4), at_once)


def test_an_answer_is_token_for_token_that_of_transformers(standin) -> None:
    messages = volume_messages(pictures(6), "Is it bright?")
    inputs = standin.processor.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = standin.model.generate(**inputs, max_new_tokens=12, do_sample=False)
        logits = standin.model(**inputs).logits[0, -1]
        ours = standin.model(**standin.inputs(messages)).logits[0, -1]
    torch.testing.assert_close(ours, logits, atol=1e-4, rtol=1e-4)
    reply = standin.generate(messages, max_new_tokens=12)
    text = standin.processor.decode(expected[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert reply.text == split_thinking(text)[0]


def test_the_stand_in_says_that_it_is_not_medgemma(capsys) -> None:
    load_model("standin")
    assert "This is not MedGemma" in capsys.readouterr().out


def test_a_saved_folder_loads_as_the_real_model_does(standin, tmp_path: Path) -> None:
    standin.model.save_pretrained(tmp_path)
    standin.processor.save_pretrained(tmp_path)
    messages = image_messages(pictures(1), "What is it?")
    assert load_model(str(tmp_path)).generate(messages).text == standin.generate(messages).text
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors missing"):
        load_model(str(tmp_path))


def test_an_adapter_is_put_on_top_and_a_foreign_one_refused(standin, true_geometry: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = AutoModelForImageTextToText.from_pretrained(hub.STANDIN_FOLDER, dtype=torch.float32)
    torch.manual_seed(0)
    layers = r".*language_model.*\.(q_proj|v_proj)"
    tuned = get_peft_model(base, LoraConfig(r=4, target_modules=layers, init_lora_weights=False))
    tuned.save_pretrained(tmp_path)
    chat = load_model("standin", adapter=tmp_path)
    messages = volume_messages(pictures(2), "Is it bright?")
    with torch.inference_mode():
        expected = tuned.eval()(**standin.inputs(messages)).logits
        got = chat.model(**chat.inputs(messages)).logits
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="does not fit"):
        load_model(str(true_geometry), adapter=tmp_path)
    with pytest.raises(InputError, match="no adapter"):
        load_model("standin", adapter=tmp_path / "nothing")


def test_weights_that_are_missing_are_an_error_and_never_random(tmp_path: Path, capsys) -> None:
    def saved(name: str, change: Callable[[str], str | None]) -> str:
        shutil.copytree(hub.STANDIN_FOLDER, tmp_path / name)
        file = tmp_path / name / "model.safetensors"
        kept = {change(key): value for key, value in load_file(file).items() if change(key)}
        save_file(kept, file, {"format": "pt"})
        return str(tmp_path / name)

    lacking = saved("a layer less", lambda key: None if "language_model.model.layers.0." in key else key)
    tower = saved("a norm less", lambda key: None if "post_layernorm" in key else key)
    head = saved("half a merge", lambda key: key.replace("q_proj.weight", "q_proj.base_layer.weight"))
    wrapped = saved("a wrapper's names", lambda key: f"base_model.model.{key}")
    for folder, said in ((lacking, "missing"), (tower, "missing"), (head, "wrapper"), (wrapped, "wrapper")):
        with pytest.raises(InputError, match=said) as caught:
            load_model(folder, device="cpu")
        assert caught.value.path == folder and caught.value.remedy


def test_a_batch_halves_where_memory_runs_out_and_is_one_or_more(standin, monkeypatch) -> None:
    images, sizes = pictures(7), []
    expected = encode_images(standin.model, standin.processor.image_processor, images)
    encode = type(standin.model).get_image_features

    def little_memory(model, pixel_values, **settings):
        sizes.append(len(pixel_values))
        if len(pixel_values) > 2:
            raise torch.OutOfMemoryError("full")
        return encode(model, pixel_values=pixel_values, **settings)

    monkeypatch.setattr(type(standin.model), "get_image_features", little_memory)
    found = encode_images(standin.model, standin.processor.image_processor, images, batch_size=5)
    torch.testing.assert_close(found, expected)
    assert sizes == [5, 2, 2, 2, 1]
    for batch in (0, -3, True, 2.0):
        with pytest.raises(InputError, match=r"vision_batch is .*, which is not a whole number"):
            load_model("standin", vision_batch=batch)


@pytest.mark.parametrize(
    ("decoded", "answer", "thinking"),
    [
        ("Final Answer: yes", "Final Answer: yes", ""),
        ("<unused94>thought\nLook at it.<unused95>Final Answer: no", "Final Answer: no", "Look at it."),
        ("<unused94>thought\nstill thinking", "", "still thinking"),
        ("A.<unused94>x<unused95>B.", "A.B.", "x"),
    ],
)
def test_a_thinking_trace_goes_into_its_own_field(decoded: str, answer: str, thinking: str) -> None:
    assert split_thinking(decoded) == (answer, thinking)


def test_unknown_names_and_4_bit_on_a_cpu_are_refused() -> None:
    with pytest.raises(InputError, match=r"medgemma: There is no such model.*standin"):
        load_model("medgemma")
    with pytest.raises(InputError, match="CUDA"):
        load_model("standin", device="cpu", quantized=True)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{"),
        ("config.json", '{"model_type": "bert"}'),
        ("tokenizer.json", None),
        ("chat_template.jinja", None),
        ("model.safetensors", "cut"),
    ],
)
def test_a_damaged_folder_is_named(tmp_path: Path, file: str, content: str | None) -> None:
    shutil.copytree(hub.STANDIN_FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).unlink() if content is None else (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=r"cannot be loaded|missing") as caught:
        load_model(str(tmp_path))
    assert caught.value.path == str(tmp_path) and caught.value.remedy


def weights(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor | None]) -> None:
    kept = {k: change(k, v) for k, v in load_file(folder / "model.safetensors").items()}
    save_file({k: v for k, v in kept.items() if v is not None}, folder / "model.safetensors", {"format": "pt"})


def settings(folder: Path, part: str = "", **changed: object) -> None:
    content = json.loads((folder / "config.json").read_text("utf-8"))
    (content[part] if part else content).update(changed)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")


def index(content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors.index.json").write_text(content, encoding="utf-8")


ONE = "language_model.model.layers.0.self_attn.q_proj.weight"
WRONG = {
    "a list of files that is none": (index("{"), "list of the model's files"),
    "a list of files without files": (index("{}"), "list of the model's files"),
    "a file too few": (
        index(json.dumps({"weight_map": {"a": "model-2.safetensors"}})),
        "model-2.safetensors missing",
    ),
    "ends that cannot be read": (lambda f: (f / "generation_config.json").write_text("{"), "cannot be loaded"),
    "settings that are a list": (lambda f: (f / "config.json").write_text("[]"), "cannot be loaded"),
    "other sizes": (lambda f: weights(f, lambda k, v: v[:-1].clone() if k == ONE else v), "1 .* of other sizes"),
    "whole numbers": (lambda f: weights(f, lambda k, v: v.int() if k == ONE else v), "the type I32"),
    "8 bits": (
        lambda f: weights(f, lambda k, v: v.to(torch.float8_e4m3fn) if v.dim() == 2 else v),
        "the type F8_E4M3",
    ),
    "layers that the settings have not": (
        lambda f: settings(f, "text_config", num_hidden_layers=2, layer_types=["full_attention"] * 2),
        "layers that config.json does not list",
    ),
    "a head of its own that is not there": (
        lambda f: (settings(f, tie_word_embeddings=False), settings(f, "text_config", tie_word_embeddings=False)),
        "for example lm_head",
    ),
    "another image token": (lambda f: settings(f, image_token_id=5), "image token is"),
    "other tokens an image": (lambda f: settings(f, mm_tokens_per_image=4), "tokens an image is"),
    "fewer words than tokens": (
        lambda f: (
            weights(f, lambda k, v: v[:1500].clone() if "embed_tokens" in k else v),
            settings(f, "text_config", vocab_size=1500),
        ),
        "the model knows 1,500",
    ),
    "a package that is not here": (
        lambda f: settings(f, quantization_config={"quant_method": "gptq", "bits": 4}),
        "needs a package",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), WRONG.values(), ids=WRONG)
def test_a_model_that_is_not_what_its_files_say_is_one_error(tmp_path: Path, spoil, said: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(hub.STANDIN_FOLDER, folder)
    spoil(folder)
    with pytest.raises(InputError, match=said) as caught:
        load_model(str(folder), device="cpu")
    assert caught.value.path.startswith(str(folder)) and caught.value.remedy
