"""Embeddings: from each tower, cached by content, a folder to Parquet, and what a probe reads from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, SiglipModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from helpers.embeddings import Embedder, embed, load_embedder, pool
from helpers.errors import InputError
from helpers.models import MEDSIGLIP, STANDIN_FOLDER, load_model
from helpers.volumes import ct_to_rgb, read_volume
from tests.embeddings.conftest import pictures


def test_an_image_is_the_mean_and_the_maximum_of_its_patches(standin, embedder) -> None:
    images = pictures(5)
    pixels = standin.processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        patches = standin.model.get_image_features(pixel_values=pixels, return_dict=True).last_hidden_state
    expected = torch.cat([patches.mean(1), patches.amax(1)], dim=1).numpy()
    found = embed(embedder, images, batch_size=2)
    assert found.parts.dtype == found.vector.dtype == np.float32
    assert found.parts.shape == (5, embedder.width) == (5, 256)
    np.testing.assert_allclose(found.parts, expected, rtol=1e-4, atol=1e-4)
    whole = torch.cat([patches.flatten(0, 1).mean(0), patches.flatten(0, 1).amax(0)]).numpy()
    np.testing.assert_allclose(found.vector, whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(embed(embedder, images[0]).vector, found.parts[0])


def test_a_volume_is_embedded_as_its_prompt_shows_it(embedder, head_ct: Path) -> None:
    volume = read_volume(head_ct)
    found = embed(embedder, volume, limit=5)
    np.testing.assert_array_equal(found.parts, embed(embedder, ct_to_rgb(volume, [0, 27, 54, 80, 107])).parts)


def test_medsiglip_is_loaded_with_its_own_head(siglip: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    # As a download would find it; the download and its checks are those of every model (test_models).
    monkeypatch.setattr("helpers.models.hub.cached_model", {MEDSIGLIP: siglip}.get)
    embedder = load_embedder(MEDSIGLIP, device="cpu")
    assert f"{MEDSIGLIP}: a vision tower" in capsys.readouterr().out
    assert not embedder.is_standin
    images = pictures(3)
    pixels = SiglipImageProcessorPil.from_pretrained(siglip)(images=images, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        whole = SiglipModel.from_pretrained(siglip).eval().get_image_features(pixel_values=pixels).pooler_output
    np.testing.assert_allclose(embed(embedder, images).parts[:, :32], whole.numpy(), rtol=1e-4, atol=1e-5)


def test_medsiglip_out_of_reach_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.models.hub.cached_model", lambda name: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=rf"{MEDSIGLIP}: The connection") as caught:
        load_embedder(MEDSIGLIP, device="cpu")
    assert "standin" in caught.value.remedy


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_damaged_siglip_is_named(siglip: Path, tmp_path: Path, file: str) -> None:
    for path in siglip.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[: len(content) // 2] if path.name == file else content)
    with pytest.raises(InputError, match=r"cannot be loaded|missing") as caught:
        load_embedder(str(tmp_path), device="cpu")
    assert caught.value.path == str(tmp_path) and caught.value.remedy


def test_missing_weights_of_a_siglip_are_an_error(siglip: Path, tmp_path: Path) -> None:
    shutil.copytree(siglip, tmp_path, dirs_exist_ok=True)
    kept = {k: v for k, v in load_file(tmp_path / "model.safetensors").items() if "post_layernorm" not in k}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="missing in its files"):
        load_embedder(str(tmp_path), device="cpu")


def test_an_adapter_of_the_tower_changes_embeddings_and_another_is_refused(
    standin, siglip, tmp_path: Path
) -> None:
    paths = {name: tmp_path / name for name in ("vision_tower", "language_model")}
    for name, path in paths.items():
        base = AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.float32)
        config = LoraConfig(r=2, target_modules=rf".*{name}.*\.q_proj", init_lora_weights=False)
        get_peft_model(base, config).save_pretrained(path)
    adapted = load_embedder("standin", adapter=paths["vision_tower"], device="cpu")
    assert adapted.name == "standin+vision_tower" and adapted.key != load_embedder(standin).key
    beside = load_model("standin", adapter=paths["vision_tower"], merge=False, device="cpu")
    expected = embed(load_embedder(beside), pictures(2)).parts
    np.testing.assert_allclose(embed(adapted, pictures(2)).parts, expected, rtol=1e-4, atol=1e-4)
    assert abs(expected - embed(load_embedder(standin), pictures(2)).parts).max() > 0.01
    with pytest.raises(InputError, match="does not change the vision tower"):
        load_embedder("standin", adapter=paths["language_model"], device="cpu")
    with pytest.raises(InputError, match="loaded already"):
        load_embedder(standin, adapter=paths["vision_tower"])
    with pytest.raises(InputError, match="cannot load an adapter of a SigLIP"):
        load_embedder(str(siglip), adapter=paths["vision_tower"], device="cpu")


def test_a_batch_halves_where_memory_runs_out(embedder, monkeypatch) -> None:
    images, tower = pictures(5), type(embedder.tower)
    expected, forward, limit = embedder.encode(images), tower.forward, 2

    def little_memory(self, pixel_values, **settings):
        if len(pixel_values) > limit:
            raise torch.OutOfMemoryError("full")
        return forward(self, pixel_values=pixel_values, **settings)

    monkeypatch.setattr(tower, "forward", little_memory)
    np.testing.assert_allclose(embedder.encode(images), expected, rtol=1e-5, atol=1e-5)
    limit = 0
    with pytest.raises(InputError, match="not have enough memory for one image"):
        embedder.encode(images)
    with pytest.raises(InputError, match="vision_batch is 0, which is not a whole number"):
        load_embedder("standin", vision_batch=0)


def test_what_has_no_tower_or_no_images_is_refused(embedder) -> None:
    with pytest.raises(InputError, match="not embeddings"):
        load_embedder("endpoint:https://host.example/v1#name")
    with pytest.raises(InputError, match="The list of images is empty"):
        embed(embedder, [])
    with pytest.raises(InputError, match="limit"):
        embed(embedder, pictures(2), limit=1)


def test_the_cache_goes_by_pixels_and_tower(embedder, siglip: Path, tmp_path: Path, monkeypatch) -> None:
    first = embed(embedder, pictures(2), cache=tmp_path)
    other = embed(load_embedder(str(siglip), device="cpu"), pictures(2), cache=tmp_path)
    assert other.parts.shape != first.parts.shape
    monkeypatch.setattr(Embedder, "encode", lambda *_: pytest.fail("encoded again"))
    np.testing.assert_array_equal(embed(embedder, pictures(2), cache=tmp_path).parts, first.parts)
    with pytest.raises(pytest.fail.Exception, match="encoded again"):
        embed(embedder, pictures(2, seed=1), cache=tmp_path)


def test_the_maximum_keeps_a_patch_that_the_mean_loses() -> None:
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(2000, 8))  # of a slice
    with_finding = patches.copy()
    with_finding[:3, 5] += 8
    plain, found = (np.concatenate([v.mean(0), v.max(0)])[None] for v in (patches, with_finding))
    slices = rng.normal(size=(20, 8))
    others = np.concatenate([slices * 0.02, slices * 0.1 + plain[0, 8:]], axis=1)
    change = pool(np.concatenate([others, found])) - pool(np.concatenate([others, plain]))
    assert abs(change[:8]).max() < 0.01 and change[8 + 5] > 4
