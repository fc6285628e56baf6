"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.cli import main
from helpers.models import loading as models


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, standin) -> Callable[..., tuple]:
    """Run the command and return its exit code, what it printed and what it said beside it."""
    load = models.load_model
    monkeypatch.setattr(models, "load_model", lambda name, **k: standin if name == "standin" else load(name, **k))

    def run(path: str | Path, question: str = "What is this?", *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()  # what the test printed before
        code = main(["ask", str(path), question, "--max-new-tokens", "12", *arguments])
        return code, *capsys.readouterr()

    return run


def refused(asked: Callable[..., tuple], path: str | Path, *arguments: str) -> str:
    code, out, err = asked(path, *(arguments or ("What is this?",)), "--json")
    assert (code, out) == (2, "")
    assert err.strip().count("error: ") == 1
    return err
