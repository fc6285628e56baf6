"""Find or download the folder of a model. Access, memory and disk are checked before the download begins."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from huggingface_hub import HfApi, constants, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from helpers.errors import InputError, did_you_mean
from helpers.models.adapter_files import ADAPTER_CONFIG, adapter_as_model, refuse_as_model
from helpers.models.recordings import RECORDED_PREFIX
from helpers.storage import existing

STANDIN = "standin"
STANDIN_FOLDER = Path(__file__).resolve().parents[1] / "standin" / "standin_weights"
REAL_MODELS = ("google/medgemma-1.5-4b-it", "google/medgemma-4b-it")
MEDSIGLIP = "google/medsiglip-448"  # only a vision tower, for `helpers.embeddings`

# GB beside the weights for prompts of 85 slices (by each way to read them) and of 16 slices on Gemma 3 4B in
# bfloat16, as `helpers.models.prompt_memory` counts them. The last number is the memory of CUDA itself. All are
# computed, not measured.
SLICES_TOKENS = 22_420  # of 85 slices
PROMPT_GB, SMALL_PROMPT_GB = {"sdpa": 4.9, "flex_attention": 3.1}, 0.8
RUNTIME_GB = 0.6
# The files to download: weights as safetensors, and text files. Pickles are never downloaded.
_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]


def access_steps(name: str) -> str:
    """The three steps to a gated model."""
    return (
        "To get access:\n"
        f"  1. Sign in at https://huggingface.co/{name} and accept the Health AI Developer Foundations terms.\n"
        "  2. Make a read token at https://huggingface.co/settings/tokens.\n"
        "  3. Set it as HF_TOKEN in the environment (in Colab: the key icon on the left) and start again.\n"
        'Until then MODEL = "standin" runs everything.'
    )


def find_model(
    name: str,
    *,
    device: str,
    quantized: bool,
    token: str | None = None,
    endpoint: str | None = None,
    wide: bool = False,
) -> Path:
    """Folder of a model: the stand-in, a local folder, a cached download, or a new download.

    Raises:
        InputError: the name is unknown, there is no access or no connection, or memory or disk are too small. The
            next call continues an interrupted download.
    """
    check_name(name)
    if name == STANDIN:
        return STANDIN_FOLDER
    folder = Path(name) if Path(name).is_dir() else cached_model(name)
    if folder is None:
        return _download(name, device, quantized, token, endpoint, wide)
    check_memory(name, weight_bytes(folder), device, quantized, wide)
    return folder


def check_name(name: str) -> None:
    """Raise `InputError` unless ``name`` can be a model: the stand-in, a complete folder, or a name on Hugging
    Face.
    """
    if name == STANDIN:
        return
    if name.startswith(RECORDED_PREFIX):
        raise InputError(
            "Recorded replies have no weights, which this call needs.",
            path=name,
            remedy="Give the model's own name. Only load_model, ask, evaluate and run can use recorded replies.",
        )
    if os.path.isdir(name):  # noqa: PTH112 - Path's raises for some texts
        folder = Path(name)
        refuse_as_model(folder)
        if missing := missing_files(folder):
            raise InputError(
                f"The folder does not hold a complete model: {', '.join(missing)} missing.",
                path=folder,
                remedy="Save it with model.save_pretrained and processor.save_pretrained, or copy it again.",
            )
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or name.startswith("."):
        known = (STANDIN, *REAL_MODELS)
        raise InputError(
            "There is no such model.",
            path=name,
            remedy=f"{did_you_mean(name, known)}Use {', '.join(map(repr, known))}, "
            "or the folder of a saved model.",
        )


def missing_files(folder: Path) -> list[str]:
    """The files that ``folder`` lacks to be a complete model; empty if it is complete.

    Raises `InputError` where the list of its weights' files cannot be read.
    """
    either = [("config.json",), ("processor_config.json", "preprocessor_config.json")]
    if not is_siglip(folder):  # a SigLIP embeds images and needs no files for words
        either.append(("tokenizer.json", "tokenizer.model"))
    missing = [names[0] for names in either if not any((folder / name).is_file() for name in names)]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            missing += [s for s in shards if not (folder / s).is_file()]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(
                f"The list of the model's files cannot be read ({error}).", path=index, remedy="Copy it again."
            ) from error
    elif not (folder / "model.safetensors").is_file():
        missing.append("model.safetensors")
    return missing


def is_siglip(folder: Path) -> bool:
    """Whether a folder holds a SigLIP, which embeds images but cannot answer questions."""
    return str(_config(folder).get("model_type", "")).startswith("siglip")


def is_standin(name: str) -> bool:
    """Whether a model, by its name or the folder that it was saved in, is the stand-in."""
    return name == STANDIN or bool(_config(Path(name)).get("is_standin"))


def _config(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a folder; empty if it cannot be read."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def cached_model(name: str) -> Path | None:
    """The folder of a completely downloaded model, or None."""
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
    return None if missing_files(folder) else folder


def weight_bytes(folder: Path) -> int:
    """Bytes of a folder's safetensors files."""
    return sum(f.stat().st_size for f in folder.glob("*.safetensors"))


