"""The rehearsal's way through, on the stand-in: that no step of it breaks before the day a GPU is at hand."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.models import STANDIN_FOLDER
from tests.gpu.rehearsal import STEPS, rehearse


def test_every_step_of_the_rehearsal_runs(tmp_path: Path) -> None:
    rehearse(tmp_path, "cpu", folder=STANDIN_FOLDER)
    rows = [json.loads(line) for line in (tmp_path / "rehearsal.jsonl").read_text("utf-8").splitlines()]
    assert [row for row in rows if row["what"] == "failed"] == []
    assert {row["step"] for row in rows} == {"load", *(step.__name__ for step, _ in STEPS)}
    assert "the answers mean nothing" in (tmp_path / "rehearsal.md").read_text("utf-8")
