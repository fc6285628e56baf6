"""Kill workers and whole runs at random, many times, and see whether the answers are those of one process.

``python -m tests.evaluation.stress_on_ray --kills 20 --seed 0``: some minutes, one line a kill, and one JSON line
at the end. The suite has one of each kind of death (`tests.evaluation.test_on_ray`).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from helpers.evaluation import read_answers, read_shards, run_evaluation
from helpers.models import load_model
from tests.evaluation.test_on_ray import ROOT, TOKENS, asked, comparable, noted, workers_of

GROUPS, EACH, WORKERS, PAUSE = 150, 2, 2, 0.4
RUN = (
    "from tests.evaluation.test_on_ray import *; from tests.evaluation.stress_on_ray import *\n"
    "folder = Path({!r})\n"
    "with ray_cluster(num_cpus=WORKERS):\n"
    "    cases = noted(folder, GROUPS, EACH, pause=PAUSE)\n"
    "    evaluate_on_ray('standin', cases, folder / 'out', workers=WORKERS, max_new_tokens=TOKENS)"
)


def answered(folder: Path) -> set[str]:
    """The cases that have answers."""
    return {a["id"] for a in read_shards(str(folder / "out")) if "error" not in a}


def start(folder: Path) -> psutil.Popen:
    """A run in a process of its own."""
    return psutil.Popen(
        [sys.executable, "-c", RUN.format(str(folder))],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_at_random(folder: Path, kills: int, draw: random.Random) -> dict[str, int]:
    """Kill workers, and now and then all of a run, until the kills are spent; then let it end."""
    done = {"worker": 0, "run": 0}
    run = start(folder)
    before = 0
    while sum(done.values()) < kills and run.poll() is None:
        time.sleep(0.2)
        if len(answered(folder)) == before:  # it still starts: a kill now would cost nothing
            continue
        time.sleep(draw.uniform(0, 3))
        before = len(answered(folder))
        workers = workers_of(run) if run.is_running() else []
        if draw.random() < 0.3:
            run.kill()
            psutil.wait_procs([run, *workers], timeout=60)
            done["run"] += 1
            run = start(folder)
        elif workers:
            draw.choice(workers).kill()
            done["worker"] += 1
        else:
            continue
        print(f"{sum(done.values())} killed, {len(answered(folder))} of {GROUPS * EACH} answered", flush=True)
    assert run.wait() == 0
    return done


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        done = kill_at_random(folder, options.kills, random.Random(options.seed))
        seconds = time.perf_counter() - began
        asks = asked(folder)
        (folder / "alone").mkdir()
        run_evaluation(
            load_model("standin", device="cpu"),
            noted(folder / "alone", GROUPS, EACH),
            folder / "one",
            max_new_tokens=TOKENS,
        )
        same = comparable(read_answers(folder / "one" / "answers.jsonl")) == comparable(
            read_shards(str(folder / "out"))
        )
        again = asks.total() - len(asks)
        print(
            json.dumps(
                {"killed": done, "seconds": round(seconds), "cases": len(asks), "asked_again": again, "same": same}
            )
        )
        # A worker's death costs its group, a run's death that of every worker.
        assert same
        assert again <= EACH * (done["worker"] + WORKERS * done["run"])


if __name__ == "__main__":
    main()
