"""The folder of a run, with a record of its settings, and the step that puts the finished adapter in place."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState

from helpers.errors import InputError
from helpers.finetuning.readiness import is_quantized
from helpers.finetuning.training_data import Row
from helpers.finetuning.tuning import Tuning
from helpers.models import ADAPTER_RECORD, ChatModel, fingerprint
from helpers.storage import make_folder, write_json

PACKAGES = ("medgemma-tutorials", "transformers", "peft", "trl", "torch")
NAMES = {  # names of the record's parts, for errors
    "base": "model",
    "base_fingerprint": "weights of the model",
    "dtype": "number format",
    "quantized": "4-bit weights",
    "examples": "number of examples",
    "data": "examples",
    "versions": "versions of packages",
}


def make_record(chat: ChatModel, tuning: Tuning, rows: Sequence[Row], trained: int) -> dict[str, Any]:
    """The record of a run.

    It is written at the start, compared when the run continues, and stored with the adapter.
    """
    return {
        "base": chat.name,
        "base_fingerprint": fingerprint(chat.model),
        "dtype": str(chat.model.dtype).removeprefix("torch."),
        "quantized": is_quantized(chat),
        "settings": asdict(tuning),
        "examples": {"training": trained, "validation": len(rows) - trained},
        "data": _hash(rows),
        "versions": {name: version(name) for name in PACKAGES},
    }


def open_work(work: Path, record: dict[str, Any]) -> None:
    """Open the folder of a run; raises `InputError` if it holds an unfinished run with other settings."""
    path, state = make_folder(work) / ADAPTER_RECORD, PartialState()
    begun = path.is_file() or any((work / "checkpoints").glob("*"))
    if begun and (other := _differences(path, record)):
        raise InputError(
            f"This folder holds an unfinished run with other settings: {'; '.join(other)}.",
            path=work,
            remedy="Delete this folder, repeat the call of that run, or choose another output folder.",
        )
    state.wait_for_everyone()
    if state.is_main_process:
        write_json(path, record)
    state.wait_for_everyone()


def finish(trainer: Any, record: dict[str, Any], work: Path, output: Path) -> None:
    """Write the result under a temporary name, rename it, and remove the working folder."""
    whole, state = output.with_name(f".{output.name}.whole.partial"), PartialState()
    if state.is_main_process:
        shutil.rmtree(whole, ignore_errors=True)  # left by a run that was stopped here
    state.wait_for_everyone()
    trainer.save_model(str(whole))  # on all processes, because sharded weights are gathered from all of them
    if state.is_main_process:
        for file in ("training_args.bin", "README.md"):  # a pickle, and a model card with a path of this machine
            (whole / file).unlink(missing_ok=True)
        if (settings := whole / "adapter_config.json").is_file():  # it names a folder of this machine
            kept = json.loads(settings.read_text("utf-8")) | {"base_model_name_or_path": record["base"]}
            write_json(settings, kept)
        write_json(whole / ADAPTER_RECORD, record)
        whole.rename(output)
        shutil.rmtree(work)
    state.wait_for_everyone()


def _differences(path: Path, record: dict[str, Any]) -> list[str]:
    """The differences between the record at ``path`` and ``record``, in words."""
    try:
        there = json.loads(path.read_text("utf-8"))
        if not isinstance(there, dict) or not isinstance(there.get("settings"), dict):
            raise ValueError("it holds no settings")
    except (OSError, ValueError) as error:
        return [f"its record cannot be read ({error})"]
    was, now = (
        {name: value for name, value in one.items() if name != "settings"} | one["settings"]
        for one in (there, record)
    )
    return [
        f"{NAMES.get(name, name)}: {was.get(name)} before, {value} now"
        for name, value in now.items()
        if was.get(name) != value
    ]


def _hash(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.ids}{row.labels}{row.image_key}".encode())
    return digest.hexdigest()[:16]
