"""Start a server on this machine, for the stand-in or any other model: ``medgemma-tutorials serve``.

The server is ``transformers serve``, or vLLM if that is installed and there is a CUDA GPU. It listens only on the
loopback address, so that no other machine can reach it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from huggingface_hub import constants

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.models.adapter_files import AdapterFiles, adapted_name, read_adapter
from helpers.models.context import context_for, served_images, served_length
from helpers.models.hub import STANDIN, find_model, is_standin, weight_bytes
from helpers.prompts import CONTEXT_BUDGET, CONTEXT_WINDOW

HOST = "127.0.0.1"
START_SECONDS = 600.0  # enough to load 4B weights from a slow disk
STOP_SECONDS = 10.0
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the ranks that vLLM can make room for


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str  # the address for the OpenAI client
    name: str  # the server's name for the model
    kind: str  # "transformers" or "vllm"
    log: Path
    process: subprocess.Popen

    @property
    def model(self) -> str:
        """The name of the served model, for ``load_model`` or for MODEL in a notebook."""
        return f"{ENDPOINT_PREFIX}{self.url}#{self.name}"


@contextmanager
def serve(
    model: str = STANDIN,
    port: int = 0,
    *,
    kind: str | None = None,
    adapter: str | os.PathLike[str] | None = None,
    context: int | None = None,
) -> Iterator[Served]:
    """Start a server, wait until it answers, and stop it at the end of the ``with`` block.

    The server also ends with this process, even if that is killed. Its output goes to a log file, which is removed
    at the end. A model with an adapter has both names, as in ``load_model``, and is served as a merged copy, which
    is also removed at the end. vLLM serves plain LoRA of the language model without a merged copy.

    Args:
        model: as for ``load_model``. It is downloaded first if needed.
        port: the port; 0 takes a free port.
        kind: "transformers" or "vllm"; by default the result of `best_kind`.
        adapter: folder of an adapter to put on the model.
        context: the most tokens of a prompt for which vLLM makes room, up to the model's window; by default
            32,768. ``transformers serve`` makes no room beforehand, and takes prompts as long as memory allows.

    Raises:
        InputError: packages are missing, the adapter does not fit, the port does not exist or is taken, the
            context is beyond the window, or the server ends before it answers (the error shows its last lines).
    """
    if not 0 <= port <= 65_535:
        raise InputError(
            f"Port {port} does not exist.", remedy="Choose a port up to 65535 with --port, or leave out --port."
        )
    kind, context = kind or best_kind(model), context_for(context, CONTEXT_WINDOW, model)
    _check_packages(kind)
    files = None if adapter is None else read_adapter(adapter)
    small_on_cpu = not _cuda()
    folder = find_model(model, device="cpu" if small_on_cpu else "cuda", quantized=False)
    port = port or _free_port()
    if not _is_free(port):
        raise InputError(f"Port {port} is taken.", remedy="Choose another port with --port, or leave out --port.")
    # A folder is served under its own name from the folder above it, so that no answer holds a path of this
    # machine.
    local = model == STANDIN or Path(model).is_dir()
    name, where = (folder.resolve().name, folder.resolve().parent) if local else (model, None)
    wide = (small_on_cpu and weight_bytes(folder) < 1e9) or (_cuda() and not _has_bfloat16())
    script = Path(__file__).with_name("server_process.py")
    Path(constants.HF_HUB_CACHE).mkdir(parents=True, exist_ok=True)  # without it /v1/models fails
    # The server needs no token, because the weights are already here.
    env = {k: v for k, v in os.environ.items() if not k.upper().endswith("_TOKEN")} | {"HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="medgemma-serve-", ignore_cleanup_errors=True) as scratch:
        lora: list[str] = []
        called = name if files is None else adapted_name(name, files.folder)
        if files and kind == "vllm" and files.only_matrices and files.rank <= LORA_RANKS[-1]:
            lora, where = _lora(files, called, model, folder, Path(scratch)), Path(scratch)
        elif files:
            name = called = _merged(files, called, model, Path(scratch))
            where = Path(scratch)
        arguments = command(kind, name, port, cpu=small_on_cpu, float32=wide, context=context) + lora
        log = Path(scratch) / "server.log"
        with log.open("wb") as stream:
            # -P: the server must not import from the folder above the model, which may be this package's own.
            process = subprocess.Popen(
                [sys.executable, "-P", str(script), *arguments],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=where,
                env=env,
            )
        served = Served(f"http://{HOST}:{port}/v1", called, kind, log, process)
        try:
            _wait_until_it_answers(served, port)
            yield served
        finally:
            _stop(process)


def _merged(adapter: AdapterFiles, called: str, model: str, scratch: Path) -> str:
    """Write the model with its adapter merged into ``scratch``; return the name of its folder."""
    from helpers.models.merging import merge

    return merge(model, adapter.folder, scratch / called.rpartition("/")[2]).name


def _lora(adapter: AdapterFiles, called: str, model: str, folder: Path, scratch: Path) -> list[str]:
    """vLLM's arguments for an adapter. vLLM starts in ``scratch``, so that no answer holds a path."""
    from helpers.models.adapters import check_base, folder_fingerprint

    check_base(adapter, model, folder_fingerprint(folder))
    link = called.rpartition("/")[2]
    (scratch / link).symlink_to(adapter.folder.absolute(), target_is_directory=True)
    if model == STANDIN or Path(model).is_dir():
        (scratch / folder.resolve().name).symlink_to(folder.resolve(), target_is_directory=True)
    rank = next(size for size in LORA_RANKS if size >= adapter.rank)
    return ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", f"{called}={link}"]


