"""Evaluate with many workers at once, each with the model in memory, on one machine or a Ray cluster.

The cases are those of `helpers.evaluation`, and so are the answers. A worker takes a group of cases (a volume,
whose images are read once), answers it, and writes one whole file (`helpers.evaluation.answer_shards`). So if a
worker or a run is killed, or a machine is lost, only the groups in work are lost, and the next run asks only
these.
"""

from __future__ import annotations

import gc
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.evaluation.answer_file import check_output, only_run
from helpers.evaluation.answer_shards import keep_only, read_set_aside, read_shards, write_shard
from helpers.evaluation.asked_model import model_to_load
from helpers.evaluation.asking import Asked, ask_group, by_group, draw_prompts, failed_answer, reason
from helpers.evaluation.kept_answers import Asking, asked_anew, sort_out, state_of
from helpers.evaluation.marks import Answer
from helpers.evaluation.run import Scored, check_name, scores_of
from helpers.models import (
    RECORDED_PREFIX,
    STANDIN,
    VISION_BATCH,
    adapted_name,
    check_batch,
    check_context,
    check_engine,
)
from helpers.parallel import ray_cluster
from helpers.prompts import MAX_NEW_TOKENS
from helpers.storage import Store, filesystem, is_local, json_text

# How often a group is given out, and how often each time to the same worker after it died and started again. If a
# machine is lost, its group only comes to another machine when it is given out again.
ROUNDS, TRIES = 2, 2
RESTARTS = 20  # of one worker; otherwise a worker that dies while it loads the model would start for ever


def evaluate_on_ray(
    model: str,
    cases: Sequence[Asked],
    output: str | os.PathLike[str],
    *,
    address: str | None = None,
    workers: int | None = None,
    gpus_per_worker: float | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    adapter: str | os.PathLike[str] | None = None,
    engine: str | None = None,
    context: int | None = None,
    vision_batch: int = VISION_BATCH,
    scored: Scored | None = None,
) -> dict[str, Any]:
    """Ask a model on a cluster every case that ``output`` has no answer to yet; write and return the scores.

    Answers and scores are those of `helpers.evaluation.run_evaluation`, except that the last digits of likelihoods
    may differ on another kind of processor, and that an answer of vLLM may differ if two words are nearly equally
    likely. A case that fails is noted with its error, and the next run asks it again. The same holds for a group
    that killed every worker.

    Args:
        model: as in `helpers.models.load_model`; each worker loads it. No endpoint: a server has its own workers.
        cases: the cases. Every worker must find the files that they name. Memory holds the prompts of a whole
            group.
        output: a folder that all workers share, or an address of fsspec (``s3://``, ``gs://`` ...).
            ``scores.json`` goes there, and the answers, in Parquet, into its folder ``answers``.
        address: of a running cluster; by default one is started on this machine (`helpers.parallel.cluster`).
        workers: the largest number of workers; by default as many as the cluster has room for.
        gpus_per_worker: GPUs of each worker, e.g. 0.5 for two workers on each GPU; by default 1, or 0 if the
            cluster has none. Without a GPU, a worker computes on one core.
        max_new_tokens: the most tokens of an answer.
        adapter: folder of an adapter, on every node.
        engine: "transformers" or "vllm"; by default a worker with a whole GPU takes vLLM where that can run the
            model (`helpers.models.server.best_kind`), unless there is an adapter or another ``vision_batch``.
            Answers name it.
        context: the most tokens of a prompt, as for `helpers.models.load_model`.
        vision_batch: as for `helpers.models.load_model`; vLLM makes its own batches.
        scored: as for `run_evaluation`.

    Raises:
        InputError: as `run_evaluation` raises it, or Ray is not installed or cannot be reached, the model cannot
            be loaded, or this machine cannot see the answers of a worker.
    """
    if model.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "A served model runs on its server, so Ray workers are of no use.",
            path=model,
            remedy="Evaluate it without Ray, on one machine.",
        )
    if model.startswith(RECORDED_PREFIX):
        raise InputError("Recorded replies need no workers.", path=model, remedy="Evaluate them without Ray.")
    if workers is not None and workers < 1:
        raise InputError(f"The number of workers is {workers}, which is less than 1.", remedy="Give 1 or more.")
    if engine == "vllm" and gpus_per_worker is not None and gpus_per_worker < 1:
        raise InputError(
            f"vLLM needs a whole GPU for each worker, not {gpus_per_worker:g}.",
            path=model,
            remedy="Give gpus_per_worker=1.",
        )
    check_engine(engine, model, adapter, check_batch(vision_batch))
    check_context(context)
    folder = _everywhere(output)
    with _only_run(folder):
        settings = (address, workers, gpus_per_worker, max_new_tokens, adapter, engine, context, vision_batch)
        return _evaluate(model, cases, folder, *settings, scored or scores_of)


