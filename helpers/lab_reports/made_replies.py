"""Invent replies: take the truth of made reports, and put in errors by chance from a seed.

They stand in for a model, because the stand-in model cannot read text. `ErrorRates` says how often they are wrong.
So their scores show whether the scoring works, and say nothing about any model.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.lab_reports.replies import as_reply
from helpers.lab_reports.schema import FIELDS, LabRow
from helpers.models import About, Recorder
from helpers.prompts import CONTEXT_BUDGET, IMAGE_TOKENS, MAX_NEW_TOKENS, Message, Reply

MODEL = "made replies (no model wrote them)"
_LOOKS_LIKE = {"0": "8", "1": "7", "2": "7", "3": "8", "4": "9", "5": "6", "6": "5", "7": "1", "8": "3", "9": "4"}
_HARDER = {
    "clean": 0.4,
    "skewed": 0.8,
    "noisy": 1.2,
    "blurred": 1.8,
    "stamped": 1.2,
    "faint": 2.0,
}  # the rates are multiplied by these


@dataclass(frozen=True)
class ErrorRates:
    """How often a made reply is wrong, on a page of medium quality. Each number is a chance from 0 to 1."""

    row_missing: float = 0.03
    row_invented: float = 0.01
    digit: float = 0.03  # a digit of the value becomes one that looks similar
    decimal_sign: float = 0.015  # the value loses its point or comma
    letter: float = 0.03  # a letter of the name is wrong
    unit: float = 0.05  # the unit is that of another row, or missing
    range: float = 0.05  # the range is that of the row below
    flag: float = 0.06  # the flag is missing, or there is one too many
    fenced: float = 0.5  # the list is in a block of code, with words around it
    sloppy: float = 0.2  # the JSON has a comma too many, or Python's quotes
    truncated: float = 0.05
    refused: float = 0.03  # the reply has words, but no list


def made_reply(rows: Sequence[LabRow], seed: int, *, scan: str = "skewed", rates: ErrorRates | None = None) -> str:
    """Make a reply to a page with these rows. ``seed`` draws the errors; a worse ``scan`` makes them likelier."""
    rates, rng = rates or ErrorRates(), np.random.default_rng([seed, 13])
    often = _HARDER[scan]
    said = [
        _spoiled(rows, k, rates, often, rng) for k in range(len(rows)) if rng.random() >= often * rates.row_missing
    ]
    if rows and rng.random() < often * rates.row_invented * len(rows):
        said.append(rows[0].model_copy(update={"test": "Magnesium", "value": "0.8"}))
    text = as_reply(said)
    if rng.random() < rates.refused:
        return "The image shows a laboratory report. I cannot read its values with certainty."
    if rng.random() < rates.sloppy:
        text = text.replace("\n }", ",\n }") if rng.random() < 0.5 else _as_python(said)
    if rng.random() < rates.truncated:
        return f"```json\n{text[: int(len(text) * rng.uniform(0.5, 0.95))]}"
    if rng.random() < rates.fenced:
        return f"Here are the tests of the report:\n\n```json\n{text}\n```"
    return text


def record_made_replies(pairs: Iterable[tuple[Sequence[Message], str]], folder: str | os.PathLike[str]) -> None:
    """Write prompts with their made replies into a folder of recorded replies, for ``"recorded:FOLDER"``.

    ``about.json`` names them "made replies (no model wrote them)", so that nobody takes them for replies of a
    model. Raises `InputError` if the folder already holds the replies of a model.
    """
    about = About(
        model=MODEL,
        revision="none",
        is_standin=False,
        dtype="no format",
        device="no GPU",
        context=CONTEXT_BUDGET,
        image_tokens=IMAGE_TOKENS,
        wrapper_tokens=0,
        versions={},
        date=time.strftime("%Y-%m-%d"),
    )
    recorder = Recorder(folder, about)
    for messages, text in pairs:
        recorder.keep(messages, MAX_NEW_TOKENS, Reply(text, "", IMAGE_TOKENS, 0, 0.0, True))


def _spoiled(rows: Sequence[LabRow], k: int, rates: ErrorRates, often: float, rng: np.random.Generator) -> LabRow:
    """Row ``k`` as the reply has it. Each cell has its own chance of an error."""
    row, below = rows[k], rows[(k + 1) % len(rows)]
    wrong = {name: rng.random() < often * getattr(rates, name) for name in ("digit", "decimal_sign", "letter")}
    wrong |= {name: rng.random() < often * getattr(rates, name) for name in ("unit", "range", "flag")}
    cells = {name: getattr(row, name) for name in FIELDS}
    if wrong["digit"]:
        places = [i for i, sign in enumerate(row.value) if sign in _LOOKS_LIKE]
        if places:
            at = int(rng.choice(places))
            cells["value"] = f"{row.value[:at]}{_LOOKS_LIKE[row.value[at]]}{row.value[at + 1 :]}"
    elif wrong["decimal_sign"]:
        cells["value"] = row.value.replace(",", "").replace(".", "")
    if wrong["letter"] and len(row.test) > 3:
        at = int(rng.integers(1, len(row.test) - 1))
        cells["test"] = row.test[:at] + row.test[at + 1 :]
    if wrong["unit"]:
        cells["unit"] = below.unit if below.unit != row.unit else ""
    if wrong["range"]:
        cells["range"] = below.range
    if wrong["flag"]:
        cells["flag"] = "" if row.flag else "H"
    return LabRow(**cells)


def _as_python(rows: Sequence[LabRow]) -> str:
    return str([json.loads(row.model_dump_json()) for row in rows])
