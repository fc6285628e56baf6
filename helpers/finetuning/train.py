"""Fine-tune a model on conversations with any number of images: volumes, slides and 2D images alike.

TRL's SFTTrainer and PEFT do the training; here is what they leave to the user: prompts of the very tokens that
the model is asked with, a check of all data before anything is spent (`helpers.finetuning.training_data`), image
tokens computed once (`helpers.finetuning.image_features`), and a run that survives being killed. The same function
runs on a CPU, on one GPU, and under ``accelerate launch`` on several.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import TrainerCallback

from helpers.errors import InputError
from helpers.finetuning.batches import Collator
from helpers.finetuning.image_features import ImageFeatures
from helpers.finetuning.training_data import Kept, Row, Taught, check_apart, prepare
from helpers.finetuning.tuning import Tuning, lora_config, with_frozen_vision
from helpers.models import ADAPTER_RECORD, ChatModel, computes_bfloat16, fingerprint
from helpers.storage import write_json

# peft asks transformers for this by its old name.
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing. is deprecated", category=FutureWarning)
PROMPTS_IN_MEMORY = 500_000_000  # bytes of pixels that are drawn once; more is drawn at each look
PACKAGES = ("medgemma-tutorials", "transformers", "peft", "trl", "torch")


def finetune(
    chat: ChatModel,
    train: Sequence[Taught],
    validation: Sequence[Taught],
    output: str | Path,
    tuning: Tuning | None = None,
    *,
    features: str | Path | None = None,
    callbacks: Sequence[Any] = (),
) -> ChatModel:
    """Train an adapter (LoRA; QLoRA if ``chat`` was loaded with 4-bit weights) and return the model with it.

    The loss is on the answers alone. ``chat`` itself is changed: use what is returned. The folder ``output``
    appears when all is done, with the adapter (or, with rank 0, the whole model) and ``training.json``: base
    model, settings, versions, loss curve. Until then everything is in a hidden folder beside it; the same call
    goes on from its last checkpoint.

    Args:
        chat: the model to tune, from `helpers.models.load_model`.
        train: examples to learn from.
        validation: examples that only measure the loss, of other patients; none, and nothing is measured.
        output: folder of the finished adapter; must not exist.
        tuning: the settings.
        features: folder of image tokens, shared by runs; default: beside the checkpoints, deleted at the end.
        callbacks: of transformers' Trainer, for example to draw the loss.

    Raises:
        InputError: bad examples (all are named), an output that is there, an unfinished run of other settings, no
            room on the disk, not enough memory.
    """
    try:
        from trl import SFTTrainer  # takes a second
    except ImportError as error:
        remedy = "Run: pip install 'medgemma-tutorials[finetune]'"
        raise InputError(f"Fine-tuning needs {error.name}.", remedy=remedy) from error
    tuning, output = tuning or Tuning(), Path(output)
    if output.exists():
        raise InputError("There is something here already.", path=output, remedy="Choose another output folder.")
    if not tuning.rank and chat.model.dtype != torch.float32:
        raise InputError(
            f"Small updates are lost in weights of {chat.model.dtype}.",
            remedy="For full tuning load the model with dtype=torch.float32.",
        )
    check_apart(train, validation)
    room = [PROMPTS_IN_MEMORY]
    examples = [Kept(example, room) for example in (*train, *validation)]
    rows = prepare(examples[: len(train)], chat.processor)
    if validation:
        rows += prepare(examples[len(train) :], chat.processor, "validation")
    work = output.with_name(f".{output.name}.partial")
    record = _record(chat, tuning, rows, len(train))
    state = PartialState()
    _open_work(work, record, state)
    store = ImageFeatures(chat, features or work / "features") if tuning.cached else None
    with _advice(work):
        if store:
            store.encode(rows, examples)
        trainer = SFTTrainer(
            model=with_frozen_vision(chat.model) if tuning.rank == 0 else chat.model,
            args=_arguments(chat, tuning, work / "checkpoints", state.num_processes, bool(validation)),
            train_dataset=_numbered(0, len(train)),
            eval_dataset=_numbered(len(train), len(rows)) if validation else None,
            processing_class=chat.processor,
            data_collator=Collator(rows, examples, chat.model, chat.processor, store),
            peft_config=lora_config(tuning) if tuning.rank else None,
            callbacks=[StepSeeds(), *callbacks],
        )
        trainer.train(resume_from_checkpoint=_last_checkpoint(work / "checkpoints"))
        record["curve"] = trainer.state.log_history
        if not all(math.isfinite(entry["loss"]) for entry in record["curve"] if "loss" in entry):
            raise InputError(
                "The loss became infinite or no number.",
                path=work,
                remedy="Delete this folder and train with a lower learning rate.",
            )
        _finish(trainer, chat.name, record, work, output)
    return replace(chat, name=f"{chat.name}+{output.name}", model=trainer.model.eval())


@contextmanager
def _advice(work: Path) -> Iterator[None]:
    """Turn a lack of memory or disk into an `InputError` with what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            "The GPU has not enough memory for this training.",
            path=work,
            remedy="Use fewer slices, at_once=1, a smaller rank, or load_model(..., quantized=True).",
        ) from error
    except (OSError, RuntimeError, SafetensorError) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and "No space left" not in str(error):
            raise
        raise InputError(
            "The disk is full.",
            path=work,
            remedy="Free some space and make the same call: it goes on from the last checkpoint.",
        ) from error


