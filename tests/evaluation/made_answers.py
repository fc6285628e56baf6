"""Answers as a run keeps them, made for the tests of scores."""

from __future__ import annotations

from typing import Any


def closed(k: int, truth: str, said: str | None, *, condition: str = "bleeding", **more: Any) -> dict[str, Any]:
    """One answer to a yes-or-no question."""
    about = {"id": f"c{k}", "kind": "ct", "group": f"v{k}", "condition": condition, "form": "choice"}
    return {**about, "options": ["yes", "no"], "truth": truth, "parsed": said, "text": str(said), **more}


def number(
    k: int, truth: float, said: float | None, *, unit: str = "mm", tolerance: float = 0, **more: Any
) -> dict[str, Any]:
    """One answer to a question for a number."""
    return {**closed(k, "", None, condition="lesion"), "form": "number", "options": []} | {
        "truth": truth,
        "parsed": said,
        "unit": unit,
        "tolerance": tolerance,
        **more,
    }
