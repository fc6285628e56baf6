"""What this machine can run: ``medgemma-tutorials doctor``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import textwrap
import threading
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helpers.errors import InputError
from helpers.prompts import MAX_SLICES
from helpers.storage import existing

_DISTRIBUTION = "medgemma-tutorials"
_PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
_CONNECT_SECONDS = 2.0
# Of helpers.endpoints and helpers.data, which a broken install may not load.
_SERVER_TOKENS = ("ENDPOINT_TOKEN", "DICOMWEB_TOKEN")
# Bytes of the bfloat16 weights of a 4B model (4.3 billion parameters), where no download tells them.
_WEIGHTS_4B = int(8.6e9)


def examine() -> dict[str, Any]:
    """Look at Python, packages, memory, GPU, disk, access and models; never at a token's value.

    Returns:
        Plain data with "problems": what is broken in the install, one sentence each, empty if nothing is. All else
        ("python", "packages", "device", "memory_gb", "hub", "server_tokens_present", "models", "time_of_4b")
        describes. Memory and disk are in GB (1e9).
    """
    problems: list[str] = []
    reachable: list[bool] = []
    # Looked up beside the slow import of torch; a name server that does not answer has no time-out of its own.
    probe = threading.Thread(target=lambda: reachable.append(_reachable()), daemon=True)
    deadline = time.monotonic() + _CONNECT_SECONDS + 0.5
    probe.start()
    packages = _packages(problems)
    device = _device(problems)
    hub, models = _hub_and_models(device, problems)
    probe.join(max(0.0, deadline - time.monotonic()))
    if hub:
        hub["reachable"] = bool(reachable and reachable[0])
    return {
        "python": {"version": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()},
        "packages": packages,
        "device": device,
        "memory_gb": _memory(),
        "hub": hub,
        "server_tokens_present": {name: bool(os.environ.get(name)) for name in _SERVER_TOKENS},
        "models": models,
        "time_of_4b": _time(device),
        "problems": problems,
    }


def report(findings: Mapping[str, Any], *, as_json: bool = False) -> str:
    """The findings of `examine` as lines to read, or as JSON."""
    if as_json:
        return json.dumps(findings, indent=2)
    python, device, memory, hub = (findings[k] for k in ("python", "device", "memory_gb", "hub"))
    named = ", ".join(f"{name} {p['installed'] or 'MISSING'}" for name, p in findings["packages"].items())
    rows = [
        ("Python", f"{python['version']} on {python['platform']}, {python['cpus']} CPUs"),
        ("Packages", named),
        ("GPU", device["description"]),
        ("Memory", f"{memory['free']:.1f} of {memory['total']:.1f} GB free" if memory else "unknown"),
    ]
    if hub:
        network = (
            "reachable" if hub["reachable"] else "not reachable: this machine is offline, or a proxy is not set"
        )
        if hub["offline_mode"]:
            network += " (and HF_HUB_OFFLINE is set: nothing will be downloaded)"
        rows += [
            ("Cache", f"{hub['cache']}, {hub['cache_free_gb']:.1f} GB free"),
            ("Token", "present" if hub["token_present"] else "none (needed for the gated MedGemma weights only)"),
            ("Network", f"{hub['host']} is {network}"),
        ]
    present = findings["server_tokens_present"]
    tokens = ", ".join(f"{name} {'present' if present[name] else 'none'}" for name in present)
    rows.append(("Servers", f"{tokens} (for a served model, and for a DICOMweb server that wants one)"))
    rows += [("Models", f"{name}: {text}") for name, text in findings["models"].items()]
    if how_long := findings["time_of_4b"]:
        rows.append(("Time", f"of a 4B model: {how_long['text']}"))
    lines = []
    for number, (name, text) in enumerate(rows):
        label = "" if number and rows[number - 1][0] == name else name
        lines += textwrap.wrap(
            text, 110, initial_indent=f"{label:<10}", subsequent_indent=" " * 10, break_long_words=False
        )
    lines += [f"PROBLEM   {problem}" for problem in findings["problems"]]
    lines.append("The install is broken: see above." if findings["problems"] else "The install is whole.")
    return "\n".join(lines)


def _packages(problems: list[str]) -> dict[str, dict[str, Any]]:
    """Each dependency with the range asked for and the version that is here."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        problems.append("packaging is missing: pip install -e .")
        return {}
    if _PYPROJECT.is_file():
        texts = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        texts = [t for t in importlib.metadata.requires(_DISTRIBUTION) or [] if "extra ==" not in t]
    found = {}
    for requirement in map(Requirement, texts):
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
            problems.append(f"{requirement.name} is missing: run make, or pip install -e .")
        if version and not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} is {version}; {requirement.specifier} is needed.")
        found[requirement.name] = {"wanted": str(requirement.specifier), "installed": version}
    return found


def _device(problems: list[str]) -> dict[str, Any]:
    """The device that models run on: "cuda", "mps" or "cpu"."""
    try:
        import torch
    except Exception as error:  # a damaged install fails in many ways: a library missing, a symbol not found
        problems.append(f"torch does not import ({type(error).__name__}: {error}).")
        return {"kind": "unknown", "description": "unknown: torch does not import"}
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name, runtime = torch.cuda.get_device_name(), torch.version.cuda or torch.version.hip
        text = f"{name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, CUDA {runtime}"
        more = torch.cuda.device_count() - 1
        return {
            "kind": "cuda",
            "description": text + (f", and {more} more" if more else ""),
            "name": name,
            "free_gb": round(free / 1e9, 1),
            "total_gb": round(total / 1e9, 1),
            "runtime": runtime,
        }
    if torch.backends.mps.is_available():
        return {"kind": "mps", "description": "Apple MPS, which shares the machine's memory"}
    built = "this torch is a CPU build" if not torch.version.cuda else "no driver or device for CUDA"
    return {"kind": "cpu", "description": f"none ({built})"}


