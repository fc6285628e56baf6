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
MINUTES = 15  # the longest time between two checkpoints, unless one step takes longer


class Checkpoint(NamedTuple):
    """A complete checkpoint."""

    folder: str
    step: int
    steps: int  # steps of the whole run
    ended: bool  # whether training is finished: all epochs are done, or the validation loss did not fall any more


class Checkpoints(TrainerCallback):
    """Asks for a checkpoint every so many steps, and when the last one is `MINUTES` old.

    The Trainer writes one after the evaluation at the end of each epoch. None is asked for on the last step of an
    epoch, because a run that continues from there would miss the evaluation.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.saved = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock for the minutes between checkpoints."""
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a checkpoint if one is due. All processes save together, so the main process's clock decides."""
        due = [state.global_step % self.steps == 0 or time.monotonic() - self.saved >= 60 * MINUTES]
        if args.world_size > 1:
            broadcast_object_list(due)
        an_epoch = state.max_steps // state.num_train_epochs
        if due[0] and state.global_step % an_epoch:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock again."""
        self.saved = time.monotonic()


class Numbers(TrainerCallback):
    """Ends a run at the first loss that is not a number, instead of after its last step."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Raise `InputError` for a loss that is not a number."""
        if not all(math.isfinite(logs[name]) for name in ("loss", "eval_loss") if name in logs):
            raise InputError(
                f"The loss was infinite or not a number at step {state.global_step}.",
                path=Path(args.output_dir).parent,
                remedy="Delete this folder and train with a lower learning rate.",
            )


class StepSeeds(TrainerCallback):
    """Seeds each step's dropout with the run's seed and the step's number, so a continued run draws the same."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seed torch, with another number on each process."""
        torch.manual_seed(1_000_003 * args.seed + 1_009 * state.global_step + args.process_index)


@contextmanager
def names_as_in_memory(model: Any) -> Iterator[None]:
    """Within the ``with`` block, save a whole model with the names that its weights have in memory.

    The Trainer loads a checkpoint by these names and ignores all others. With other names, a run would continue
    from the base model's weights, and would end with the weights of its last step and not of its best. Files saved
    after the block have the names that other programs read.
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
    """Whether all files that the Trainer needs are complete. It would silently start missing parts again."""
    try:
        for file in checkpoint.glob("*.safetensors"):
            with safe_open(file, "np"):
                pass
        _with_its_best(checkpoint)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return False
    zipped = [*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]  # their list of contents is at the end
    return all(any(checkpoint.glob(kind)) for kind in PARTS) and all(map(zipfile.is_zipfile, zipped))


def _with_its_best(checkpoint: Path) -> Checkpoint:
    """The checkpoint, after its file was changed to name the best one at its present place."""
    file = checkpoint / "trainer_state.json"
    state = json.loads(file.read_text("utf-8"))
    ended = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]
    found = Checkpoint(str(checkpoint), int(state["global_step"]), int(state["max_steps"]), bool(ended))
    # The file names the best checkpoint by its whole path, but the run's folder may have been moved.
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