def _download(
    name: str, device: str, quantized: bool, token: str | None, endpoint: str | None, wide: bool
) -> Path:
    token = token or get_token()
    api = HfApi(endpoint=endpoint, token=token)
    try:
        api.auth_check(name)
        files = api.model_info(name, files_metadata=True).siblings or []
        if ADAPTER_CONFIG in {f.rfilename for f in files}:
            raise adapter_as_model(name, "ITS BASE MODEL")
        weights = sum(f.size or 0 for f in files if f.rfilename.endswith(".safetensors"))
        check_memory(name, weights, device, quantized, wide)
        _check_disk(name, weights)
        print(f"Downloading {name}: {weights / 1e9:.1f} GB of weights, which are then kept on disk.")
        return Path(snapshot_download(name, token=token, endpoint=endpoint, allow_patterns=_FILES))
    except InputError:
        raise
    except GatedRepoError as error:
        had = (
            "Your Hugging Face token has no access to this model."
            if token
            else "The model is gated, and no Hugging Face token is set."
        )
        raise InputError(had, path=name, remedy=access_steps(name)) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            "The model does not exist on Hugging Face, or your token has no access to it.",
            path=name,
            remedy=f"{did_you_mean(name, REAL_MODELS)}Check the spelling and the token. {access_steps(name)}",
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise InputError("Hugging Face refused your token.", path=name, remedy=access_steps(name)) from error
        raise InputError(
            f"Hugging Face answered with an error ({status}).", path=name, remedy="Try again in a few minutes."
        ) from error
    except Exception as error:
        # The hub's HTTP client raises errors of httpx or httpx2, which depends on the version of huggingface-hub.
        of_client = type(error).__module__.startswith("httpx")
        if not of_client and not isinstance(error, (OfflineModeIsEnabled, LocalEntryNotFoundError, OSError)):
            raise
        raise InputError(
            "The connection to Hugging Face failed or is switched off, and the cache does not hold "
            "the complete model.",
            path=name,
            remedy=f"{did_you_mean(name, REAL_MODELS)}Connect and start again (a download goes on where it "
            'stopped). Without a connection use MODEL = "standin".',
        ) from error


@dataclass(frozen=True)
class Memory:
    """The free memory of a device in GB, and the memory that a model needs on it."""

    needed_gb: float  # for 85 slices
    free_gb: float
    least_gb: float  # for 16

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.needed_gb <= self.free_gb


def memory_for(weights: int, device: str, quantized: bool, wide: bool = False) -> Memory:
    """The memory that a model needs on ``device`` for prompts of 85 and of 16 slices, and the memory that is free.

    The slices are counted as the device reads them: by blocks, or with dense masks (`helpers.models.prefill`).

    Args:
        weights: bytes of its weights in bfloat16. In 4 bits (NF4) 0.446 of them remain: the embeddings of words,
            the vision tower and the norms stay whole (0.7 in float32).
        device: "cuda", "mps" or "cpu".
        quantized: whether they are loaded in 4 bits.
        wide: whether it computes in float32.
    """
    share = {(False, False): 1.0, (False, True): 2.0, (True, False): 0.446, (True, True): 0.7}[quantized, wide]
    bare, times = weights * share / 1e9 + RUNTIME_GB, 2 if wide else 1
    way = "sdpa"
    if device.startswith("cuda"):
        import torch

        from helpers.models.prefill import expected_attention

        free, way = torch.cuda.mem_get_info(device)[0], expected_attention(torch.device(device), SLICES_TOKENS)
    else:
        free = psutil.virtual_memory().available
    return Memory(bare + PROMPT_GB[way] * times, free / 1e9, bare + SMALL_PROMPT_GB * times)


def check_memory(name: str, weights: int, device: str, quantized: bool, wide: bool = False) -> None:
    """Raise `InputError` if a model does not fit with 16 slices; the error says what would fit.

    A longer prompt is checked when it is asked (`helpers.models.prompt_memory`).
    """
    if weights < 1e9:  # the numbers for a large model do not fit a small one
        return
    memory = memory_for(weights, device, quantized, wide)
    if memory.least_gb <= memory.free_gb:
        return
    smaller = memory_for(weights, device, quantized=True, wide=wide)
    remedies = ['MODEL = "standin" fits.']
    if not quantized and device.startswith("cuda") and smaller.least_gb <= smaller.free_gb:
        remedies.insert(0, f"load_model(..., quantized=True) needs {smaller.least_gb:.1f} GB and fits.")
    kind = " in float32, as it has no bfloat16" if wide and device.startswith("cuda") else ""
    raise InputError(
        f"The model needs about {memory.least_gb:.1f} GB on {device}{kind} with 16 slices, and "
        f"{memory.needed_gb:.1f} GB with 85. Only {memory.free_gb:.1f} GB are free.",
        path=name,
        remedy="Close other programs that use the memory, or choose a smaller model. " + " ".join(remedies),
    )


def _check_disk(name: str, needed: int) -> None:
    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(existing(cache)).free
    if free < needed * 1.05:
        raise InputError(
            f"The download needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free at {cache}.",
            path=name,
            remedy="Free some space, or set HF_HOME to a folder on a larger disk.",
        )
