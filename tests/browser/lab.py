"""A real JupyterLab on loopback, on a copy of the notebooks, as `make lab` starts it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.loopback import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 180
# Every cell is in the page, so that a test and a picture can look at any of them.
SETTINGS = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}


class Lab:
    """A running server: its address, its token, its folder of notebooks and its log."""

    def __init__(self, url: str, token: str, notebooks: Path, log: Path) -> None:
        self.url, self.token, self.notebooks, self.log = url, token, notebooks, log

    def page(self, notebook: str) -> str:
        """The address that opens a notebook, by its name without ending, in a fresh workspace."""
        return f"{self.url}/lab/tree/{notebook}.ipynb?reset&token={self.token}"

    def end_kernels(self) -> None:
        """End what runs for the notebooks that were opened: each holds about a GB."""
        headers = {"Authorization": f"token {self.token}"}
        for session in requests.get(f"{self.url}/api/sessions", headers=headers, timeout=60).json():
            ended = requests.delete(f"{self.url}/api/sessions/{session['id']}", headers=headers, timeout=60)
            ended.raise_for_status()


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """JupyterLab of this environment, with nobody's own settings; ``folder`` keeps all that it writes.

    What is turned off in the environment (see Makefile) is off here too; nothing is turned off beyond that.
    """
    notebooks = shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{kind}_DIR": str(folder / kind.lower()) for kind in ("SETTINGS", "WORKSPACES")}
    for plugin, values in SETTINGS.items():
        path = folder / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--notebook-dir={notebooks}"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    environment = os.environ | own | {"JUPYTER_TOKEN": token, "PYTHONPATH": str(ROOT)}
    log = folder / "lab.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        lab = Lab(f"http://127.0.0.1:{port}", token, notebooks, log)
        _wait(process, lab)
        yield lab
    finally:
        process.terminate()  # it ends its kernels
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen, lab: Lab) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(f"{lab.url}/api", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start: {lab.log.read_text()[-2000:]}")
