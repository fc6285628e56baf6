"""How volumes are to be read where a path holds more than one, or not quite what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from helpers.errors import InputError


@dataclass(frozen=True)
class Reading:
    """The choices of `helpers.volumes.read_volume` that ask, prepare and tables hand on."""

    only: tuple[tuple[str, str], ...] = ()  # DICOM keywords and values that choose one of several volumes
    uniform: bool = True  # False takes slices with gaps as they are
    offset: float | None = None  # added to the values of a CT
    reformat: str | None = None  # "axial" resamples

    @classmethod
    def of(
        cls,
        only: Mapping[str, Any] | Iterable[str] | None = None,
        *,
        uniform: bool = True,
        offset: float | None = None,
        reformat: str | None = None,
    ) -> Reading:
        """The choices, ``only`` as a mapping or as words ``KEY=VALUE``. Raises `InputError` for other words."""
        if not isinstance(only, Mapping):
            pairs = {}
            for text in only or ():
                key, equals, value = text.partition("=")
                if not (key.strip() and equals and value.strip()):
                    raise InputError(f"{text!r} chooses nothing.", remedy="Write KEY=VALUE, e.g. EchoTime=20.")
                pairs[key.strip()] = value.strip()
            only = pairs
        return cls(tuple((key, str(value)) for key, value in only.items()), uniform, offset, reformat)

    @property
    def arguments(self) -> dict[str, Any]:
        """For `helpers.volumes.read_volume`."""
        chosen = dict(self.only) or None
        return {"only": chosen, "uniform": self.uniform, "offset": self.offset, "reformat": self.reformat}