def _arguments(chat: ChatModel, tuning: Tuning, folder: Path, processes: int, validated: bool) -> Any:
    from trl import SFTConfig

    accumulated, rest = divmod(tuning.batch_size, tuning.at_once * processes)
    if rest or not accumulated:
        raise InputError(
            f"A batch of {tuning.batch_size} is no multiple of {tuning.at_once} at once on {processes} processes.",
            remedy=f"Make batch_size a multiple of {tuning.at_once * processes}.",
        )
    on_gpu = chat.model.device.type == "cuda"
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=tuning.epochs,
        per_device_train_batch_size=tuning.at_once,
        per_device_eval_batch_size=tuning.at_once,
        gradient_accumulation_steps=accumulated,
        learning_rate=tuning.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=tuning.warmup,
        max_grad_norm=1.0,
        weight_decay=0.0,
        bf16=on_gpu and computes_bfloat16("cuda"),
        use_cpu=chat.model.device.type == "cpu",
        activation_checkpointing=on_gpu,  # a third more time for a tenth of the memory; the stand-in needs none
        dataloader_pin_memory=on_gpu,
        logging_steps=1,
        logging_nan_inf_filter=False,  # would put the mean in place of a loss that is no number
        eval_strategy="epoch" if validated else "no",
        save_strategy="steps",
        save_steps=tuning.save_steps,
        save_total_limit=2,
        seed=tuning.seed,
        data_seed=tuning.seed,
        max_length=None,  # a cut prompt would lose image tokens; over-long ones were refused
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        report_to="none",
    )


class StepSeeds(TrainerCallback):
    """Draws each step's dropout from the seed and its number, so that a run that goes on draws the same."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seed torch, on each process otherwise."""
        torch.manual_seed(1_000_003 * args.seed + 1_009 * state.global_step + args.process_index)


def _numbered(start: int, end: int) -> Any:
    """What the trainer shuffles: the numbers of rows; the collator has all else."""
    from datasets import Dataset

    return Dataset.from_dict({"row": list(range(start, end))})


def _record(chat: ChatModel, tuning: Tuning, rows: Sequence[Row], trained: int) -> dict[str, Any]:
    """What a run is: written at its start, compared when it goes on, and kept with the adapter."""
    return {
        "base": chat.name,
        "base_fingerprint": fingerprint(chat.model),
        "settings": asdict(tuning),
        "examples": {"training": trained, "validation": len(rows) - trained},
        "data": _hash(rows),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _hash(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.ids}{row.answer_tokens}{row.image_key}".encode())
    return digest.hexdigest()[:16]


def _open_work(work: Path, record: dict[str, Any], state: PartialState) -> None:
    """Begin a run's folder, or check that the one there is of the same run."""
    path = work / ADAPTER_RECORD
    if path.is_file() and json.loads(path.read_text("utf-8")) != record:
        raise InputError(
            "An unfinished run of another model, other examples or other settings is here.",
            path=work,
            remedy="Delete this folder, make the call of that run, or choose another output folder.",
        )
    state.wait_for_everyone()
    if state.is_main_process:
        write_json(path, record)
    state.wait_for_everyone()


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: its last file is the trainer's state."""
    found = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
            found.append((int(checkpoint.name.rsplit("-", 1)[1]), str(checkpoint)))
        except (OSError, ValueError):
            if PartialState().is_main_process:
                shutil.rmtree(checkpoint, ignore_errors=True)
    PartialState().wait_for_everyone()
    return max(found)[1] if found else None


def _finish(trainer: Any, base: str, record: dict[str, Any], work: Path, output: Path) -> None:
    """Write the result under a temporary name, give it its own, and clear the working folder away."""
    whole, state = output.with_name(f".{output.name}.whole.partial"), PartialState()
    trainer.save_model(str(whole))  # on all processes: sharded weights are gathered from them
    if state.is_main_process:
        for file in ("training_args.bin", "README.md"):  # a pickle; an empty form with a path of this machine
            (whole / file).unlink(missing_ok=True)
        if (settings := whole / "adapter_config.json").is_file():  # names a folder of this machine
            write_json(settings, json.loads(settings.read_text("utf-8")) | {"base_model_name_or_path": base})
        write_json(whole / ADAPTER_RECORD, record)
        whole.rename(output)
        shutil.rmtree(work)
    state.wait_for_everyone()
