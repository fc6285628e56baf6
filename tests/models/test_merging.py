"""A model and its adapter as one whole model: the same answers, all or nothing on the disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForImageTextToText

from helpers.cli import main
from helpers.errors import InputError
from helpers.models import STANDIN_FOLDER, load_model, merge, merging
from helpers.models.adapters import folder_fingerprint
from helpers.prompts import image_messages
from tests.models.test_loading import pictures

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "staining"
    model = AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.float32)
    torch.manual_seed(0)
    layers = r".*language_model.*\.(q_proj|v_proj)"
    peft.get_peft_model(
        model, peft.LoraConfig(r=4, target_modules=layers, init_lora_weights=False)
    ).save_pretrained(folder)
    return folder


def test_a_merged_folder_answers_as_the_model_with_its_adapter(adapter: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "runs" / "whole"
    assert main(["merge", "--adapter", str(adapter), "--output", str(output)]) == 0
    assert f"MODEL: {output}" in capsys.readouterr().out
    together = load_model("standin", adapter=adapter, device="cpu")
    whole = load_model(str(output), device="cpu")
    assert whole.is_standin
    for k in range(3):
        messages = image_messages(pictures(1, seed=k), "What is it?")
        assert whole.generate(messages, 20).text == together.generate(messages, 20).text
    record = json.loads((output / "training.json").read_text(encoding="utf-8"))["merged"]
    assert (record["base"], record["adapter"]) == ("standin", "staining") and len(record["adapter_sha256"]) == 64
    assert str(tmp_path) not in "".join(path.read_text("utf-8") for path in output.glob("*.json"))
    assert list(output.parent.iterdir()) == [output]  # nothing half-written beside it


def test_an_adapter_of_a_merged_model_is_not_one_of_its_base(adapter: Path, tmp_path: Path) -> None:
    whole = merge("standin", adapter, tmp_path / "whole")
    second = tmp_path / "second"
    shutil.copytree(adapter, second)
    record = {"base": "standin+staining", "base_fingerprint": folder_fingerprint(whole)}
    (second / "training.json").write_text(json.dumps(record), encoding="utf-8")
    assert load_model(str(whole), adapter=second, device="cpu").name == f"{whole}+second"
    with pytest.raises(InputError, match=r"\(standin\+staining\) with medgemma-tutorials merge"):
        load_model("standin", adapter=second, device="cpu")


def test_what_cannot_be_merged_is_refused_and_leaves_nothing(adapter: Path, tmp_path: Path, monkeypatch) -> None:
    output = tmp_path / "whole"
    with pytest.raises(InputError, match="something here already"):
        merge("standin", adapter, adapter)
    with pytest.raises(InputError, match="served model"):
        merge("endpoint:http://127.0.0.1:9/v1#m", adapter, output)
    with pytest.raises(InputError, match="no adapter"):
        merge("standin", tmp_path, output)
    biased = tmp_path / "biased"
    model = AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.float32)
    peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"], lora_bias=True)).save_pretrained(
        biased
    )
    with pytest.raises(InputError, match="biases"):
        merge("standin", biased, output)
    assert type(load_model("standin", adapter=biased, device="cpu").model).__name__ == "PeftModelForCausalLM"
    monkeypatch.setattr(merging.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(InputError, match=r"needs about 0\.0 GB"):
        merge("standin", adapter, output)
    monkeypatch.undo()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.processing_utils.ProcessorMixin.save_pretrained", full)
    with pytest.raises(InputError, match="No space left"):
        merge("standin", adapter, output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["biased"]
