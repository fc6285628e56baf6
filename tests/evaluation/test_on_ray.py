"""Many workers answer as one process does, and whatever is killed, nothing is lost and nothing asked twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from helpers.cli import main
from helpers.errors import InputError
from helpers.evaluation import (
    Answer,
    evaluate_on_ray,
    on_ray as distributed,
    read_answers,
    read_shards,
    run_evaluation,
)
from helpers.evaluation.likelihood import UNKNOWN
from helpers.models import ChatModel
from helpers.parallel import Killed, ray_cluster, ray_map
from helpers.parallel.cluster import TRIES
from helpers.preparing import prepare
from helpers.prompts import Message, image_messages
from helpers.reports import write_report

pytest.importorskip("ray")
ROOT = Path(__file__).resolve().parents[2]
OF_THIS_RUN = {"seconds", "worker", "began", "ended", "key"}  # here the key has the weights in memory
TOKENS = 12


@dataclass(frozen=True)
class Noted:
    """A question about a picture that its group shares. Each time it is drawn, and so asked, it notes its name."""

    id: str
    group: str
    log: Path
    pause: float = 0.0
    fatal: Path | None = None  # while this file is there, who draws the prompt dies
    kind: str = "image"
    condition: str = "this kind or not"
    options: tuple[str, ...] = ("yes", "no")
    truth: str = "yes"

    @property
    def state(self) -> str:
        return self.id  # all that the prompt is made of

    @property
    def messages(self) -> list[Message]:
        with self.log.open("a") as log:
            log.write(f"{self.id}\n")
        time.sleep(self.pause)
        if self.fatal is not None and self.fatal.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if self.id.endswith("unreadable"):
            raise OSError("slice 7 cannot be read")
        pixels = np.random.default_rng(sum(self.group.encode())).integers(0, 255, (64, 64, 3), np.uint8)
        question = f'Is this a {self.id}? End with "Final Answer: yes" or "Final Answer: no".'
        return image_messages([Image.fromarray(pixels)], question)


def noted(folder: Path, groups: int = 5, each: int = 2, **settings: Any) -> list[Noted]:
    return [Noted(f"g{g}-q{q}", f"g{g}", folder / "log", **settings) for g in range(groups) for q in range(each)]


def asked(folder: Path) -> Counter[str]:
    log = folder / "log"
    return Counter(log.read_text().split() if log.exists() else [])


def comparable(answers: list[Answer]) -> dict[str, Answer]:
    """By case, without what another run would have otherwise; likelihoods to four digits, as cores differ."""
    kept = [{name: value for name, value in a.items() if name not in OF_THIS_RUN} for a in answers]
    return {a["id"]: a | {k: v and round(v, 4) for k, v in a.items() if k in UNKNOWN} for a in kept}


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in process.children(recursive=True):
        try:
            if child.cmdline()[:1] and child.cmdline()[0].startswith("ray::MapWorker"):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def evaluate_in_a_process(folder: Path) -> None:
    """What the run does whose driver is killed."""
    with ray_cluster(num_cpus=1):
        evaluate_on_ray("standin", noted(folder, pause=0.4), folder / "out", max_new_tokens=TOKENS)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Of two cores, and one GPU that Ray is told of, so that what is done for GPUs is done."""
    with ray_cluster(num_cpus=2, num_gpus=1) as ray:
        yield ray


@pytest.fixture
def alone(standin: ChatModel, tmp_path: Path) -> Callable[[list[Noted]], dict[str, Answer]]:
    """Answers of a single process."""

    def ask(cases: list[Noted]) -> dict[str, Answer]:
        (tmp_path / "alone").mkdir(exist_ok=True)
        quick = [replace(case, log=tmp_path / "alone" / "log", pause=0.0) for case in cases]
        run_evaluation(standin, quick, tmp_path / "alone", max_new_tokens=TOKENS)
        return comparable(read_answers(tmp_path / "alone" / "answers.jsonl"))

    return ask


