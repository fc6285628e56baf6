"""Check one row of a table of questions, and read its cells: options, numbers, and how to read its image."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from helpers.errors import InputError
from helpers.evaluation.quantities import Quantity
from helpers.evaluation.table_file import MISSING
from helpers.images import MODALITIES, Reading
from helpers.prompts import RESERVED, check_options, read_truth_boxes, unit_name

NEAR_YES_NO = ("yes", "no", "y", "n", "true", "false", "1", "0")  # otherwise it would be scored as a sentence
SAYS_HOW = "final answer"  # a question with these words is asked as it stands


def plain_cells(row: Mapping[str, str]) -> dict[str, str]:
    """The cells with yes, no and the modality in small letters, and accents written in one way (NFC)."""
    cells = {name: text if name == "path" else unicodedata.normalize("NFC", text) for name, text in row.items()}
    cells["modality"] = cells["modality"].lower()
    if cells["answer"].lower() in ("yes", "no"):
        cells["answer"] = cells["answer"].lower()
    return cells


def row_problems(cells: Mapping[str, str]) -> list[str]:
    """The faults in the words of a row from `plain_cells`. Files are not checked."""
    found = [f"{name} is empty" for name in ("path", "answer") if not cells[name]]
    if "\0" in cells["path"]:
        found.append("path holds the character NUL, which no path can hold")
    if cells["modality"] not in MODALITIES:
        found.append(f"modality is {cells['modality']!r}, not one of {', '.join(MODALITIES)}")
    if cells["condition"] and not cells["question"] and cells["modality"] in ("slide", "image"):
        found.append(
            "a row with a condition but no question must have the modality ct or mri; write a question too"
        )
    if cells["prior"] and cells["modality"] != "image":
        found.append("only a row of modality image can have a prior")
    if not cells["question"] and not cells["condition"] and cells["modality"] != "slide":
        found.append("the row has neither a question nor a condition")
    for name in ("condition", "question", "options", "history", "answer"):
        found += [
            f"the {name} holds {t}, a token that is reserved for the prompt's format"
            for t in RESERVED
            if t in cells[name]
        ]
    if cells["answer"]:
        found += _answer_problems(cells)
    try:
        reading = reading_of(cells)
        if cells["modality"] in MODALITIES and (useless := reading.useless(cells["modality"])):
            found.append(f"{', '.join(useless)} would have no effect on a row of modality {cells['modality']}")
    except InputError as error:
        found.append(f"the columns that say how to read the image: {error}")
    return found


def _answer_problems(cells: Mapping[str, str]) -> Iterator[str]:
    answer, options = cells["answer"], options_of(cells)
    if cells["options"] and len(set(options)) < 2:
        yield "the row has fewer than two different options"
    elif len(set(options)) < len(options):
        yield "an option occurs twice"
    elif options:
        try:
            check_options(options)
        except InputError as error:
            yield error.problem.removesuffix(".")
    if options and answer not in options:
        yield f"the answer {answer!r} is not one of {', '.join(options)}"
    open_question = SAYS_HOW in cells["question"].lower()  # 1 may be the answer to "how many"
    try:
        number = quantity_of(cells)
    except InputError as error:
        yield error.problem.removesuffix(".")
    else:
        sentence = not options and not number
        if sentence and not open_question and answer.lower().rstrip(".") in NEAR_YES_NO:
            yield f"the answer {answer!r} is not a sentence; write yes or no, or give the options or a unit"
        if sentence and answer in MISSING:
            yield f"the answer is {answer!r}, which some programs write for nothing; write the answer"
        if sentence and answer[:1] in ("[", "{"):
            yield from _box_problems(answer)
    if cells["condition"] and not cells["question"] and set(options) != {"yes", "no"}:
        yield f"the answer to a condition is yes or no, not {answer!r}"


def _box_problems(answer: str) -> Iterator[str]:
    """The faults of an answer that begins like boxes but is neither one box nor []."""
    try:
        boxes = read_truth_boxes(answer)
    except InputError as error:
        yield error.problem.removesuffix(".")
        return
    if len(boxes) > 1:
        yield f"the answer holds {len(boxes)} boxes, but may hold only one, or none: []"


def options_of(cells: Mapping[str, str]) -> tuple[str, ...]:
    """The possible answers; empty if the answer is a sentence, a box or a number."""
    if cells["options"]:
        options = (option.strip() for option in cells["options"].split("|") if option.strip())
        return tuple(option.lower() if option.lower() in ("yes", "no") else option for option in options)
    return ("yes", "no") if cells["answer"] in ("yes", "no") else ()


def quantity_of(cells: Mapping[str, str]) -> Quantity | None:
    """The quantity that answers a row; None if the answer is not a number.

    Raises `InputError` for cells that do not describe a number, and for an answer that does not fit.
    """
    if not cells["unit"]:
        if useless := [name for name in ("tolerance", "low", "high") if cells[name]]:
            raise InputError(
                f"{', '.join(useless)} would have no effect without a unit; give a unit, or count for a "
                "number without one"
            )
        return None
    if cells["options"]:
        raise InputError("a row can have options or a unit, but not both")
    asked = Quantity(unit_name(cells["unit"]), low=_number(cells, "low"), high=_number(cells, "high"))
    if asked.low is not None and asked.high is not None and asked.low > asked.high:
        raise InputError(f"low, {cells['low']!r}, is above high, {cells['high']!r}")
    truth, tolerance = asked.read_truth(cells["answer"]), _number(cells, "tolerance", "%") or 0.0
    if tolerance < 0:
        raise InputError(f"tolerance is {cells['tolerance']!r}, which is below 0")
    return replace(asked, tolerance=tolerance * abs(truth) / 100 if "%" in cells["tolerance"] else tolerance)


def reading_of(cells: Mapping[str, str]) -> Reading:
    """How the images of a row are read. Raises `InputError` for cells with unknown values."""
    if cells["reformat"] not in ("", "axial"):
        raise InputError(f"reformat is {cells['reformat']!r}, not axial")
    for name in ("uneven", "icc"):
        if cells[name].lower() not in ("", "yes", "no"):
            raise InputError(f"{name} is {cells[name]!r}, not yes or no")
    mpp = _number(cells, "mpp")
    if mpp is not None and mpp <= 0:
        raise InputError(f"mpp is {cells['mpp']!r}, but must be above 0")
    page = _whole(cells, "page")
    if page is not None and page < 0:
        raise InputError(f"page is {cells['page']!r}, but the first page is 0")
    return Reading.of(
        [text for text in cells["only"].split(";") if text.strip()],
        uniform=cells["uneven"].lower() != "yes",
        offset=_number(cells, "offset"),
        reformat=cells["reformat"] or None,
        mpp=mpp,
        magnification=_whole(cells, "magnification", "x"),
        icc=cells["icc"].lower() == "yes" if cells["icc"] else None,
        page=page,
    )


def _number(cells: Mapping[str, str], name: str, unit: str = "") -> float | None:
    if not cells[name]:
        return None
    try:
        number = float(cells[name].removesuffix(unit))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} is {cells[name]!r}, not a number")
    return number


def _whole(cells: Mapping[str, Any], name: str, unit: str = "") -> int | None:
    number = _number(cells, name, unit)
    if number is not None and not number.is_integer():  # pandas writes 3 as 3.0 in a column with gaps
        raise InputError(f"{name} is {cells[name]!r}, not a whole number")
    return None if number is None else int(number)
