"""Run the notebooks in order with papermill and say how each one ended: ``medgemma-tutorials run``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

from helpers.course.notebook_files import NOTEBOOKS, choose_notebooks
from helpers.course.parameters import declared_parameters, given_parameters
from helpers.course.run_report import notebook_html, notebook_title, write_index
from helpers.endpoints import without_tokens
from helpers.errors import InputError
from helpers.storage import whole_file, write_json

_VERSIONS_OF = ("medgemma-tutorials", "torch", "transformers", "pydicom", "openslide-python", "papermill")


def run_notebooks(
    output: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] = NOTEBOOKS,
    only: Sequence[str] = (),
    model: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run ``folder``'s notebooks (`find_notebooks`) in order, each in a fresh kernel of this interpreter.

    A kernel works in the notebook's own folder, as in JupyterLab. One that fails does not stop the next.

    Args:
        output: gets ``<stem>.ipynb`` and ``<stem>.html`` (executed), the folder ``<stem>/`` that the notebook is
            given as OUTPUT_DIR, ``index.html`` and ``summary.json``. The summary is rewritten after each
            notebook, so it is right after an interruption too.
        only: numbers or names of the notebooks to run ("02", "3b", "02_ct_volume_prompting"); all if empty.
        model: given to every notebook as MODEL.
        parameters: further parameters, each given to the notebooks that have it.

    Returns:
        What ``summary.json`` holds: "notebooks", a list with notebook, title, status ("ok", "failed",
        "interrupted" or "not run"), error, seconds, peak_memory_mb (1e6 bytes resident in the kernel and its
        children, sampled ten times a second), parameters and results (the notebook's own ``results.json``);
        and the versions and machine it ran on. Token values are cut out of everything
        (`helpers.endpoints.redaction`).

    Raises:
        InputError: no such notebook, or a parameter that no chosen notebook has; nothing has run then.
    """
    paths = choose_notebooks(Path(folder), only)
    declared = {path: declared_parameters(path) for path in paths}
    given = given_parameters(model, parameters or {}, declared)
    output = Path(output).resolve()
    output.mkdir(parents=True, exist_ok=True)
    summary = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": given.get("MODEL"),
        "versions": _versions(),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "notebooks": [_blank_record(path) for path in paths],
    }
    for number, path in enumerate(paths, start=1):
        known = declared[path]
        injected = {name: value for name, value in given.items() if name in known}
        record = summary["notebooks"][number - 1]
        label = f"[{number}/{len(paths)}] {path.stem}"
        try:
            _run_one(path, record, known, injected, output, label)
        finally:
            clean = without_tokens(summary)
            write_json(output / "summary.json", clean)
            write_index(clean, output)
    return clean


def _run_one(
    path: Path,
    record: dict[str, Any],
    known: Mapping[str, Any],
    injected: dict[str, Any],
    output: Path,
    label: str,
) -> None:
    """Run one notebook, fill in its record, and write its executed copies whatever the ending."""
    own_folder = output / path.stem
    own_folder.mkdir(exist_ok=True)
    # What an earlier run left here must not pass for this one's.
    for stale in (own_folder / "results.json", output / f"{path.stem}.ipynb", output / f"{path.stem}.html"):
        stale.unlink(missing_ok=True)
    injected = {**injected, "OUTPUT_DIR": str(own_folder)}
    record["parameters"] = {**known, **injected}
    watch = _Watch(label, nbformat.read(path, as_version=4))
    record["status"], record["error"] = "interrupted", "interrupted"
    try:
        if "OUTPUT_DIR" not in known:
            raise InputError(
                "The notebook has no cell tagged 'parameters' that sets OUTPUT_DIR.",
                path=path.name,
                remedy="Tag its parameters cell (Property Inspector, Cell Tags).",
            )
        with watch:
            papermill.execute_notebook(
                watch.notebook,
                None,  # no file: only what has passed without_tokens is written, below
                parameters=injected,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=path.parent,
                start_timeout=180,
                iopub_timeout=60,  # seconds; the default of 4 ends runs on a busy machine
                kernel_manager_class=_OwnKernel,
                on_notebook_start=watch.notebook_started,
                on_cell_start=watch.cell_started,
                coalesce_streams=True,  # a progress bar leaves its last state, not each one
            )
        record["results"] = _read_results(own_folder / "results.json")
        record["status"], record["error"] = "ok", None
    except Exception as error:
        record["status"], record["error"] = "failed", watch.explain(error)
    finally:
        _remove_tokens(own_folder / "results.json")
        record |= {"seconds": round(watch.seconds, 1), "peak_memory_mb": round(watch.peak_bytes / 1e6)}
        executed = nbformat.from_dict(without_tokens(watch.notebook))
        with whole_file(output / f"{path.stem}.ipynb") as partial:
            nbformat.write(executed, partial)
        with whole_file(output / f"{path.stem}.html") as partial:
            partial.write_text(notebook_html(executed, record["title"]), encoding="utf-8")
        watch.close(without_tokens(record))