def test_many_workers_answer_as_one_process_does(cluster: Any, alone: Any, tmp_path: Path) -> None:
    cases = [*noted(tmp_path, groups=3, each=3), Noted("unreadable", "g0", tmp_path / "log")]
    output = tmp_path / "out"
    scores = evaluate_on_ray("standin", cases, output, gpus_per_worker=1, max_new_tokens=TOKENS)
    assert comparable(read_shards(str(output))) == alone(cases)
    assert (scores["answers"], scores["failed"]) == (9, 1)
    assert (output / "scores.json").read_bytes() == (tmp_path / "alone" / "scores.json").read_bytes()
    assert len(list((output / "answers").iterdir())) == 3  # a file a group, and nothing else
    report = write_report([tmp_path / "alone", output], tmp_path)[0].read_text()
    assert report.count("| alone | standin | 9 | 1 |") == report.count("| out | standin | 9 | 1 |") == 1

    # Nothing to ask, and no worker is made.
    assert evaluate_on_ray("standin", cases[:9], output, max_new_tokens=TOKENS)["answers"] == 9
    assert asked(tmp_path) == Counter(case.id for case in cases)
    with pytest.raises(InputError, match=r"answers of standin, not of standin\+tuned"):
        evaluate_on_ray("standin", cases, output, adapter="tuned")
    evaluate_on_ray("standin", [replace(cases[3], truth="no")], output, max_new_tokens=TOKENS)
    assert [answer["truth"] for answer in read_shards(str(output))] == ["no"]
    assert asked(tmp_path) == Counter(case.id for case in cases)
    with pytest.raises(InputError, match="run on Ray"):
        run_evaluation(None, cases, output)
    with pytest.raises(InputError, match="run without Ray"):
        evaluate_on_ray("standin", cases, tmp_path / "alone")


def test_a_killed_worker_costs_what_it_was_at(cluster: Any, alone: Any, tmp_path: Path) -> None:
    cases = noted(tmp_path, pause=0.3)

    def kill_one() -> None:
        wait_for(lambda: asked(tmp_path).total() >= 4)
        workers_of(psutil.Process())[0].kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    evaluate_on_ray("standin", cases, tmp_path / "out", workers=2, gpus_per_worker=0, max_new_tokens=TOKENS)
    killer.join()
    assert comparable(read_shards(str(tmp_path / "out"))) == alone(cases)
    twice = [name for name, times in asked(tmp_path).items() if times > 1]
    assert len({name[:2] for name in twice}) <= 1 and max(asked(tmp_path).values()) <= 2


def test_a_killed_run_is_gone_on_with(cluster: Any, alone: Any, tmp_path: Path) -> None:
    code = f"from tests.evaluation.test_on_ray import *; evaluate_in_a_process(Path({str(tmp_path)!r}))"
    run = psutil.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    shards = tmp_path / "out" / "answers"
    wait_for(lambda: shards.is_dir() and any(shards.glob("part-*")))
    its_own = [run, *workers_of(run)]
    run.kill()
    assert len(its_own) == 2 and not psutil.wait_procs(its_own, timeout=60)[1]  # workers end with it
    answered, before = {a["id"] for a in read_shards(str(tmp_path / "out"))}, asked(tmp_path)
    cases = noted(tmp_path)
    assert 0 < len(answered) < len(cases)
    evaluate_on_ray("standin", cases, tmp_path / "out", workers=1, gpus_per_worker=0, max_new_tokens=TOKENS)
    assert comparable(read_shards(str(tmp_path / "out"))) == alone(cases)
    assert asked(tmp_path) - before == Counter(case.id for case in cases if case.id not in answered)


def test_what_kills_every_worker_is_noted_and_asked_again(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "ROUNDS", 1)
    monkeypatch.setattr(distributed, "TRIES", 1)
    cases = noted(tmp_path, groups=3)
    fatal = tmp_path / "fatal"
    fatal.touch()
    cases[0] = replace(cases[0], fatal=fatal)
    settings: dict[str, Any] = {"workers": 2, "gpus_per_worker": 0, "max_new_tokens": TOKENS}
    found = evaluate_on_ray("standin", cases, tmp_path / "out", **settings)
    assert (found["answers"], found["failed"]) == (4, 2)
    errors = {a["id"]: a["error"] for a in read_shards(str(tmp_path / "out")) if "error" in a}
    assert set(errors) == {"g0-q0", "g0-q1"} and "WorkerDied" in errors["g0-q1"]
    fatal.unlink()
    before = asked(tmp_path)
    found = evaluate_on_ray("standin", cases, tmp_path / "out", **settings)
    assert (found["answers"], found["failed"]) == (6, 0)
    assert asked(tmp_path) - before == Counter(["g0-q0", "g0-q1"])


