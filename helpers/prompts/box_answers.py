"""The boxes that a reply states, and the boxes that a table gives as truth.

MedGemma is asked for a JSON list of ``{"box_2d": [y0, x0, y1, x1], "label": ...}``. In the official notebooks the
numbers run from 0 to 1000 ("of 1000"), and the model reasons first and ends on "Final Answer: " and the list. In
the MedGemma 1.5 report (arXiv:2604.05081) they run from 0 to 1 ("of 1"). This package gives boxes of 1000.

| in a reply | read as |
|---|---|
| what stands right behind the last "Final Answer:" | that, whatever follows |
| else the last list or object with ``box_2d``: JSON, single quotes, a comma too many, in a fence | boxes |
| objects one after the other, nothing but commas between them | one list of them |
| the list ``[]`` that ends a line of its own or stands behind a colon | no boxes: nothing is there |
| ``[]`` behind boxes and the name of another thing: "Devices: []" | unparsable |
| several lists in one object: ``{"heart": [...], "lung": [...]}`` | all their boxes |
| all numbers from 0 to 1, or a little outside | boxes of 1, brought to 1000 |
| corners exchanged | put in order |
| up to 5 % outside of the picture | cut off at its edge |
| what is not a finite number, not four of them, further outside, no area, of 1 beside of 1000 | unparsable |
| a list with ``box_2d`` that is cut off behind the last one that can be read | unparsable |
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from helpers.errors import InputError
from helpers.prompts.literals import Literal, literals_in
from helpers.prompts.replies import split_thinking

SLACK = 0.05  # how far a corner may lie outside of the picture, as a share of its side
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?\s*", re.IGNORECASE | re.ASCII)
_KEY = re.compile(r"""["']?box_2d["']?\s*:""")
_NAME = re.compile(r"(?!nan\b|inf)[a-z_]+\d?|\.\.\.", re.IGNORECASE)
_FINAL = re.compile(
    r"final[\s*_`]{1,4}answer[\s*_`\"']{0,4}(?:(?:is|are)\b)?[\s*_`]{0,4}[:=]?[\s*_`]{0,8}(?:json)?\s{0,4}",
    re.IGNORECASE,
)
_NEAR = 200  # how many characters before a list tell what it is about
_OF_OTHERS = re.compile(r"(?:^|\n)[^\n:]*[^\W\d_][^\n:]*:\s*\Z")  # a line that names something, as "Devices:"
_OF_ANSWER = re.compile(r"answer|box|json|result|output", re.IGNORECASE)
_BEFORE_NONE = re.compile(r"(?:^|\n|:)[\s*_`>]*(?:json)?\s*\Z", re.IGNORECASE)
_AFTER_NONE = re.compile(r"[*_`.]*[^\S\n]*(?:\n|\Z)")


def parse_boxes(reply: str) -> list[list[float]] | None:
    """The boxes (y0, x0, y1, x1, of 1000) that a reply ends on, each with its corners in order and in the picture.

    Returns:
        The boxes; an empty list if the reply says ``[]`` (nothing is there); None if the reply states neither.
    """
    text, _ = split_thinking(reply)
    stated, end = _last_stated(text)
    if stated is None or _KEY.search(text, end):
        return None
    entries = [entry for one in stated for entry in _entries(one.value)]
    boxes = [_corners(entry["box_2d"]) for entry in entries if "box_2d" in entry]
    if len(boxes) < len(entries) or None in boxes:
        return None
    return _of_1000(boxes)


def read_truth_boxes(cell: str) -> list[list[float]]:
    """The boxes (y0, x0, y1, x1, of 1000) that a table gives as truth; an empty list for ``[]``, nothing there.

    Unlike a reply, a truth is not corrected. It must be JSON, and every box must have four finite numbers, with
    its upper left corner before its lower right one, inside the picture. All boxes must be of 1, or all of 1000.

    Raises:
        InputError: any other cell; the error says what is wrong with which box.
    """
    try:
        entries = json.loads(cell, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{_short(cell)} is not JSON ({error})") from error
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "box_2d" in one for one in entries):
        raise _wrong(f"{_short(cell)} is not a list of objects with box_2d")
    boxes = [one["box_2d"] for one in entries]
    for k, box in enumerate(boxes, start=1):
        if problem := _problem(box):
            raise _wrong(f"box {k} of {len(boxes)}, {_short(json.dumps(box))}, {problem}")
    ones = [max(box) <= 1 for box in boxes]
    if len(set(ones)) > 1:
        raise _wrong(
            f"the numbers of box {ones.index(True) + 1} of {len(boxes)} run from 0 to 1, and those of "
            "other boxes from 0 to 1000"
        )
    return [[float(v) * (1000 if all(ones) else 1) for v in box] for box in boxes]


def _last_stated(text: str) -> tuple[list[Literal] | None, int]:
    """What is stated as boxes: a list, an object, a row of objects, or ``[]``; None without any, or if unclear.

    Also returns the end of the last text about boxes, even if it only repeats the question.
    """
    rows: list[list[Literal]] = []
    end = 0
    behind_final = {found.end() for found in _FINAL.finditer(text)}
    for one in literals_in(text):
        if one.value == [] and one.start not in behind_final:
            before = text[max(0, one.start - _NEAR) : one.start]
            # A character more keeps the beginning of a part from being taken for that of the text.
            if not (
                _BEFORE_NONE.search(before.rjust(min(one.start, _NEAR + 1), "."))
                and _AFTER_NONE.match(text, one.end)
            ):
                continue  # only words about brackets
        entries = _entries(one.value)
        if one.value != [] and not entries:
            continue
        end = one.end
        if entries and all(_is_template(entry.get("box_2d")) for entry in entries):
            continue
        last = rows[-1][-1] if rows else None
        in_a_row = last and isinstance(last.value, dict) and isinstance(one.value, dict)
        if in_a_row and not text[last.end : one.start].strip(", \t\r\n"):
            rows[-1].append(one)
        else:
            rows.append([one])
    final = [row for row in rows if row[0].start in behind_final]
    if final or not rows:
        return (final[-1] if final else None), end
    before = _OF_OTHERS.search(text[max(0, rows[-1][0].start - _NEAR) : rows[-1][0].start])
    of_others = rows[-1][0].value == [] and before is not None and not _OF_ANSWER.search(before[0])
    unclear = of_others and any(one.value != [] for row in rows for one in row)
    return (None if unclear else rows[-1]), end


def _entries(value: Any) -> list[dict[str, Any]]:
    """The objects of a list with a box, of a single object with a box, or of an object that holds such a list."""
    if isinstance(value, dict):
        inner = [entries for one in value.values() if isinstance(one, list) and (entries := _entries(one))]
        return [value] if "box_2d" in value else list(itertools.chain.from_iterable(inner))
    if isinstance(value, list) and any(isinstance(one, dict) and "box_2d" in one for one in value):
        return [one if isinstance(one, dict) else {} for one in value if one != ""]
    return []


def _is_template(box: Any) -> bool:
    """Whether a box only repeats the question's [y0, x0, y1, x1]."""
    names = box if isinstance(box, list) else [box]
    return bool(names) and all(isinstance(v, str) and _NAME.fullmatch(v) for v in names)


def _corners(box: Any) -> list[float] | None:
    if not isinstance(box, list) or len(box) != 4:
        return None
    if not all(isinstance(value, str) and _NUMBER.fullmatch(value) for value in box):
        return None
    y0, x0, y1, x1 = map(float, box)
    return [min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1)]