class _OwnKernel(AsyncKernelManager):
    """A kernel of the running interpreter, whatever a kernelspec installed as "python3" points to."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**get_kernel_dict(extra_arguments=["--log-level=CRITICAL"]))


class _Watch:
    """Follows one notebook: the cell it is at, the time, the memory; and prints that as one line."""

    def __init__(self, label: str, notebook: Any) -> None:
        self.label = label
        self.notebook = notebook
        self.cells = len(notebook.cells)
        self.cell: tuple[int, str] | None = None
        self.seconds = 0.0
        self.peak_bytes = 0
        self._live = sys.stdout.isatty()
        self._done = threading.Event()

    def __enter__(self) -> _Watch:
        self._start = time.perf_counter()
        self._others = set(psutil.Process().children())
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        if not self._live:
            print(f"{self.label}: {self.cells} cells", flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._sampler.join()
        self.seconds = time.perf_counter() - self._start

    def notebook_started(self, notebook: Any) -> None:
        """Keep hold of the notebook being executed: papermill returns it only when nothing fails."""
        self.notebook = notebook

    def cell_started(self, cell: Any, cell_index: int) -> None:
        """Note the cell's number as a reader of the notebook counts it, every kind of cell from 1."""
        before = self.notebook.cells[: cell_index + 1]
        number = sum("injected-parameters" not in c.metadata.get("tags", []) for c in before)
        lines = cell.source.strip().splitlines()
        self.cell = number, lines[0] if lines else ""

    def explain(self, error: Exception) -> str:
        """One line: the cell (its number and first line) and the error."""
        if isinstance(error, papermill.PapermillExecutionError):
            what = f"{error.ename}: {error.evalue}"
        elif isinstance(error, DeadKernelError):
            what = "the kernel died, most often for want of memory"
        else:
            what = f"{type(error).__name__}: {error}"
        if isinstance(error, InputError) or self.cell is None:
            return str(error)
        number, line = self.cell
        return f"cell {number} of {self.cells} ({line}): {what}"

    def close(self, record: Mapping[str, Any]) -> None:
        """Print how the notebook ended."""
        line = f"{self.label}: {record['status']}, {record['seconds']:.1f} s, {record['peak_memory_mb']} MB"
        if record["error"] and record["status"] == "failed":
            line += f"\n    {record['error']}"
        print(f"\r\x1b[K{line}" if self._live else line, flush=True)

    def _sample(self) -> None:
        while not self._done.wait(0.1):
            self.peak_bytes = max(self.peak_bytes, self._tree_bytes())
            if self._live:
                at = f"cell {self.cell[0]} of {self.cells}" if self.cell else "starting"
                print(f"\r\x1b[K{self.label}: {at}, {time.perf_counter() - self._start:.0f} s", end="", flush=True)

    def _tree_bytes(self) -> int:
        """Resident bytes of the processes started since the notebook began: the kernel and its children."""
        total = 0
        for child in set(psutil.Process().children()) - self._others:
            try:
                total += sum(p.memory_info().rss for p in (child, *child.children(recursive=True)))
            except psutil.Error:  # it ended between the listing and the look
                continue
        return total


def _read_results(path: Path) -> dict[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("The notebook ended without writing results.json into its OUTPUT_DIR.") from None
    except ValueError as error:
        raise InputError(f"The notebook's results.json is not JSON ({error}).") from error
    if not isinstance(results, dict):
        raise InputError("The notebook's results.json holds no object of names and figures.")
    return results


def _remove_tokens(path: Path) -> None:
    if path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace")
        if (clean := without_tokens(text)) != text:
            with whole_file(path) as partial:
                partial.write_text(clean, encoding="utf-8")


def _blank_record(path: Path) -> dict[str, Any]:
    return {
        "notebook": path.name,
        "title": notebook_title(nbformat.read(path, as_version=4)) or path.stem,
        "status": "not run",
        "error": None,
        "seconds": 0.0,
        "peak_memory_mb": 0,
        "parameters": {},
        "results": {},
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _VERSIONS_OF:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
