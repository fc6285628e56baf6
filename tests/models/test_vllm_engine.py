"""vLLM gets the prompt that transformers gets, and its answers are kept as those of transformers are.

A fake (`tests.models.fake_vllm`) stands for vLLM; the real one is asked in `tests.test_gpu`, where there is a GPU.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from helpers.cli import main
from helpers.errors import InputError
from helpers.evaluation import Answer, evaluate_on_ray, read_answers, read_shards, run_evaluation
from helpers.evaluation.kept_answers import Asking
from helpers.evaluation.on_ray import Worker, _row
from helpers.models import STANDIN, STANDIN_FOLDER, VISION_BATCH, ChatModel, VllmModel, load_engine
from helpers.models.server import best_kind
from helpers.models.vllm_engine import load_vllm
from helpers.prompts import image_messages
from helpers.teaching import HELD_OUT, generate
from tests.evaluation.test_run import Question

FAKE = Path(__file__).parent / "fake_vllm"


@pytest.fixture
def fake_vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The fake, and a GPU that torch is told of; other models stay on the CPU."""
    monkeypatch.syspath_prepend(FAKE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (8, 0))
    monkeypatch.setattr("helpers.models.loading.best_device", lambda: "cpu")
    yield importlib.import_module("vllm")
    del sys.modules["vllm"]


@pytest.fixture
def in_vllm(fake_vllm: Any) -> VllmModel:
    return load_vllm(STANDIN)


def answers(chat: Any, cases: list[Any], folder: Path) -> dict[str, Answer]:
    """By case, without what another engine has otherwise; likelihoods equal those that are near."""
    run_evaluation(chat, cases, folder, max_new_tokens=40)
    kept = {a["id"]: a for a in read_answers(folder / "answers.jsonl")}
    likely = ("p_yes", "yes_no_mass", "p_yes_direct", "yes_no_mass_direct")
    other = ("seconds", "engine", "key")  # the key stands for the weights too, which each engine holds in its way
    return {
        name: {k: pytest.approx(v, abs=2e-4) if k in likely else v for k, v in a.items() if k not in other}
        for name, a in kept.items()
    }


def test_answers_are_those_of_transformers(in_vllm: VllmModel, standin: ChatModel, tmp_path: Path) -> None:
    cases = [*generate("ct", 4, HELD_OUT), *generate("text", 2, HELD_OUT)]
    run_evaluation(in_vllm, cases, tmp_path / "vllm", max_new_tokens=40)
    found = {a["id"]: a for a in read_answers(tmp_path / "vllm" / "answers.jsonl")}
    for name, answer in answers(standin, cases, tmp_path / "transformers").items():
        assert {k: found[name][k] for k in answer} == answer
    assert any(answer["p_yes"] is not None and answer["yes_no_mass"] > 0.5 for answer in found.values())
    engines = {a["engine"] for a in read_answers(tmp_path / "vllm" / "answers.jsonl")}
    assert engines == {"vllm 0 (a fake)"} and in_vllm.is_standin
    assert {a["engine"] for a in read_answers(tmp_path / "transformers" / "answers.jsonl")} == {"transformers"}


def test_a_prompt_over_the_budget_fails_alone(in_vllm: VllmModel, tmp_path: Path) -> None:
    long = image_messages([], "word " * 40_000)
    cases = [Question("short", image_messages([], "What is an infarct?")), Question("long", long)]
    assert run_evaluation(in_vllm, cases, tmp_path, max_new_tokens=8)["failed"] == 1
    found = {a["id"]: a for a in read_answers(tmp_path / "answers.jsonl")}
    assert "error" not in found["short"] and "over the budget" in found["long"]["error"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The stand-in as a model that is not known to be one."""
    folder = Path(shutil.copytree(STANDIN_FOLDER, tmp_path / "saved"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"is_standin": False}))
    return folder


def test_which_engine_is_taken(
    fake_vllm: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_engine(None, str(folder)).engine.startswith("vllm")
    for name in (STANDIN, str(STANDIN_FOLDER)):
        assert load_engine(None, name).engine == "transformers"
        with pytest.raises(InputError, match="does not load the stand-in into vLLM"):
            load_engine("vllm", name)
    with pytest.raises(
        InputError, match=f"does not load adapters.*merge --model {folder} --adapter {tmp_path} --o"
    ):
        load_engine("vllm", str(folder), tmp_path)
    with pytest.raises(InputError, match=r"its own batches of images. Leave out vision_batch \(--vision-batch"):
        load_engine("vllm", str(folder), vision_batch=2)
    taken = load_engine(None, str(folder), vision_batch=2)  # as only transformers can
    assert (taken.engine, taken.vision_batch) == ("transformers", 2)
    with pytest.raises(InputError, match="'tgi' is not an engine"):
        load_engine("tgi", str(folder))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (7, 5))
    assert best_kind("google/medgemma-1.5-4b-it") == "transformers"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert best_kind(str(folder)) == "transformers"
    with pytest.raises(InputError, match="needs a CUDA GPU"):
        load_engine("vllm", str(folder))


def test_the_command_line_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--cases", "teaching:text", "--engine", "vllm", "--output", str(tmp_path / "out")]
    for model, said in (
        ("standin", "load the stand-in"),
        ("endpoint:http://127.0.0.1:1/v1#m", "chooses the engine itself"),
    ):
        assert main([*words, "--model", model]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(InputError, match=r"vLLM needs a whole GPU for each worker, not 0.5"):
        evaluate_on_ray("m", [], tmp_path, engine="vllm", gpus_per_worker=0.5)
    for ray in ([], ["--ray"]):  # told before a cluster is started
        assert main([*words, "--model", "m/m", "--vision-batch", "2", *ray]) == 2
        assert "m/m: vLLM makes its own batches" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("gpus", "batch", "engine"),
    [
        (1.0, VISION_BATCH, "vllm 0 (a fake)"),
        (1.0, 2, "transformers"),
        (0.5, VISION_BATCH, "transformers"),
        (0, 3, "transformers"),
    ],
)
def test_a_worker_on_ray_takes_it_with_a_whole_gpu(
    gpus: float,
    batch: int,
    engine: str,
    fake_vllm: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_actor_id=lambda: "a worker"))
    output, cases = str(tmp_path / "out"), generate("text", 2, HELD_OUT)
    asking = Asking({"name": "saved"}, 8)
    worker = Worker(
        model=str(folder),
        adapter=None,
        name="saved",
        engine=None,
        context=None,
        vision_batch=batch,
        gpus=gpus,
        asking=asking,
        output=output,
    )
    row = worker(_row(ray, 0, cases))
    assert getattr(worker.chat, "vision_batch", VISION_BATCH) == batch
    assert not row["problem"] and {a["engine"] for a in read_shards(output)} == {engine}


def test_a_vllm_that_cannot_be_used_says_why(
    fake_vllm: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneWay(fake_vllm.LLM):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            self.llm_engine.model_config.is_mm_prefix_lm = False

    class Other(fake_vllm.LLM):
        def generate(self, *args: Any, **settings: Any) -> Any:
            done = super().generate(*args, **settings)
            done[0].prompt_token_ids.insert(0, 2)
            return done

    class Full(fake_vllm.LLM):
        def __init__(self, *args: Any, **settings: Any) -> None:
            raise ValueError("no memory for keys and values")

    reasons = {
        OneWay: "attend only to earlier tokens",
        Other: "not give the model the same prompt",
        Full: "did not start .no memory",
    }
    for engine, said in reasons.items():
        monkeypatch.setattr(fake_vllm, "LLM", engine)
        with pytest.raises(InputError, match=said):
            load_vllm(str(folder))
