"""One run of `helpers.preparing.prepare`, with earlier results, tasks in work, and new results.

A shard is complete or absent. When all parts of a source are made or refused, its receipt is written into
``_done``, and at the end the receipts become the index. So if a run was killed at any moment, the same call
continues it, and the files are the same in the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.images import stands_alone
from helpers.parallel import Killed
from helpers.preparing.shards import Made, Task
from helpers.preparing.sources import MARK, Root, Source, digest, find_sources, parts_of, reason
from helpers.storage import Store, json_text

INDEX, QUARANTINE, DONE = "_index.jsonl", "_quarantine.jsonl", "_done"
ANOTHER = "Choose another output folder."
Receipt = dict[str, Any]  # path and state of a source, its parts, its problems, and files that are no images


@dataclass(frozen=True)
class Summary:
    """The numbers at the end of a run."""

    prepared: int  # volumes, slides and images that the output holds
    images: int
    made: int  # how many of them this run made
    gone: int  # how many of them have lost their source
    quarantined: int
    passed_over: int  # files that are not images
    output: str

    def __str__(self) -> str:
        """One line."""
        held = f"{self.prepared} prepared ({self.images} images, {self.made} new)"
        gone = f", {self.gone} kept although their source is gone" if self.gone else ""
        where = f" (see {self.output}/{QUARANTINE})" if self.quarantined else ""
        return (
            f"{held}{gone}, {self.quarantined} quarantined{where}, {self.passed_over} other files: {self.output}"
        )


@dataclass
class _Open:
    """A source whose parts are in work."""

    receipt: Receipt
    left: int
    files: ExitStack  # keeps the files on this machine


class Run:
    """One run, with earlier results, tasks in work, and new results."""

    def __init__(
        self, root: Root, store: Store, modality: str | None, settings: dict[str, Any], retry: bool
    ) -> None:
        self.root, self.store, self.modality, self.settings, self.retry = root, store, modality, settings, retry
        made_with = {"root": root.key, "settings": settings}
        if store.is_at(root.system, root.path):
            raise InputError(
                "The output folder is the same as the folder with the images.", path=store.address, remedy=ANOTHER
            )
        if store.has(MARK):
            _check_same(json.loads(store.read(MARK)), made_with, store.address)
        elif any(not name.startswith(".") for name in store.names()):
            raise InputError(
                "The folder holds other files, which prepare did not write.", path=store.address, remedy=ANOTHER
            )
        else:
            store.write(MARK, json.dumps({**made_with, "version": version("medgemma-tutorials")}, indent=2) + "\n")
        for folder in ("", DONE):
            store.remove_partial(folder)
        self.receipts = _known(store)
        self.found: set[str] = set()
        self.open: dict[str, _Open] = {}
        self.made = 0

    def tasks(self) -> Iterator[Task]:
        """The tasks of this run, source by source."""
        for source in find_sources(self.root):
            self.found.add(source.path)
            nifti = source.path.endswith((".nii", ".nii.gz"))
            state = digest(source.state, self.modality if nifti else None)
            before = self.receipts.get(source.path)
            if before and before["state"] == state and not (self.retry and before["problems"]):
                continue
            yield from self._tasks_of(source, state)

    def _tasks_of(self, source: Source, state: str) -> Iterator[Task]:
        stack, parts, problems, passed_over = ExitStack(), [], [(source.path, source.problem)], 0
        folder = Path()
        try:
            if not source.problem:
                folder = stack.enter_context(self.root.local(source))
                found = parts_of(source, folder, self.modality, self.settings["reading"]["mpp"])
                parts, problems, passed_over = found.parts, found.problems, found.passed_over
        except Exception as error:  # one source that cannot be read must not stop the others
            problems = [(source.path, reason(error, folder))]
        receipt: Receipt = {"source": source.path, "state": state, "parts": [], "passed_over": passed_over}
        receipt["problems"] = [_problem(path, why) for path, why in problems if why]
        self.open[source.path] = _Open(receipt, len(parts), stack)
        facts = {folder / name: (name, *rest) for name, *rest in source.files}
        for path, part in parts:
            own = source.files if stands_alone(source.path) else [facts[file] for file in part.files]
            stamp = digest(part.kind, *own)
            yield Task(source.path, path, part, str(folder), stamp, self.settings, self.store.address)
        if not parts:
            self._close(source.path)

    def take(self, made: Made | Killed) -> None:
        """Note the result of a task."""
        if isinstance(made, Killed):
            made = Made(
                made.item,
                reason="The process that read the file was killed, because of damaged data or for lack of memory.",
            )
        task, receipt = made.task, self.open[made.task.source].receipt
        if made.reason:
            receipt["problems"].append(_problem(task.path, made.reason))
        else:
            part = {"path": task.path, "kind": task.part.kind, "count": made.images, "shard": task.shard}
            receipt["parts"].append(part | {"series": task.part.uid, "notes": made.notes})
            self.made += 1
        self.open[task.source].left -= 1
        if not self.open[task.source].left:
            self._close(task.source)

    def _close(self, source: str) -> None:
        done = self.open.pop(source)
        done.files.close()
        for key in ("parts", "problems"):  # results come in any order
            done.receipt[key].sort(key=lambda entry: entry["path"])
        self.store.write(f"{DONE}/{digest(source)}.json", json_text(done.receipt))
        self.receipts[source] = done.receipt

    def finish(self) -> Summary:
        """Hold back series that are in several places, and write the index."""
        self._hold_back_scattered()
        for path in self.receipts.keys() - self.found:
            self.receipts[path]["problems"] = []  # nobody can correct a file that no longer exists
        kept = (path for path, receipt in self.receipts.items() if path in self.found or receipt["parts"])
        receipts = [self.receipts[path] for path in sorted(kept)]
        problems = [problem for receipt in receipts for problem in receipt["problems"]]
        parts = [part for receipt in receipts for part in receipt["parts"]]
        passed_over = sum(receipt["passed_over"] for receipt in receipts)
        if not parts and not problems:
            raise InputError(
                f"No image was found ({passed_over} files were looked at).",
                path=self.root.path,
                remedy="Give a folder of DICOM series, NIfTI, whole slides or 2D images.",
            )
        self.store.write(INDEX, _lines(receipts))
        self.store.write(QUARANTINE, _lines(problems))
        shards = {name for name in self.store.names() if name.endswith(".parquet")}
        self.store.remove(shards - {part["shard"] for part in parts})
        self.store.remove(f"{DONE}/{name}" for name in self.store.names(DONE))
        self.store.remove_partial()  # left by a killed process
        return Summary(
            prepared=len(parts),
            images=sum(part["count"] for part in parts),
            made=self.made,
            gone=sum(len(r["parts"]) for r in receipts if r["source"] not in self.found),
            quarantined=len(problems),
            passed_over=passed_over,
            output=self.store.address,
        )

    def _hold_back_scattered(self) -> None:
        """Hold back series with files in several folders, because none is complete. A missing source was moved."""
        homes: dict[str, set[str]] = {}
        for path, receipt in self.receipts.items():
            for part in receipt["parts"]:
                if part["series"] and part["kind"] != "image":
                    homes.setdefault(part["series"], set()).add(path)
        for series, paths in homes.items():
            present = sorted(paths & self.found)
            held_back = paths if len(present) > 1 else paths - self.found if present else set()
            for path in held_back:
                receipt = self.receipts[path]
                lost = [part for part in receipt["parts"] if part["series"] == series]
                receipt["parts"] = [part for part in receipt["parts"] if part not in lost]
                others = " and ".join(other for other in present if other != path)
                why = (
                    f"Files of this series lie in other folders too: {others}. Move them into one folder, and run "
                    "prepare again with --retry."
                )
                if path in self.found:
                    receipt["problems"] += [_problem(part["path"], why) for part in lost]


def _problem(path: str, why: str) -> dict[str, str]:
    return {"path": path, "reason": why.removeprefix(f"{path}: ")}


def _check_same(before: dict[str, Any], now: dict[str, Any], output: str) -> None:
    if before["root"] != now["root"]:
        what = "from another folder"
    else:
        old, new = before["settings"], now["settings"]
        changed = [
            f"{key} {old.get(key)}, not {new.get(key)}" for key in {**old, **new} if old.get(key) != new.get(key)
        ]
        if not changed:
            return
        what = f"with {'; '.join(changed)}"
    raise InputError(f"This output was made {what}.", path=output, remedy=ANOTHER)


def _known(store: Store) -> dict[str, Receipt]:
    """The receipts of earlier runs by source, without sources that have lost a shard."""
    texts = store.read(INDEX).splitlines() if store.has(INDEX) else []
    # These are newer than the index.
    texts += store.read_all(sorted(f"{DONE}/{name}" for name in store.names(DONE)))
    receipts = {receipt["source"]: receipt for receipt in map(json.loads, texts)}
    shards = store.names()
    return {k: r for k, r in receipts.items() if all(part["shard"] in shards for part in r["parts"])}


def _lines(entries: Iterable[dict[str, Any]]) -> str:
    return "".join(json_text(entry) + "\n" for entry in entries)
