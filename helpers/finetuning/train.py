"""Fine-tune a model on conversations with any number of images: volumes, slides and 2D images alike.

TRL's SFTTrainer and PEFT do the training. This package adds the parts that they leave to the user: prompts with
the same tokens as in a question to the model, a check of all data before the training
(`helpers.finetuning.training_data`), image tokens computed once (`helpers.finetuning.image_features`), and a run
that survives being killed. The same function runs on a CPU, on one GPU, and under ``accelerate launch`` on
several.
"""

from __future__ import annotations

import errno
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import EarlyStoppingCallback, set_seed

from helpers.errors import InputError
from helpers.evaluation import only_run
from helpers.finetuning.batches import Collator
from helpers.finetuning.checkpoints import Checkpoints, Numbers, StepSeeds, last_checkpoint, names_as_in_memory
from helpers.finetuning.feature_folder import check_features
from helpers.finetuning.image_features import ImageFeatures
from helpers.finetuning.readiness import accumulated, check_model, check_processes, repeated
from helpers.finetuning.tower import ImageTokens
from helpers.finetuning.training_data import Kept, Row, Taught, check_apart, prepare
from helpers.finetuning.tuning import Tuning, to_train
from helpers.finetuning.validation_loss import weigh_by_tokens
from helpers.finetuning.work import finish, make_record, open_work
from helpers.models import ChatModel, adapted_name, computes_bfloat16
from helpers.storage import free_place
from helpers.teaching import for_model

# peft imports this from transformers by its old name.
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing. is deprecated", category=FutureWarning)
FULL = (errno.ENOSPC, errno.EDQUOT)
PROMPTS_IN_MEMORY = 500_000_000  # bytes of pixels that stay in memory; further prompts are made again each time


def finetune(
    chat: ChatModel,
    train: Sequence[Taught],
    validation: Sequence[Taught],
    output: str | Path,
    tuning: Tuning | None = None,
    *,
    features: str | Path | None = None,
    callbacks: Sequence[Any] = (),
    allow_teaching: bool = False,
) -> ChatModel:
    """Train an adapter (LoRA; QLoRA if ``chat`` was loaded with 4-bit weights) and return the model with it.

    The loss is on the answers alone, unless the settings say otherwise. This changes ``chat``, so use the returned
    model. With validation examples, the adapter of the epoch with their lowest loss is kept, and training ends
    when this loss has not fallen for `Tuning.patience` epochs. The folder ``output`` appears at the end, with the
    adapter (or, with rank 0, the whole model) and ``training.json``: base model, settings, versions, loss curve.
    Until then all files are in a hidden folder beside it, and the same call continues from its last checkpoint.

    Several processes, each with the model on its own device, train like one process, except for the random numbers
    of dropout. If the number of examples is not a multiple of processes and `Tuning.at_once`, each epoch shows a
    few examples twice.

    Args:
        chat: the model to tune, from `helpers.models.load_model`.
        train: examples to learn from.
        validation: examples of other patients that only measure the loss. Without them, the adapter of the last
            epoch is kept.
        output: folder of the finished adapter; must not exist.
        tuning: the settings.
        features: folder of image tokens, shared by runs; default: beside the checkpoints, deleted at the end.
        callbacks: callbacks of transformers' Trainer, for example to draw the loss.
        allow_teaching: whether a model other than the stand-in may learn teaching cases
            (`helpers.teaching.for_model`).

    Raises:
        InputError: the model cannot be tuned with these settings or already has a separate adapter; the processes
            cannot share the run; examples are wrong (the error lists all); ``output`` or ``features`` cannot be
            created; an unfinished run has other settings or is still at work; disk or memory are too small; the
            loss is not a number; or nothing was learned. The model is then without an adapter again.
    """
    try:
        import trl  # noqa: F401
    except ImportError as error:
        remedy = "Run: pip install 'medgemma-tutorials[finetune]'"
        raise InputError(f"Fine-tuning needs the package {error.name}.", remedy=remedy) from error
    tuning, output = tuning or Tuning(), free_place(output)
    check_features(features, output)
    check_model(chat, tuning)
    check_processes(chat, tuning)
    train, validation = (for_model(cases, chat, allowed=allow_teaching) for cases in (train, validation))
    check_apart(train, validation)
    room = [PROMPTS_IN_MEMORY]
    examples = [Kept(example, room) for example in (*train, *validation)]
    rows = prepare(examples[: len(train)], chat.processor, learn_prompt=tuning.learn_prompt)
    if validation:
        kept = examples[len(train) :]
        rows += prepare(kept, chat.processor, "validation", learn_prompt=tuning.learn_prompt)
    work = output.with_name(f".{output.name}.partial")
    record = make_record(chat, tuning, rows, len(train))
    open_work(work, record)
    store = ImageFeatures(chat, features or work / "features") if tuning.cached else None
    images = ImageTokens(rows, examples, chat, store)
    # One process holds the lock for the whole run.
    held = only_run(work) if PartialState().is_main_process else nullcontext()
    with held, advice(work), images.given_to_forward():
        if store:
            store.encode(rows, examples)
            for example in examples:
                example.let_go()  # the training takes the image tokens
        set_seed(tuning.seed)  # for the adapter's first weights
        tuned = replace(chat, model=to_train(chat.model, tuning))
        with off_again(tuned.model):
            trainer = _trainer(tuned, tuning, rows, len(train), work / "checkpoints", callbacks)
            with nullcontext() if tuning.rank else names_as_in_memory(chat.model):
                _train(trainer, work / "checkpoints")
            record["curve"] = trainer.state.log_history
            record["best_step"] = trainer.state.best_global_step
            finish(trainer, record, work, output)
    return replace(chat, name=adapted_name(chat.name, output), model=trainer.model.eval())