def test_a_run_that_cannot_work_says_why(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = noted(tmp_path, groups=1)
    with pytest.raises(InputError, match="There is no such model"):
        evaluate_on_ray("no-model", cases, tmp_path / "out", gpus_per_worker=0, workers=1)
    with pytest.raises(InputError, match="The cluster has no GPU"):
        evaluate_on_ray("standin", cases, tmp_path / "out", gpus_per_worker=8)
    with pytest.raises(InputError, match="A served model runs on its server"):
        evaluate_on_ray("endpoint:http://127.0.0.1:1/v1#m", cases, tmp_path / "out")
    with pytest.raises(InputError, match="number of workers is 0"):
        evaluate_on_ray("standin", cases, tmp_path / "out", workers=0)
    with pytest.raises(InputError, match="ray job submit"):
        evaluate_on_ray("standin", cases, tmp_path / "out", address="ray://127.0.0.1:10001")
    with pytest.raises(InputError, match="cannot be opened"):
        evaluate_on_ray("standin", cases, "nowhere://out")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"medgemma-tutorials\[ray\]"):
        evaluate_on_ray("standin", cases, tmp_path / "out")
    assert not asked(tmp_path)


def test_ray_map_is_map_with_few_on_their_way(cluster: Any, tmp_path: Path) -> None:
    taken: list[int] = []
    log = tmp_path / "log"

    def sources() -> Iterator[int]:
        for number in range(12):
            taken.append(number)
            yield number

    def square(number: int) -> int:
        with log.open("a") as stream:
            stream.write(f"{number}\n")
        if number == 5 and log.read_text().split().count("5") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 100:
            raise InputError("A hundred is too much.", path="hundred")
        if number == 101:
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2

    found = []
    for result in ray_map(workers=2)(square, sources()):
        found.append(result)
        assert len(taken) <= len(found) + 2
    assert sorted(found) == [number**2 for number in range(12)]
    assert asked(tmp_path)["5"] == 2
    with pytest.raises(InputError, match=r"^hundred: A hundred is too much"):
        list(ray_map()(square, [100]))
    assert sorted(ray_map(lost=lambda number: -number)(square, [2, 101])) == [-101, 4]
    assert asked(tmp_path)["101"] == TRIES


def test_the_command_of_the_kuberay_file_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / "helpers" / "configs" / "kuberay.yaml").read_text())["spec"]
    program, *words = job["entrypoint"].split()
    assert program == "medgemma-tutorials"
    words[words.index("--cases") + 1] = "teaching:text"
    called: dict[str, Any] = {}
    scores = {"model": "m", "answers": 1, "failed": 0, "unparsable": None, "kinds": {}, "conditions": {}}
    monkeypatch.setattr("helpers.evaluation.evaluate_on_ray", lambda *a, **k: called.update(k) or scores)
    assert main(words) == 0
    workers = job["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"]
    assert (called["address"], called["workers"], called["adapter"]) == ("auto", workers, None)
    assert called["engine"] is None and main([*words, "--engine", "transformers", "--vision-batch", "2"]) == 0
    assert (called["engine"], called["vision_batch"]) == ("transformers", 2)
    assert main([*words[:1], "--cases", "teaching:text", "--output", str(tmp_path), "--workers", "2"]) == 2


def test_the_modules_wait_with_ray_and_parquet_until_they_are_needed() -> None:
    code = (
        "import sys, helpers.parallel.cluster, helpers.evaluation.on_ray;"
        "from helpers.cli.command_line import command_parsers; command_parsers()[0].format_help();"
        "print({'ray', 'pyarrow', 'fsspec', 'torch'} & set(sys.modules) or 'light')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "light", run.stderr


def test_preparing_on_ray_gives_the_same_shards(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for k in range(4):
        Image.new("RGB", (30, 20), (60 * k, 0, 0)).save(tmp_path / "images" / f"{k}.png")
    (tmp_path / "images" / "broken.png").write_bytes(b"no picture")
    ways = {"one": map, "many": ray_map(workers=2, lost=Killed)}
    held = {}
    for name, mapped in ways.items():
        done = prepare(tmp_path / "images", tmp_path / name, mapped=mapped)
        assert (done.prepared, done.quarantined) == (4, 1)
        held[name] = {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*.parquet")}
    assert held["one"] == held["many"]