def command(
    kind: str, name: str, port: int, *, cpu: bool, float32: bool, context: int = CONTEXT_BUDGET
) -> list[str]:
    """The module and arguments that serve a model under ``name`` on ``port`` of this machine."""
    address = ["--host", HOST, "--port", str(port)]
    if kind == "vllm":
        images = json.dumps({"image": served_images(context)})
        limits = ["--limit-mm-per-prompt", images, "--max-model-len", str(served_length(context))]
        return ["vllm.entrypoints.cli.main", "serve", name, "--served-model-name", name, *limits, *address]
    device = ["--device", "cpu"] if cpu else []
    dtype = ["--dtype", "float32" if float32 else "bfloat16"]
    return ["transformers.cli.transformers", "serve", name, *device, *dtype, *address]


def best_kind(model: str) -> str:
    """``vllm`` where it is installed and can run the model, else ``transformers``.

    It can run MedGemma on a CUDA GPU that computes in bfloat16; not the stand-in, whose vocabulary lacks words and
    whose weights have other names than vLLM expects.
    """
    if importlib.util.find_spec("vllm") is None or not _cuda() or is_standin(model):
        return "transformers"
    return "vllm" if _has_bfloat16() else "transformers"


def _has_bfloat16() -> bool:
    from helpers.models.number_formats import computes_bfloat16  # loads torch, so only here

    return computes_bfloat16("cuda")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _check_packages(kind: str) -> None:
    wanted = ["vllm"] if kind == "vllm" else ["fastapi", "uvicorn", "openai"]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"To serve a model, {', '.join(missing)} must be installed.",
            remedy=f"Run: pip install {'vllm' if kind == 'vllm' else 'medgemma-tutorials[serving]'}",
        )


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):  # sets SO_REUSEADDR, as a restarted server does
            return True
    except OSError:
        return False


def _wait_until_it_answers(served: Served, port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if served.process.poll() is not None:
            words = served.log.read_text(errors="replace").strip().splitlines()[-15:]
            raise InputError(
                f"The server ended before it answered ({served.process.returncode}):\n" + "\n".join(words) + "\n",
                path=served.name,
                remedy="Correct the error that it names, and start it again.",
            )
        with suppress(OSError, HTTPException):
            connection = HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise InputError(f"The server did not answer within {START_SECONDS:g} s.", path=served.name)


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.stdin.close()  # this ends the server and its children at once
        process.wait()
    process.stdin.close()