@contextmanager
def off_again(model: Any) -> Iterator[None]:
    """If the block fails, take the adapter off its model, so that the same call can be made again."""
    try:
        yield
    except BaseException:
        if hasattr(model, "unload"):
            model.unload().eval()
        raise


def _trainer(
    chat: ChatModel, tuning: Tuning, rows: Sequence[Row], trained: int, folder: Path, callbacks: Sequence[Any]
) -> Any:
    """TRL's trainer of a run. It learns from the first ``trained`` rows; the others only measure the loss."""
    from trl import SFTTrainer  # takes a second

    own = [(weight, weight.data) for weight in chat.model.parameters() if weight.requires_grad]
    trainer = SFTTrainer(
        model=chat.model,
        args=_arguments(chat, tuning, folder, trained, len(rows) > trained),
        train_dataset=_numbered(0, trained),
        eval_dataset=_numbered(trained, len(rows)) if len(rows) > trained else None,
        processing_class=chat.processor,
        data_collator=Collator(rows, chat),
        callbacks=[StepSeeds(), Numbers(), Checkpoints(tuning.save_steps), *callbacks],
    )
    for weight, numbers in own:
        # Beside 4-bit weights, TRL has rounded the adapter to bfloat16. Older GPUs only emulate this format, and a
        # continued run would differ, because PEFT loads adapters as float32.
        if weight.dtype != numbers.dtype:
            weight.data = numbers.to(weight.device)
    if (again := repeated(tuning, trained)) and PartialState().is_main_process:
        print(f"Each epoch shows {again} of {trained:,} examples twice, so that all processes end it together.")
    if len(rows) > trained:
        weigh_by_tokens(trainer, rows[trained:])
    if len(rows) > trained and tuning.patience:
        trainer.add_callback(EarlyStoppingCallback(tuning.patience))
    return trainer


