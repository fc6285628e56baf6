"""vLLM gets the prompt that transformers gets, and its answers are kept as those of transformers are.

A fake (`tests.fake_vllm`) stands for vLLM; the real one is asked in `tests.test_gpu`, where there is a GPU.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from helpers.__main__ import main
from helpers.answer_shards import read_shards
from helpers.cases import HELD_OUT, generate
from helpers.distributed import Worker
from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.hub import STANDIN, STANDIN_FOLDER
from helpers.models import ChatModel
from helpers.prompts import image_messages
from helpers.scores import Answer
from helpers.vllm_engine import VllmModel, load_engine, load_vllm
from tests.test_evaluation import Question

FAKE = Path(__file__).parent / "fake_vllm"


@pytest.fixture
def fake_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake, and a GPU that torch is told of."""
    monkeypatch.syspath_prepend(FAKE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.fixture
def in_vllm(fake_vllm: None) -> VllmModel:
    return load_vllm(STANDIN)


def answers(chat: Any, cases: list[Any], folder: Path) -> dict[str, Answer]:
    """By case, without what another engine has otherwise; p_yes to four digits."""
    run_evaluation(chat, cases, folder, max_new_tokens=40)
    kept = {a["id"]: a for a in read_answers(folder / "answers.jsonl")}
    other = ("seconds", "engine", "p_yes")
    return {
        name: {k: v for k, v in a.items() if k not in other} | {"p_yes": a["p_yes"] and round(a["p_yes"], 4)}
        for name, a in kept.items()
    }


def test_answers_are_those_of_transformers(in_vllm: VllmModel, standin: ChatModel, tmp_path: Path) -> None:
    cases = [*generate("ct", 4, HELD_OUT), *generate("text", 2, HELD_OUT)]
    found = answers(in_vllm, cases, tmp_path / "vllm")
    assert found == answers(standin, cases, tmp_path / "transformers")
    assert any(answer["p_yes"] is not None for answer in found.values())
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
    """The stand-in, saved as a model that is not known to be one."""
    folder = Path(shutil.copytree(STANDIN_FOLDER, tmp_path / "saved"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"is_standin": False}))
    return folder


def test_a_worker_on_ray_takes_it_by_itself(
    fake_vllm: None, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_actor_id=lambda: "a worker"))
    output, cases = str(tmp_path / "out"), ray.cloudpickle.dumps(generate("text", 2, HELD_OUT))
    about: dict[str, Any] = {"model": str(folder), "adapter": None, "name": "saved", "engine": None}
    worker = Worker(**about, gpus=0.5, limit=8, output=output)
    row = worker({"group": 0, "cases": cases, "drawn": False})
    assert not row["problem"] and {a["engine"] for a in read_shards(output)} == {"vllm 0 (a fake)"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    worker = Worker(**about | {"engine": "vllm"}, gpus=0, limit=8, output=output)
    assert "needs a CUDA GPU" in worker({"group": 1, "cases": cases, "drawn": False})["problem"]


def test_which_engine_is_taken(
    fake_vllm: None, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = load_engine(None, str(folder), gpu_share=0.5)
    assert found.engine.startswith("vllm") and found.llm.share == pytest.approx(0.45)
    assert load_engine(None, STANDIN).engine == "transformers"
    with pytest.raises(InputError, match="stand-in is not loaded into vLLM"):
        load_engine("vllm", STANDIN)
    with pytest.raises(InputError, match="adapter is not loaded into vLLM"):
        load_engine("vllm", str(folder), tmp_path)
    with pytest.raises(InputError, match="no engine 'tgi'"):
        load_engine("tgi")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_engine(None, str(folder)).engine == "transformers"
    words = ["evaluate", "--cases", "teaching:text", "--model", str(folder), "--output", str(tmp_path / "out")]
    assert main([*words, "--engine", "vllm"]) == 2 and not list(tmp_path.glob("out/*"))
    with pytest.raises(InputError, match="needs a CUDA GPU"):
        load_engine("vllm", str(folder))


def test_another_prompt_is_noticed(in_vllm: VllmModel, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = image_messages([], "What is an infarct?")
    generate_ = in_vllm.llm.generate

    def other(requests: Any, params: Any, use_tqdm: bool) -> Any:
        done = generate_(requests, params, use_tqdm)
        done[0].prompt_token_ids.insert(0, 2)
        return done

    assert in_vllm.generate(prompt, 4).text
    monkeypatch.setattr(in_vllm.llm, "generate", other)
    with pytest.raises(InputError, match="another prompt than transformers"):
        in_vllm.generate(prompt, 4)
