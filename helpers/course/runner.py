"""Run the notebooks in order with papermill, and report how each ended: ``medgemma-tutorials run``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import nbformat
import papermill

from helpers.course.notebook_files import NOTEBOOKS, choose_notebooks
from helpers.course.parameters import declared_parameters, given_parameters
from helpers.course.run_report import notebook_html, notebook_title, write_index
from helpers.course.side_by_side import side_by_side, threads_for_each
from helpers.course.watch import Watch
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
    jobs: int = 1,
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
        jobs: how many run at a time, at most. They share the cores of this machine, and another one begins only
            while there is memory for it.

    Returns:
        What ``summary.json`` holds: "notebooks", a list with notebook, title, status ("ok", "failed",
        "interrupted" or "not run"), error, seconds, peak_memory_mb (1e6 bytes of the kernel and its
        children, sampled five times a second, or every two seconds while there are children), parameters and
        results (the notebook's own ``results.json``); and the versions and machine it ran on. Token values are
        cut out of everything
        (`helpers.endpoints.redaction`).

    Raises:
        InputError: a notebook does not exist, no chosen notebook has a parameter, or ``jobs`` is below 1; then
            nothing was run.
    """
    if jobs < 1:
        raise InputError(
            f"The number of jobs is {jobs}, which is less than 1.", path="jobs", remedy="Give 1 or more."
        )
    paths = choose_notebooks(Path(folder), only)
    declared = {path: declared_parameters(path) for path in paths}
    given = given_parameters(model, parameters or {}, declared)
    output = Path(output).resolve()
    output.mkdir(parents=True, exist_ok=True)
    jobs = min(jobs, len(paths))
    summary = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": given.get("MODEL"),
        "versions": _versions(),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "notebooks_at_a_time": jobs},
        "notebooks": [_blank_record(path) for path in paths],
    }
    watches = [Watch(f"[{k}/{len(paths)}] {path.stem}", path) for k, path in enumerate(paths, start=1)]
    records = dict(zip(paths, summary["notebooks"], strict=True))
    threads = threads_for_each(jobs)

    def run(watch: Watch) -> None:
        _run_one(watch, records[watch.path], declared[watch.path], given, output, threads)

    def keep() -> dict[str, Any]:
        clean = without_tokens(summary)
        write_json(output / "summary.json", clean)
        write_index(clean, output)
        return clean

    keep()  # from the beginning, so that the folder of a killed run is known as one of a run
    try:
        with closing(side_by_side(run, watches, jobs)) as ended:
            for _ in ended:
                keep()
    finally:
        clean = keep()
    return clean


def _run_one(
    watch: Watch,
    record: dict[str, Any],
    known: Mapping[str, Any],
    given: Mapping[str, Any],
    output: Path,
    threads: int | None,
) -> None:
    """Run one notebook, fill in its record, and write its executed copies even if it fails."""
    path = watch.path
    own_folder = output / path.stem
    own_folder.mkdir(exist_ok=True)
    # The files of an earlier run must not count as those of this run.
    for stale in (own_folder / "results.json", output / f"{path.stem}.ipynb", output / f"{path.stem}.html"):
        stale.unlink(missing_ok=True)
    injected = {name: value for name, value in given.items() if name in known} | {"OUTPUT_DIR": str(own_folder)}
    record["parameters"] = {**known, **injected}
    record["status"], record["error"] = "interrupted", "interrupted"
    try:
        if "OUTPUT_DIR" not in known:
            raise InputError(
                "The notebook has no cell tagged 'parameters' that sets OUTPUT_DIR.",
                path=path.name,
                remedy="Give its parameters cell the tag parameters (in JupyterLab: Property Inspector, Cell "
                "Tags).",
            )
        with watch:
            papermill.execute_notebook(
                watch.notebook,
                None,  # no file, because only a copy without tokens is written, below
                parameters=injected,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=180,
                iopub_timeout=60,  # seconds; the default of 4 ends runs on a busy machine
                kernel_manager_class=watch.kernel(threads),
                on_notebook_start=watch.notebook_started,
                on_cell_start=watch.cell_started,
                coalesce_streams=True,  # a progress bar leaves its last state, not each one
            )
        record["results"] = _read_results(own_folder / "results.json")
        record["status"], record["error"] = "ok", None
    except Exception as error:
        if not watch.killed:
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


def _read_results(path: Path) -> dict[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("The notebook ended without writing results.json into its OUTPUT_DIR.") from None
    except ValueError as error:
        raise InputError(f"The notebook's results.json is not JSON ({error}).") from error
    if not isinstance(results, dict):
        raise InputError("The notebook's results.json does not hold a JSON object with names and figures.")
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
