"""Write the checkpoints of a run, find the newest one, and stop the run if its loss is not a number."""

from __future__ import annotations

import json
import math
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError, safe_open
from transformers import TrainerCallback

from helpers.errors import InputError
from helpers.storage import write_json

PARTS = ("*model*", "optimizer*", "scheduler.pt", "rng_state*", "trainer_state.json")  # of a whole checkpoint
MINUTES = 15  # between two checkpoints at most, however long a step takes


class Checkpoint(NamedTuple):
    """A complete checkpoint."""

    folder: str
    step: int
    steps: int  # of the whole run
    ended: bool  # nothing is left to train: all epochs are done, or the validation loss no longer fell


class Checkpoints(TrainerCallback):
    """Asks for a checkpoint every so many steps, and when the last one is `MINUTES` old.

    The Trainer writes one after each epoch, once it is evaluated; none is asked for on its last step before, as a
    run that went on from there would miss the evaluation.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.saved = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """From here the minutes count."""
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """All processes save together, so the main one's clock counts."""
        due = [state.global_step % self.steps == 0 or time.monotonic() - self.saved >= 60 * MINUTES]
        if args.world_size > 1:
            broadcast_object_list(due)
        an_epoch = state.max_steps // state.num_train_epochs
        if due[0] and state.global_step % an_epoch:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """From here they count again."""
        self.saved = time.monotonic()


class Numbers(TrainerCallback):
    """Ends a run at the first loss that is not a number, instead of after its last step."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Raise `InputError` for it."""
        if not all(math.isfinite(logs[name]) for name in ("loss", "eval_loss") if name in logs):
            raise InputError(
                f"The loss was infinite or not a number at step {state.global_step}.",
                path=Path(args.output_dir).parent,
                remedy="Delete this folder and train with a lower learning rate.",
            )


class StepSeeds(TrainerCallback):
    """Draws each step's dropout from the seed and its number, so that a run that goes on draws the same."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seed torch, on each process otherwise."""
        torch.manual_seed(1_000_003 * args.seed + 1_009 * state.global_step + args.process_index)


@contextmanager
def names_as_in_memory(model: Any) -> Iterator[None]:
    """While it is open, a whole model is saved with the names that its weights have in memory.

    By those the Trainer loads a checkpoint, and passes over others: a run would go on from the base's weights, and
    end with those of its last step instead of its best. What is saved later has the names that others read.
    """
    model.save_pretrained = partial(model.save_pretrained, save_original_format=False)
    try:
        yield
    finally:
        del model.save_pretrained


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint. Incomplete ones are removed, and a line says so."""
    main, checkpoints = PartialState().is_main_process, sorted(folder.glob("checkpoint-*"))
    torn = [checkpoint for checkpoint in checkpoints if not _is_whole(checkpoint)]
    PartialState().wait_for_everyone()
    for checkpoint in torn if main else ():
        print(f"{checkpoint.name} is incomplete, so it is not used.")
        shutil.rmtree(checkpoint) if checkpoint.is_dir() else checkpoint.unlink()
    found = [_with_its_best(checkpoint) for checkpoint in checkpoints if checkpoint not in torn]
    PartialState().wait_for_everyone()
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def _is_whole(checkpoint: Path) -> bool:
    """Whether all that the Trainer goes on from is there to its end; it would begin anew what is missing."""
    try:
        for file in checkpoint.glob("*.safetensors"):
            with safe_open(file, "np"):
                pass
        _with_its_best(checkpoint)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return False
    zipped = [*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]  # with the list of what is in them at the end
    return all(any(checkpoint.glob(kind)) for kind in PARTS) and all(map(zipfile.is_zipfile, zipped))


def _with_its_best(checkpoint: Path) -> Checkpoint:
    """The checkpoint, once its file names the best one where that is now."""
    file = checkpoint / "trainer_state.json"
    state = json.loads(file.read_text("utf-8"))
    ended = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]
    found = Checkpoint(str(checkpoint), int(state["global_step"]), int(state["max_steps"]), bool(ended))
    # The best one is named by its whole path, and a run's folder may have been moved since.
    kept = checkpoint.with_name(f"checkpoint-{state['best_global_step']}")
    best: dict[str, Any] = {"best_model_checkpoint": str(kept) if state["best_global_step"] else None}
    if state["best_global_step"] and not kept.is_dir():
        best = dict.fromkeys(("best_model_checkpoint", "best_global_step", "best_metric"))
        if PartialState().is_main_process:
            print(
                f"{kept.name}, the best checkpoint up to {checkpoint.name}, is missing, so the best later "
                "checkpoint is kept instead."
            )
    if {name: state.get(name) for name in best} != best and PartialState().is_main_process:
        write_json(file, state | best)
    return found
