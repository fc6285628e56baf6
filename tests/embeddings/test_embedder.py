"""Embeddings: from each tower, cached by content, a folder to Parquet, and what a probe reads from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from transformers import SiglipConfig, SiglipModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from helpers.embeddings import (
    Embedder,
    drift,
    embed,
    embed_folder,
    load_embedder,
    pool,
    probe_curve,
    read_embeddings,
)
from helpers.errors import InputError
from helpers.models import MEDSIGLIP
from helpers.teaching import teaching_volume
from helpers.teaching.findings import HYPOXIA
from helpers.volumes import ct_to_rgb, read_volume


def pictures(n: int, side: int = 64, seed: int = 0) -> list[Image.Image]:
    values = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)
    return [Image.fromarray(v) for v in values]


@pytest.fixture(scope="module")
def embedder(standin) -> Embedder:
    return load_embedder(standin)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SigLIP of MedSigLIP's classes, small, random, without its tokenizer."""
    folder = tmp_path_factory.mktemp("siglip")
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**small, "image_size": 56, "patch_size": 14}
    torch.manual_seed(0)
    SiglipModel(SiglipConfig(text_config={**small, "vocab_size": 100}, vision_config=vision)).save_pretrained(
        folder
    )
    SiglipImageProcessorPil(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder


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


def test_what_has_no_tower_or_no_images_is_refused(embedder) -> None:
    with pytest.raises(InputError, match="no embeddings"):
        load_embedder("endpoint:https://host.example/v1#name")
    with pytest.raises(InputError, match="no images"):
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images and one file that is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    for k, image in enumerate(pictures(5)):
        image.save(folder / f"{k}.png")
    (folder / "2b.png").write_text("no image")
    return folder


def test_a_folder_becomes_parquet_and_a_bad_file_is_noted(embedder, folder: Path, tmp_path: Path) -> None:
    table = embed_folder(embedder, folder, tmp_path / "table", kind="image", every=2)
    assert table.paths == [f"{k}.png" for k in range(5)]
    np.testing.assert_allclose(table.vectors, embed(embedder, pictures(5)).parts, rtol=1e-5)
    assert table.failed.keys() == {"2b.png"} and "no image" in table.failed["2b.png"]
    frame = pd.read_parquet(tmp_path / "table")  # the folder, as others read it
    assert list(frame["path"]) == table.paths and list(frame["images"]) == [1] * 5
    np.testing.assert_array_equal(np.stack(frame["vector"]), table.vectors)


def test_a_run_that_was_stopped_goes_on(embedder, folder: Path, tmp_path: Path, monkeypatch) -> None:
    output, encode, stop_after, seen = tmp_path / "table", Embedder.encode, [3], []

    def stopping(self, images, batch_size=8):
        if len(seen) in stop_after:
            raise KeyboardInterrupt
        seen.append(images)
        return encode(self, images, batch_size)

    monkeypatch.setattr(Embedder, "encode", stopping)
    with pytest.raises(KeyboardInterrupt):
        embed_folder(embedder, folder, output, kind="image", every=2)
    (output / ".part-00009.parquet.1.partial").write_bytes(b"half")  # of a run that was killed while it wrote
    kept = {path.name: path.read_bytes() for path in output.glob("part-*")}
    assert len(read_embeddings(output).paths) == 3

    seen.clear()
    stop_after.clear()
    pictures(1, seed=3)[0].save(folder / "2b.png")  # put right
    pictures(1, seed=4)[0].save(folder / "9.png")  # and one more
    table = embed_folder(embedder, folder, output, kind="image", every=2)
    assert len(seen) == 4  # two more, the one put right, and the new one
    assert kept.items() <= {path.name: path.read_bytes() for path in output.glob("part-*")}.items()
    assert sorted(table.paths) == ["0.png", "1.png", "2.png", "2b.png", "3.png", "4.png", "9.png"]
    assert table.failed == json.loads((output / "_failed.json").read_text()) == {}


def test_a_table_of_something_else_is_not_added_to(embedder, siglip, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "table"
    embed_folder(embedder, folder, output, kind="image")
    with pytest.raises(InputError, match="made with model"):
        embed_folder(load_embedder(str(siglip), device="cpu"), folder, output, kind="image")
    with pytest.raises(InputError, match="made with limit None, not 5"):
        embed_folder(embedder, folder, output, kind="image", limit=5)
    pictures(1, side=32)[0].save(folder / "0.png")
    with pytest.raises(InputError, match=r"0\.png: This was changed"):
        embed_folder(embedder, folder, output, kind="image")
    with pytest.raises(InputError, match="no table"):
        read_embeddings(tmp_path)


def test_a_probe_reads_a_finding_from_vectors_and_nothing_from_shuffled_labels(embedder) -> None:
    volumes = [teaching_volume("ct-hypoxia", number) for number in range(300_000, 300_030)]
    vectors = np.stack([embed(embedder, ct_to_rgb(made.volume, made.chosen)).vector for made in volumes])
    labels = [HYPOXIA in made.findings for made in volumes]
    few, many = probe_curve(vectors, labels, sizes=[4, 18])
    assert np.mean(many.probe) > np.mean(many.majority) + 0.2
    assert np.mean(many.probe) >= np.mean(few.probe) - 0.05
    assert abs(np.mean(many.shuffled) - 0.5) < 0.15


def test_a_patient_is_never_on_both_sides_of_a_probe() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(30), 4)
    vectors = np.repeat(rng.normal(size=(30, 64)), 4, axis=0)  # tell the patient, and nothing of the label
    labels = np.repeat(rng.integers(2, size=30), 4)
    leaking = probe_curve(vectors, labels, sizes=[70])[0]
    honest = probe_curve(vectors, labels, patients, sizes=[70])[0]
    assert np.mean(leaking.probe) > 0.9
    assert abs(np.mean(honest.probe) - 0.5) < 0.2
    with pytest.raises(InputError, match="left to learn from"):
        probe_curve(vectors, labels, patients, sizes=[100])
    with pytest.raises(InputError, match="same"):
        probe_curve(vectors, [1] * 120, sizes=[10])


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


def test_drift_is_seen_between_sites_and_not_within_one() -> None:
    rng = np.random.default_rng(0)
    one, same, shifted = rng.normal(size=(40, 32)), rng.normal(size=(30, 32)), rng.normal(0.5, 1, size=(30, 32))
    assert drift(one, same).p_value > 0.05
    moved = drift(one, shifted)
    assert moved.p_value == 0.001 and moved.distance > moved.usual
    p_values = [drift(*rng.normal(size=(2, 12, 8)), permutations=99, seed=k).p_value for k in range(40)]
    assert 0.3 < np.mean(p_values) < 0.7  # a true p-value is uniform where nothing differs
    with pytest.raises(InputError, match="cannot be compared"):
        drift(one, one[:, :5])