def _of_1000(boxes: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Boxes in the picture, of 1000; None if one lies outside, has no area, or has another scale."""
    ones = [max(box) <= 1 + SLACK for box in boxes]
    if len(set(ones)) > 1:
        return None
    side = 1 if all(ones) else 1000
    low, high = -SLACK * side, (1 + SLACK) * side
    if not all(math.isfinite(v) and low <= v <= high for box in boxes for v in box):
        return None
    cut = [[1000 * min(max(v, 0), side) / side for v in box] for box in boxes]
    return cut if all(y0 < y1 and x0 < x1 for y0, x0, y1, x1 in cut) else None


def _problem(box: Any) -> str:
    """The fault of a truth's box; "" if it has none."""
    if not isinstance(box, list) or len(box) != 4:
        return "does not have four numbers"
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in box):
        return "holds a value that is not a finite number"
    if min(box) < 0 or max(box) > 1000:
        return "has numbers below 0 or above 1000"
    y0, x0, y1, x1 = box
    return "" if y0 < y1 and x0 < x1 else "does not have y0 < y1 and x0 < x1"


def _wrong(problem: str) -> InputError:
    return InputError(
        f"These are not boxes: {problem}.",
        remedy='Write [{"box_2d": [y0, x0, y1, x1]}], with numbers from 0 to 1000 on the padded square. '
        "`helpers.prompts.from_pixels` converts pixels to these numbers.",
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