def _memory() -> dict[str, float]:
    try:
        import psutil
    except ImportError:
        return {}
    memory = psutil.virtual_memory()
    return {"free": round(memory.available / 1e9, 1), "total": round(memory.total / 1e9, 1)}


def _hub_and_models(device: Mapping[str, Any], problems: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Access to Hugging Face, and for each model whether it is here and fits."""
    try:
        from huggingface_hub import constants, get_token

        from helpers import models as hub
    except Exception as error:  # as above: any of them means a damaged install
        problems.append(f"huggingface_hub does not import ({type(error).__name__}: {error}).")
        return {}, {}
    cache = Path(constants.HF_HUB_CACHE)
    disk = shutil.disk_usage(existing(cache))
    free_gb = round(disk.free / 1e9, 1)
    access = {
        "host": _host(),
        "offline_mode": bool(constants.HF_HUB_OFFLINE),
        "token_present": bool(get_token()),
        "cache": str(cache),
        "cache_free_gb": free_gb,
    }
    missing = hub.missing_files(hub.STANDIN_FOLDER) if hub.STANDIN_FOLDER.is_dir() else ["its folder"]
    standin = f"{', '.join(missing)} missing: make tiny trains it anew" if missing else "here, and fits everywhere"
    if missing:
        problems.append(f"The stand-in model is not whole ({', '.join(missing)} missing): run make tiny.")
    models = {hub.STANDIN: standin}
    for name in hub.REAL_MODELS:
        try:
            folder = hub.cached_model(name)
        except (InputError, ValueError):
            folder = None
        weights = hub.weight_bytes(folder) if folder else _WEIGHTS_4B
        where = "in the cache" if folder else f"not in the cache (a download of {weights / 1e9:.1f} GB)"
        if not folder and free_gb < weights * 1.05 / 1e9:
            where += f", for which {free_gb:.1f} GB of disk are too little"
        models[name] = f"{where}; {_fit(weights, device['kind'])}"
    return access, models


def _fit(weights: int, kind: str) -> str:
    """Whether ``weights`` bytes of bfloat16 weights fit, and in 4 bits, which is for CUDA alone."""
    from helpers.models import memory_for

    if kind == "unknown":
        return "whether it fits is unknown"
    whole = memory_for(weights, kind, quantized=False)
    text = f"bfloat16 needs {whole.needed_gb:.1f} GB for 85 slices: {'fits' if whole.fits else 'does not fit'}"
    if kind == "cuda":
        small = memory_for(weights, kind, quantized=True)
        text += f"; 4-bit needs {small.needed_gb:.1f} GB: {'fits' if small.fits else 'does not fit'}"
    return text


def _time(device: Mapping[str, Any]) -> dict[str, Any]:
    """How long a volume takes on this device, and from what that is computed; empty where nothing is known."""
    if device["kind"] == "unknown":
        return {}
    from helpers.course.model_time import HARDWARE, MEDGEMMA_4B, likely, measured_speed, minutes_on_cpu

    if device["kind"] == "mps":
        return {"text": "no time was measured on MPS, and no answer compared with those of another device"}
    if device["kind"] == "cpu":
        speed = measured_speed()
        volume, image = (minutes_on_cpu(speed, images) for images in (MAX_SLICES, 1))
        return {
            "text": f"about {_minutes(volume)} on this CPU for {MAX_SLICES} slices, {_minutes(image)} for one "
            "image, before the first word; computed from a matrix product and an attention measured just now "
            f"({speed.products / 1e9:.0f} and {speed.attention / 1e9:.0f} billion operations a second)",
            "minutes_for_85_slices": round(volume, 1),
            "minutes_for_one_image": round(image, 2),
        }
    words = device["name"].replace("-", " ").split()
    for gpu in HARDWARE:
        if gpu.name.split()[0] in words:
            found = likely(MEDGEMMA_4B, gpu)
            before = found.vision + found.reading
            return {
                "text": f"about {before:.0f} s for {MAX_SLICES} slices, {found.writing:.1f} s for 60 tokens of an "
                f"answer: estimated for transformers from the data sheet of the {gpu.name}, not measured",
                "seconds_for_85_slices": round(before, 1),
            }
    return {}


def _minutes(value: float) -> str:
    """Minutes in words, of two digits: an estimate has no more."""
    if value >= 90:
        return f"{value / 60:.1f} hours"
    return f"{value:.0f} minutes" if value >= 1.5 else f"{60 * value:.0f} seconds"


def _host() -> str:
    return urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname or "huggingface.co"


def _reachable() -> bool:
    """Whether Hugging Face, or the proxy that leads to it, accepts a connection."""
    from urllib.request import getproxies

    proxy = urlsplit(getproxies().get("https", ""))
    address = (proxy.hostname, proxy.port or 3128) if proxy.hostname else (_host(), 443)
    try:
        with socket.create_connection(address, timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
