"""Answers as a run keeps them, made for the tests of scores."""

from __future__ import annotations

from typing import Any


def closed(k: int, truth: str, said: str | None, *, condition: str = "bleeding", **more: Any) -> dict[str, Any]:
    """One answer to a yes-or-no question."""
    about = {"id": f"c{k}", "kind": "ct", "group": f"v{k}", "condition": condition, "form": "choice"}
    return {**about, "options": ["yes", "no"], "truth": truth, "parsed": said, "text": str(said), **more}
