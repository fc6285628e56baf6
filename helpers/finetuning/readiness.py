"""Check before the training that these settings can tune the model in the processes that were started."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import Any

import torch
from accelerate import DistributedType, PartialState
from accelerate.utils import parse_flag_from_env

from helpers.errors import InputError
from helpers.finetuning.tuning import Tuning
from helpers.models import ChatModel

# The variables in which every launcher tells a process the number of processes and its own number.
LAUNCHED = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
# Variables that ``accelerate launch`` sets for ways to share a run that were never tried with this training.
UNTRIED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism_config",
}
# The settings of FSDP that were tried: the second version, saved files with whole weights, which other programs
# can read, and all weights on each process at the beginning, because each process encodes images.
SHARDED = {
    "FSDP_VERSION": "2",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}


def check_model(chat: Any, tuning: Tuning) -> None:
    """Raise `InputError` for a model whose weights are on a server, or cannot be trained with the settings."""
    if not isinstance(chat, ChatModel):
        remedy = "Load the model by its own name or folder."
        raise InputError("A served model cannot be tuned.", path=chat.name, remedy=remedy)
    if has_adapter(chat.model):
        whole = "write the two as one model (medgemma-tutorials merge) and load that folder"
        raise InputError(
            "The model was loaded with a separate adapter, so a second adapter cannot be trained on it.",
            path=chat.name,
            remedy=f"{whole.capitalize()}."
            if is_quantized(chat)
            else f"Load it with load_model(..., adapter=..., merge=True), or {whole}.",
        )
    if not tuning.rank and (chat.model.dtype != torch.float32 or is_quantized(chat)):
        raise InputError(
            f"Small updates are lost in weights of {'4 bits' if is_quantized(chat) else chat.model.dtype}.",
            remedy="For full tuning, load the model with dtype=torch.float32.",
        )


def processes() -> PartialState:
    """The state of this process among all launched processes. Call this before anything else asks accelerate.

    On CPUs, accelerate must be told that there are no GPUs. Otherwise each process would act as the only one: all
    would write the same files, and the batch of a step would be several times too large.

    Raises `InputError` if the launcher's variables are incomplete or impossible.
    """
    try:
        launched, rank = (int(os.environ.get(name, alone)) for name, alone in (("WORLD_SIZE", 1), ("RANK", 0)))
        if launched > 1 and not 0 <= rank < launched:  # it would wait half an hour for the others
            raise ValueError(f"RANK={rank} is not the rank of one of {launched} processes")
        on_cpus = not torch.cuda.is_available() and launched > 1
        state = PartialState(cpu=on_cpus)
        if on_cpus and state.num_processes == 1:  # accelerate was already asked before
            PartialState._reset_state()
            state = PartialState(cpu=True)
        if launched > state.num_processes:
            raise ValueError(f"WORLD_SIZE={launched}, but the process would train alone")
    except (ValueError, RuntimeError) as error:
        PartialState._reset_state()  # ends what was begun
        said = str(error).partition("\n")[0]
        raise InputError(
            f"This process does not find the other processes of its launch ({said}).",
            remedy="Start it with accelerate launch or torchrun, which set all variables. To train in one "
            f"process, unset {', '.join(LAUNCHED)}.",
        ) from error
    return state


def check_processes(chat: ChatModel, tuning: Tuning) -> None:
    """Raise `InputError` if processes cannot share a run, because of its batch, their devices, or the launcher."""
    for flag, what in UNTRIED.items():
        if _is_set(flag):
            remedy = "Start it without them: accelerate launch --num_processes N"
            raise InputError(f"This training was never tested with {what}.", remedy=f"{remedy}.")
    if _is_set("ACCELERATE_USE_FSDP"):
        _check_sharded(chat, tuning)
    state, here = processes(), chat.model.device
    accumulated(tuning)
    if state.num_processes == 1 and here.type != "cuda":
        return
    if (here.type, here.index or 0) != (state.device.type, state.device.index or 0):
        raise InputError(
            f"The model is on {here}, but this process trains on {state.device}.",
            path=chat.name,
            remedy="Load the model on that device, in each process: load_model(..., "
            f"device={str(state.device)!r}).",
        )


def _is_set(flag: str) -> bool:
    """Whether a variable of accelerate is true. Raises `InputError` if it is neither true nor false."""
    try:
        return parse_flag_from_env(flag)
    except ValueError as error:
        said = f"{flag} is {os.environ[flag]!r}, which is neither true nor false."
        raise InputError(said, remedy="Set it to true or false, or unset it.") from error


def _check_sharded(chat: ChatModel, tuning: Tuning) -> None:
    """Raise `InputError` for settings of FSDP that hang, lose weights, or were never tried."""
    if not tuning.cached:
        # Whenever a layer runs, all processes must gather it, but rows differ in their number of images.
        raise InputError(
            "With FSDP, all processes must run the same layers, but the vision tower runs once for "
            "each image of a row.",
            remedy="Encode images once (cached=True, without adapt_vision), or start the training without FSDP.",
        )
    if is_quantized(chat):
        raise InputError(
            "4-bit weights were never tested with FSDP.",
            remedy="Start the training without FSDP: each GPU then holds all weights.",
        )
    if processes().distributed_type in (DistributedType.NO, DistributedType.MULTI_CPU):
        raise InputError(
            "FSDP shares weights among several GPUs, so it would have no effect in one process.",
            remedy="Start the training without FSDP.",
        )
    given = {name: os.environ.get(name, "unset") for name in SHARDED}
    if other := [f"{name}={value}" for name, value in given.items() if value.lower() != SHARDED[name].lower()]:
        raise InputError(
            f"This training was never tested with FSDP by {', '.join(other)}.",
            remedy=f"Start it with accelerate launch --config_file {files('helpers') / 'configs' / 'fsdp.yaml'}",
        )


def repeated(tuning: Tuning, examples: int) -> int:
    """How many examples each epoch shows twice, so that all processes end it with the same number of batches."""
    number = PartialState().num_processes
    return -examples % (tuning.at_once * number) if number > 1 else 0


def has_adapter(model: Any) -> bool:
    """Whether an adapter of PEFT, not merged, is in a model or around it."""
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    return isinstance(model, PeftModel) or any(isinstance(module, BaseTunerLayer) for module in model.modules())


def is_quantized(chat: ChatModel) -> bool:
    """Whether the model's weights are of 4 bits."""
    return bool(getattr(chat.model, "is_loaded_in_4bit", False))


def accumulated(tuning: Tuning) -> int:
    """How many times `Tuning.at_once` examples make a step's batch on each process.

    Raises `InputError` if the numbers do not divide evenly.
    """
    number = PartialState().num_processes
    times, rest = divmod(tuning.batch_size, tuning.at_once * number)
    if rest or not times:
        raise InputError(
            f"A batch of {tuning.batch_size} is not a multiple of {tuning.at_once} at once on {number} processes.",
            remedy=f"Make batch_size a multiple of {tuning.at_once * number}.",
        )
    return times
