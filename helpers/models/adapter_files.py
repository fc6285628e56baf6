"""Read an adapter's folder: its files, its kind, and whether this program can load it exactly.

Only the names of the weights are loaded, so that errors appear before a model is loaded.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from helpers.errors import InputError
from helpers.storage import file_sha256

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # as peft names them
ADAPTER_RECORD = "training.json"  # in an adapter's folder: what it was trained on, and how

# These kinds act only in the layers that they change. Other kinds, such as prompt tuning, act when the adapted
# model is called. They would be lost where this package calls the model inside of it.
KINDS = ("LORA", "ADALORA", "LOHA", "LOKR", "OFT", "BOFT", "IA3", "HRA", "LN_TUNING", "TRAINABLE_TOKENS")
# With these settings of LoRA, an adapter is more than its matrices: it acts on some tokens only, draws random
# numbers, repeats layers, or imports a module by name.
BEYOND_MATRICES = (
    *("alora_invocation_tokens", "arrow_config", "monteclora_config", "velora_config", "kasa_config"),
    *("layer_replication", "megatron_config", "use_bdlora"),
)
# With any other value, training began by changing the base model's own weights, which the adapter does not hold.
PLAIN_STARTS = ("gaussian", "eva", "orthogonal")
_RELEASE = re.compile(r"medgemma-(1\.5-)?(\d+b)", re.IGNORECASE)


@dataclass(frozen=True)
class AdapterFiles:
    """The folder of a PEFT adapter that `read_adapter` has read and checked."""

    folder: Path
    config: dict[str, Any] = field(repr=False)  # adapter_config.json
    record: dict[str, Any] = field(repr=False)  # training.json of `helpers.finetuning`; empty for other trainers
    names: tuple[str, ...] = field(repr=False)  # of its weights

    @property
    def base(self) -> str:
        """The name of the model that the adapter was trained on, or "" if its files do not state it."""
        return str(self.record.get("base") or self.config.get("base_model_name_or_path") or "")

    @property
    def in_vision(self) -> bool:
        """Whether the adapter changes the vision tower."""
        return any("vision_tower" in name for name in self.names)

    @property
    def rank(self) -> int:
        """The largest rank of its matrices."""
        return max([self.config.get("r") or 0, *(self.config.get("rank_pattern") or {}).values()])

    @property
    def only_matrices(self) -> bool:
        """Whether the adapter is plain LoRA of the language model, which servers can load beside a model."""
        return (
            self.config["peft_type"] == "LORA"
            and not self.config.get("use_dora")
            and all(".lora_A." in name or ".lora_B." in name for name in self.names)
            and all("language_model" in name and "embed_tokens" not in name for name in self.names)
        )

    @property
    def can_merge(self) -> bool:
        """Whether the adapter can be merged into weights.

        It cannot if it has biases, because Gemma's layers have none.
        """
        return not self.config.get("lora_bias")

    def sha256(self) -> str:
        """The hash of its weights."""
        return file_sha256(self.folder / ADAPTER_WEIGHTS)


def adapted_name(model: str, adapter: str | os.PathLike[str] | None) -> str:
    """The name of a model with or without an adapter. Answers are stored under this name."""
    return model if adapter is None else f"{model}+{Path(adapter).absolute().name}"


def read_adapter(folder: str | os.PathLike[str]) -> AdapterFiles:
    """Read and check an adapter's folder.

    Raises:
        InputError: the folder holds no adapter, its weights are pickled or cut off, a file is not JSON, the kind
            of adapter changes more than layers, or its settings need more than its weights.
    """
    folder = Path(folder)
    _check_there(folder)
    config = _json(folder / ADAPTER_CONFIG)
    kind = config.get("peft_type")
    if kind not in KINDS:
        raise InputError(
            f"This program cannot load an adapter of the kind {kind}."
            if kind
            else "The adapter's settings do not state a peft_type.",
            path=folder / ADAPTER_CONFIG,
            remedy="Train an adapter that changes layers, such as LoRA." if kind else "Copy the folder again.",
        )
    beyond = [name for name in BEYOND_MATRICES if config.get(name)]
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in PLAIN_STARTS:
        raise InputError(
            f"The training changed the base model's own weights ({start}), but the adapter does not hold them.",
            path=folder,
            remedy="Save the adapter with peft's path_initial_model_for_weight_conversion.",
        )
    if beyond:
        raise InputError(
            f"The adapter uses {', '.join(beyond)}, so it holds more than its matrices, and this "
            "program cannot load it.",
            path=folder / ADAPTER_CONFIG,
            remedy="Merge the adapter with peft where it was trained, and give the merged model.",
        )
    record = _json(folder / ADAPTER_RECORD) if (folder / ADAPTER_RECORD).is_file() else {}
    try:
        with safe_open(folder / ADAPTER_WEIGHTS, "np") as weights:
            names = tuple(weights.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"The adapter's weights cannot be read ({error}).",
            path=folder / ADAPTER_WEIGHTS,
            remedy="Copy the adapter's folder again, whole.",
        ) from error
    if not names:
        raise InputError(
            "The adapter holds no weights.", path=folder, remedy="Save the adapter again where it was trained."
        )
    # Other trainers may also write a file with this name.
    return AdapterFiles(folder, config, record if "base_fingerprint" in record else {}, names)


def _check_there(folder: Path) -> None:
    # By os.path, because Path's methods raise for some texts.
    missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not os.path.isfile(folder / name)]  # noqa: PTH113
    if not missing:
        return
    if os.path.isfile(folder / "adapter_model.bin"):  # noqa: PTH113
        raise InputError(
            "The adapter's weights are a pickle, which can run code when it is read.",
            path=folder / "adapter_model.bin",
            remedy=f"Save the adapter as {ADAPTER_WEIGHTS}, as model.save_pretrained(folder) of a current "
            "peft does.",
        )
    if os.path.isfile(folder / "config.json"):  # noqa: PTH113
        raise InputError(
            "This is a whole model, not an adapter.",
            path=folder,
            remedy="Give the folder as the model, not as the adapter.",
        )
    there = os.path.isdir(folder)  # noqa: PTH112
    if parts := there and sorted(folder.glob("adapter_model*-of-*.safetensors")):
        raise InputError(
            f"The adapter's weights are in {len(parts)} files, first {parts[0].name}.",
            path=folder,
            remedy=f"Save the weights as one file, {ADAPTER_WEIGHTS}.",
        )
    if inside := there and sorted(str(config.parent) for config in folder.glob(f"*/{ADAPTER_CONFIG}")):
        raise InputError(
            f"This folder holds no adapter, but {len(inside)} of its subfolders do.",
            path=folder,
            remedy=f"Give one of these subfolders: {', '.join(inside[:5])}.",
        )
    raise InputError(
        f"This folder holds no adapter: the file {missing[0]} is missing.",
        path=folder,
        remedy="Give the folder of an adapter. To download one from Hugging Face, run: hf download NAME "
        "--local-dir DIR",
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"This is not JSON ({error}).", path=path, remedy="Copy the folder again.") from error
    if not isinstance(content, dict):
        raise InputError("This is not a JSON object.", path=path, remedy="Copy the folder again.")
    return content


def refuse_as_model(folder: Path) -> None:
    """Raise `InputError` if the folder of a model holds an adapter; the remedy says how to load the adapter."""
    if not (folder / ADAPTER_CONFIG).is_file():
        return
    try:
        base = str(_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "ITS BASE MODEL")
    except InputError:
        base = "ITS BASE MODEL"
    raise adapter_as_model(str(folder), base)


def adapter_as_model(name: str, base: str) -> InputError:
    """The error for an adapter that is given as a model."""
    return InputError(
        "This folder holds an adapter, not a whole model.",
        path=name,
        remedy=f"Give its base model as the model, and this folder as the adapter: --model {base} --adapter "
        f"{name}, or in Python load_model({base!r}, adapter={name!r}).",
    )


def release(name: str) -> str | None:
    """The release of MedGemma that a model's name or folder tells, such as "1.5-4b"; None for all others."""
    found = _RELEASE.search(Path(name).name)
    return f"{found[1] or ''}{found[2]}".lower() if found else None