def _evaluate(
    model: str,
    cases: Sequence[Asked],
    folder: str,
    address: str | None,
    workers: int | None,
    gpus_per_worker: float | None,
    max_new_tokens: int,
    adapter: str | os.PathLike[str] | None,
    engine: str | None,
    context: int | None,
    vision_batch: int,
    scored: Scored,
) -> dict[str, Any]:
    name, asking = adapted_name(model, adapter), Asking(model_to_load(model, adapter), max_new_tokens)
    known = _known(folder)
    check_name(known.values(), name, folder)
    kept, missing = sort_out(cases, [*read_set_aside(folder), *known.values()], asking)
    keep_only(folder, kept)
    store, record = Store(folder), asking.record(cases)
    before = store.read("run.json") if store.has("run.json") else ""
    store.write("run.json", json_text(record, indent=2) + "\n")
    if anew := asked_anew(known.values(), missing, before, record):
        print(anew)
    groups = by_group(missing)
    if groups:
        saved = model != STANDIN and Path(model).is_dir()
        load = {"model": _everywhere(model) if saved else model, "name": name, "context": context}
        load |= {"adapter": None if adapter is None else _everywhere(adapter), "engine": engine}
        load["vision_batch"] = vision_batch
        bar = tqdm(total=len(cases), initial=len(kept), desc=f"asking {name}")
        with bar, ray_cluster(address) as ray:
            count, each = _room(ray, workers, gpus_per_worker, address)
            settings = {**load, "gpus": each.get("num_gpus", 0), "asking": asking, "output": folder}
            left = dict(enumerate(groups))
            for _ in range(ROUNDS):
                if not left:
                    break
                for row in _rows(ray, dict(left), settings, min(count, len(left)), each):
                    _check(row, folder)
                    bar.update(len(left.pop(row["group"])))
        _note_lost(name, [case for group in left.values() for case in group], folder)
    known = _known(folder)
    scores = scored(name, [known[case.id] for case in cases if case.id in known])
    Store(folder).write("scores.json", json_text(scores, indent=2) + "\n")
    return scores


def _only_run(folder: str) -> AbstractContextManager[None]:
    """Lock a folder of this machine. A bucket has no locks."""
    return only_run(check_output(folder)) if is_local(filesystem(folder)[0]) else nullcontext()


