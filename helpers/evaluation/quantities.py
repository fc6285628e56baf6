"""What a number answers: a count, a size, a share, with the unit that it is asked in and how far it may be off.

Truth and answer are compared in that unit, so 1.2 cm and 12 mm are the same. How a number is read from a reply is
in `helpers.prompts.parse_number`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.errors import InputError
from helpers.prompts import COUNT, parse_number, unit_name

KEPT = ("unit", "tolerance", "low", "high")  # of an answer that is a number; the last two where they are given


@dataclass(frozen=True)
class Quantity:
    """What a question asks for that one number answers."""

    unit: str = COUNT  # as `helpers.prompts.unit_name` knows it
    tolerance: float = 0.0  # how far from the truth is right, in the unit
    low: float | None = None  # the least that is an answer, in the unit; what is under it is unparsable
    high: float | None = None  # the most

    def read(self, reply: str) -> float | None:
        """The number that a reply ends on, in the unit; None where it states none, several or one out of range."""
        return parse_number(reply, self.unit, self.low, self.high)

    def read_truth(self, cell: str) -> float:
        """The number that a table gives as truth, in the unit.

        A truth is not put right as a reply is: it is written with digits, with a point where it is not a whole
        number, and without a comma, as 1,234 is read in two ways.

        Raises:
            InputError: for any other truth, and for one that would be no answer.
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
        """The number with its unit: "12 mm", or "3" of a count."""
        name = unit_name(self.unit)
        return f"{value:.12g}" if name == COUNT else f"{value:.12g} {name}"

    @property
    def kept(self) -> dict[str, Any]:
        """What an answer keeps of it, to be marked by. Raises `InputError` for a unit that is not known."""
        values = (unit_name(self.unit), self.tolerance, self.low, self.high)
        return {name: value for name, value in zip(KEPT, values, strict=True) if value is not None}
