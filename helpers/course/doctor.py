"""Report what this machine can run: ``medgemma-tutorials doctor``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helpers.course.device import unknown
from helpers.course.extras import extras_here, requirements, version_of
from helpers.errors import InputError
from helpers.storage import existing

_CONNECT_SECONDS = 2.0
# The folders from which this process loads modules, so that no file of the current folder replaces them.
_LOOK = (
    "import json, sys; sys.path, weights = json.load(sys.stdin); "
    "from helpers.course.device import look; print(json.dumps(look(weights)))"
)
# Copied from helpers.endpoints and helpers.data, which a broken install may not be able to load.
_SERVER_TOKENS = ("ENDPOINT_TOKEN", "DICOMWEB_TOKEN")
# Bytes of the bfloat16 weights of a 4B model (4.3 billion parameters), where no download tells them.
_WEIGHTS_4B = int(8.6e9)


def examine() -> dict[str, Any]:
    """Check Python, packages, memory, GPU, disk, access and models. Token values are never read out.

    Returns:
        Plain data with "problems": what is broken in the install, one sentence each, empty if nothing is. All else
        ("python", "packages", "extras", "device", "memory_gb", "hub", "server_tokens_present", "models",
        "time_of_4b") describes. Memory and disk are in GB (1e9).
    """
    problems: list[str] = []
    reachable: list[bool] = []
    # This is checked during the slow import of torch, because a name server that does not answer has no time-out.
    probe = threading.Thread(target=lambda: reachable.append(_reachable()), daemon=True)
    deadline = time.monotonic() + _CONNECT_SECONDS + 0.5
    probe.start()
    packages, extras = _packages(problems), extras_here()
    hub, found, weights = _hub_and_models(problems)
    seen = _by_torch(weights)
    if seen["problem"]:
        problems.append(seen["problem"])
    models = {name: "; ".join(filter(None, (text, seen["fits"].get(name)))) for name, text in found.items()}
    probe.join(max(0.0, deadline - time.monotonic()))
    if hub:
        hub["reachable"] = bool(reachable and reachable[0])
    return {
        "python": {"version": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()},
        "packages": packages,
        "extras": extras,
        "device": seen["device"],
        "memory_gb": _memory(),
        "hub": hub,
        "server_tokens_present": {name: bool(os.environ.get(name)) for name in _SERVER_TOKENS},
        "models": models,
        "time_of_4b": seen["time_of_4b"],
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
            "reachable"
            if hub["reachable"]
            else "not reachable, because this machine is offline or needs a proxy setting"
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
    for name, extra in findings["extras"].items():
        missing = f"not installed ({', '.join(extra['missing'])} missing): {extra['install']}"
        rows.append(("Extras", f"{name}: {'installed' if extra['installed'] else missing}"))
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
    lines.append(
        "The install is broken; the lines above say why." if findings["problems"] else "The install is complete."
    )
    return "\n".join(lines)


def _packages(problems: list[str]) -> dict[str, dict[str, Any]]:
    """Each dependency with its required range and its installed version."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        problems.append("The package packaging is missing. Run: pip install -e .")
        return {}
    found = {}
    for requirement in map(Requirement, requirements()[0]):
        version = version_of(requirement.name)
        if version is None:
            problems.append(f"{requirement.name} is missing. Run: make, or pip install -e .")
        if version and not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} has version {version}, but {requirement.specifier} is needed.")
        found[requirement.name] = {"wanted": str(requirement.specifier), "installed": version}
    return found


def _memory() -> dict[str, float]:
    try:
        import psutil
    except ImportError:
        return {}
    memory = psutil.virtual_memory()
    return {"free": round(memory.available / 1e9, 1), "total": round(memory.total / 1e9, 1)}


def _by_torch(weights: Mapping[str, int]) -> dict[str, Any]:
    """What torch finds on this machine, asked in a separate process."""
    given = json.dumps([sys.path, weights])
    run = subprocess.run([sys.executable, "-P", "-c", _LOOK], input=given, capture_output=True, text=True)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [""])[-1]
        return unknown(weights, f"its process ended with {run.returncode}: {last}".rstrip(": "))
    return json.loads(run.stdout.splitlines()[-1])


def _hub_and_models(problems: list[str]) -> tuple[dict[str, Any], dict[str, str], dict[str, int]]:
    """Access to Hugging Face; for each model whether it is here, and the bytes of those that may not fit."""
    try:
        from huggingface_hub import constants, get_token

        from helpers import models as hub
    except Exception as error:  # as above, any error means a damaged install
        problems.append(f"huggingface_hub does not import ({type(error).__name__}: {error}).")
        return {}, {}, {}
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
    standin = (
        f"{', '.join(missing)} missing; make tiny trains the model again"
        if missing
        else "installed, and small enough for every machine"
    )
    if missing:
        problems.append(f"The stand-in model is not complete ({', '.join(missing)} missing). Run: make tiny")
    models, weights = {hub.STANDIN: standin}, {}
    for name in hub.REAL_MODELS:
        try:
            folder = hub.cached_model(name)
        except (InputError, ValueError):
            folder = None
        weights[name] = hub.weight_bytes(folder) if folder else _WEIGHTS_4B
        where = "in the cache" if folder else f"not in the cache (a download of {weights[name] / 1e9:.1f} GB)"
        if not folder and free_gb < weights[name] * 1.05 / 1e9:
            where += f", but only {free_gb:.1f} GB of disk are free"
        models[name] = where
    return access, models, weights


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