class Worker:
    """A Ray actor that holds the model and the place of its answers."""

    def __init__(
        self,
        *,
        model: str,
        adapter: str | None,
        name: str,
        engine: str | None,
        context: int | None,
        vision_batch: int,
        gpus: float,
        asking: Asking,
        output: str,
    ) -> None:
        from helpers.models import load_engine  # in the worker alone, because it loads torch

        self.asking, self.output = asking, output
        self.problem = ""
        engine = engine or (None if gpus >= 1 else "transformers")
        try:
            chat = load_engine(engine, model, adapter, context=context, vision_batch=vision_batch)
            self.chat = replace(chat, name=name)
        except Exception as error:  # returned, because Ray would report a dead worker
            self.problem = str(error) if isinstance(error, InputError) else reason(error)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Answer one group. Returns its number, the file of its answers, and the fault if there is no file."""
        import ray

        shard, problem, began = "", self.problem, time.time()
        if not problem:
            drawn, states = ray.cloudpickle.loads(row["cases"]), ray.cloudpickle.loads(row["states"])
            drawn = drawn if row["drawn"] else draw_prompts(drawn)
            answers = list(ask_group(self.chat, drawn, self.asking.max_new_tokens))
            answers = [self.asking.note(answer, states[answer["id"]]) for answer in answers]
            about = {"worker": ray.get_runtime_context().get_actor_id()[:8], "began": began, "ended": time.time()}
            try:
                shard = write_shard(self.output, [answer | about for answer in answers])
            except Exception as error:
                problem = f"{self.output}: The answers cannot be written into this folder ({reason(error)})."
        return {"group": row["group"], "shard": shard, "problem": problem}


def _row(ray: Any, number: int, group: list[Asked]) -> dict[str, Any]:
    # The states are those before the images are read, seen from this machine.
    states = {case.id: state_of(case) for case in group}
    pickled = {"cases": ray.cloudpickle.dumps(group), "states": ray.cloudpickle.dumps(states)}
    return {"group": number, "drawn": False, **pickled}


def _draw(row: dict[str, Any]) -> dict[str, Any]:
    from ray import cloudpickle

    return {**row, "cases": cloudpickle.dumps(draw_prompts(cloudpickle.loads(row["cases"]))), "drawn": True}


def _rows(
    ray: Any, groups: dict[int, list[Asked]], settings: dict[str, Any], workers: int, each: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Yield the workers' results for each group as they come. A group whose workers died has none."""
    data = ray.data.from_items(
        [_row(ray, k, group) for k, group in groups.items()],
        override_num_blocks=len(groups),  # each block is one group, tried again or lost as a whole
    )
    data.context.enable_progress_bars = False
    data.context.max_errored_blocks = -1  # for groups that kill every worker; workers return all other errors
    ahead = 1
    if "num_gpus" in each:
        # With a GPU, the CPU cores read the images of the next group meanwhile. Without a GPU, the model runs on
        # the cores, so each worker reads its own images, and no pixels are copied between processes.
        data, ahead = data.map(_draw, num_cpus=1), 2
    pool = ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=ahead)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the two limits: see the range in pyproject.toml
        lives = {"max_restarts": RESTARTS, "max_task_retries": TRIES - 1}
        data = data.map(Worker, fn_constructor_kwargs=settings, compute=pool, **each, **lives)
    try:
        yield from data.iter_rows()
    finally:
        gc.collect()  # the traceback of a lost group refers to workers, which would stay in the cluster


def _room(ray: Any, workers: int | None, gpus: float | None, address: str | None) -> tuple[int, dict[str, float]]:
    """The number of workers, and the resources of the cluster for each."""
    have = ray.cluster_resources()
    gpus = float(have.get("GPU", 0) > 0) if gpus is None else gpus
    room = int(have.get("GPU", 0) / gpus) if gpus else max(1, int(have.get("CPU", 1)))
    if not room and (workers is None or address is None):  # a cluster may grow when it is asked for workers
        raise InputError(
            f"The cluster has no GPU, but each worker was to get {gpus:g}.",
            path=address,
            remedy="Give gpus_per_worker=0, or use a cluster with GPUs.",
        )
    # By default, each worker would hold a core. With few cores, none would be left to read images.
    return workers or room, {"num_gpus": gpus, "num_cpus": 0} if gpus else {"num_cpus": 1}


def _check(row: dict[str, Any], folder: str) -> None:
    if row["problem"]:
        raise InputError(row["problem"], remedy="Then run the same again: what is answered is kept.")
    files, place = filesystem(row["shard"])
    if not files.exists(place):
        raise InputError(
            "A worker wrote into this folder, but this machine cannot see the file.",
            path=folder,
            remedy="Give a folder that all machines share, or a bucket (s3://, gs://).",
        )


def _note_lost(model: str, cases: list[Asked], folder: str) -> None:
    """Note the cases without a result, except those that the last worker wrote before it died."""
    known = _known(folder)
    lost = [case for case in cases if "error" in known.get(case.id, {"error": ""})]
    for group in by_group(lost):
        why = f"WorkerDied: each worker that got this case died before it answered ({ROUNDS * TRIES} tries)"
        write_shard(folder, [failed_answer(model, case, why) for case in group])


def _known(folder: str) -> dict[str, Answer]:
    files, place = filesystem(f"{folder}/answers.jsonl")
    if files.exists(place):
        raise InputError(
            "The answers in this folder come from a run without Ray.",
            path=folder,
            remedy="Continue that run without Ray, or choose another output folder.",
        )
    return {answer["id"]: answer for answer in read_shards(folder)}


def _everywhere(path: str | os.PathLike[str]) -> str:
    """A path that is also right for a worker, which may run in another folder."""
    path = os.fspath(path)
    return path if "://" in path else str(Path(path).absolute())