def _train(trainer: Any, folder: Path) -> None:
    """Train from the start, or from the newest checkpoint. Raises `InputError` if nothing was learned."""
    before = sums(trainer.model)
    if checkpoint := last_checkpoint(folder):
        if PartialState().is_main_process:
            print(f"Going on from step {checkpoint.step} of {checkpoint.steps}.")
        if checkpoint.ended:
            trainer.args.max_steps = checkpoint.step  # otherwise the Trainer would begin another epoch
    trainer.train(resume_from_checkpoint=checkpoint and checkpoint.folder)
    if not trainer.is_fsdp_enabled and sums(trainer.model) == before:  # sharded weights have other names
        raise InputError(
            "Nothing was learned: the training changed no weight.",
            path=folder.parent,
            remedy="Delete this folder and train with a higher learning rate, or on more examples.",
        )


def sums(model: Any) -> list[float]:
    """A number for each weight that is trained. Raises `InputError` if there is none."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    if not trained:
        raise InputError(
            "With these settings, no weight of the model would be trained.", remedy="Give a rank above 0."
        )
    return [float(weight.detach().sum(dtype=torch.float64)) for weight in trained]


@contextmanager
def advice(work: Path) -> Iterator[None]:
    """Turn a lack of memory or disk into an `InputError` with what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            "The GPU does not have enough memory for this training.",
            path=work,
            remedy="Use fewer slices, at_once=1, a smaller rank, or load_model(..., quantized=True).",
        ) from error
    except (OSError, RuntimeError, SafetensorError) as error:
        if getattr(error, "errno", None) not in FULL and not re.search("No space left|[Qq]uota", str(error)):
            if not isinstance(error, OSError) or error.filename is None:
                raise
            raise InputError(
                f"A file of the run cannot be read or written ({error}).",
                path=work,
                remedy="Correct this and make the same call again: the training continues from the last "
                "checkpoint.",
            ) from error
        raise InputError(
            "The disk is full.",
            path=work,
            remedy="Free some space and make the same call again: the training continues from the last "
            "checkpoint.",
        ) from error


def _arguments(chat: ChatModel, tuning: Tuning, folder: Path, examples: int, validated: bool) -> Any:
    from trl import SFTConfig

    device = str(chat.model.device)
    on_gpu = device.startswith("cuda")
    arguments = SFTConfig(
        output_dir=str(folder),
        num_train_epochs=tuning.epochs,
        per_device_train_batch_size=tuning.at_once,
        per_device_eval_batch_size=tuning.at_once,
        gradient_accumulation_steps=accumulated(tuning),
        learning_rate=tuning.learning_rate,
        lr_scheduler_type=tuning.schedule,
        warmup_steps=_warmup_steps(tuning, examples),
        max_grad_norm=tuning.clip,
        weight_decay=0.0,
        bf16=on_gpu and computes_bfloat16(device),
        use_cpu=chat.model.device.type == "cpu",
        # A third more time for a tenth of the memory; not needed for the stand-in.
        activation_checkpointing=on_gpu,
        dataloader_pin_memory=on_gpu,
        logging_steps=1,
        logging_nan_inf_filter=False,  # True would replace a loss that is not a number by the mean
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch",  # and when `Checkpoints` asks
        save_total_limit=2,  # the newest and the best
        load_best_model_at_end=validated,
        metric_for_best_model="eval_loss" if validated else None,
        greater_is_better=False if validated else None,
        restore_callback_states_from_checkpoint=True,  # keeps how long the loss has not fallen
        seed=tuning.seed,
        data_seed=tuning.seed,
        max_length=None,  # cutting would lose image tokens; prompts that are too long were refused before
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        report_to="none",
    )
    # Each process takes one GPU. Otherwise the Trainer would copy the model to all GPUs, which TRL refuses.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _warmup_steps(tuning: Tuning, examples: int) -> int:
    """The steps in which the rate rises. It begins at 0, and at least one step has the full rate."""
    steps = tuning.steps(examples)
    return min(math.ceil(steps * tuning.warmup), steps - 1)


def _numbered(start: int, end: int) -> Any:
    """The dataset that the trainer shuffles. It has only the numbers of rows, and the collator has the rows."""
    from datasets import Dataset

    return Dataset.from_dict({"row": list(range(start, end))})
