"""A quantity that a question asks for, such as a count, a size or a share, with its unit and its tolerance.

Truth and answer are compared in that unit, so 1.2 cm and 12 mm are the same. How a number is read from a reply is
in `helpers.prompts.parse_number`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.errors import InputError
from helpers.prompts import COUNT, parse_number, unit_name

KEPT = ("unit", "tolerance", "low", "high")  # fields of an answer that is a number; the last two may be missing


@dataclass(frozen=True)
class Quantity:
    """A quantity that one number answers."""

    unit: str = COUNT  # a unit of `helpers.prompts.unit_name`
    tolerance: float = 0.0  # the largest error of a right answer, in the unit
    low: float | None = None  # the least possible answer, in the unit; a lower number is unparsable
    high: float | None = None  # the largest possible answer

    def read(self, reply: str) -> float | None:
        """The number that a reply ends on, in the unit; None if it states none, several, or one out of range."""
        return parse_number(reply, self.unit, self.low, self.high)

    def read_truth(self, cell: str) -> float:
        """The number that a table gives as truth, in the unit.

        Unlike a reply, a truth is not corrected. It must be written with digits, with a point as the decimal mark,
        and without a comma, because 1,234 can be read in two ways.

        Raises:
            InputError: any other truth, and a truth that is not a possible answer.
        """
        digits, *_ = cell.lstrip("-−").split() or [""]
        plain = digits[:1].isdigit() and digits.count(".") < 2 and "," not in cell
        value = parse_number(cell, self.unit) if plain else None
        if value is None:
            raise InputError(
                f"The answer {cell!r} is not a number in {unit_name(self.unit)}.",
                remedy=f"Write it as {self.write(12)}, with a point as the decimal mark.",
            )
        if self.read(cell) is None:
            raise InputError(
                f"The answer {cell!r} does not lie between low and high.",
                remedy="Correct the answer, low or high.",
            )
        return value

    def write(self, value: float) -> str:
        """The number with its unit: "12 mm", or "3" for a count."""
        name = unit_name(self.unit)
        return f"{value:.12g}" if name == COUNT else f"{value:.12g} {name}"

    @property
    def kept(self) -> dict[str, Any]:
        """The fields that an answer keeps for marking. Raises `InputError` for an unknown unit."""
        values = (unit_name(self.unit), self.tolerance, self.low, self.high)
        return {name: value for name, value in zip(KEPT, values, strict=True) if value is not None}
