"""The options that say how to read images, for example which of several volumes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP

MAGNIFICATION = 10  # that of the report's slides
_VOLUME = {"only": "--only", "uneven": "--uneven", "offset": "--offset", "reformat": "--reformat"}
_SLIDE = {"mpp": "--mpp", "magnification": "--magnification", "icc": "--icc"}
_IMAGE = {"page": "--page", "icc": "--icc"}
_OF_KIND = {"ct": _VOLUME, "mri": _VOLUME, "slide": _SLIDE, "image": _IMAGE}


@dataclass(frozen=True)
class Reading:
    """The options for reading a volume, slide or image, which ask, prepare and tables pass on."""

    only: tuple[tuple[str, str], ...] = ()  # DICOM keywords and values that choose one of several volumes
    uniform: bool = True  # False accepts slices with gaps
    offset: float | None = None  # added to the values of a CT
    reformat: str | None = None  # "axial" resamples
    mpp: float | None = None  # microns per pixel of a slide's level 0, if the slide does not state them
    magnification: int | None = None  # magnification of a slide's patches: 5, 10 (for None) or 20
    icc: bool | None = None  # whether colours are converted by ICC profiles; by default only for slides
    page: int | None = None  # page or frame of a picture with several, from 0

    @classmethod
    def of(
        cls,
        only: Mapping[str, Any] | Iterable[str] | None = None,
        *,
        uniform: bool = True,
        offset: float | None = None,
        reformat: str | None = None,
        mpp: float | None = None,
        magnification: int | None = None,
        icc: bool | None = None,
        page: int | None = None,
    ) -> Reading:
        """Make a Reading; ``only`` is a mapping or words ``KEY=VALUE``.

        Raises `InputError` for impossible values.
        """
        if not isinstance(only, Mapping):
            pairs = {}
            for text in only or ():
                key, equals, value = text.partition("=")
                if not (key.strip() and equals and value.strip()):
                    raise InputError(f"{text!r} chooses nothing.", remedy="Write KEY=VALUE, e.g. EchoTime=20.")
                pairs[key.strip()] = value.strip()
            only = pairs
        if magnification is not None and magnification not in MAGNIFICATION_MPP:
            powers = ", ".join(map(str, MAGNIFICATION_MPP))
            raise InputError(
                f"Patches cannot have a magnification of {magnification}x.", remedy=f"Use one of {powers}."
            )
        chosen = tuple((key, str(value)) for key, value in only.items())
        return cls(chosen, uniform, offset, reformat, mpp, magnification, icc, page)

    @property
    def arguments(self) -> dict[str, Any]:
        """All options, as arguments for `of`."""
        return {**{one.name: getattr(self, one.name) for one in fields(self)}, "only": dict(self.only) or None}

    @property
    def of_volume(self) -> dict[str, Any]:
        """The arguments for `helpers.volumes.read_volume`."""
        return {name: self.arguments[name] for name in ("only", "uniform", "offset", "reformat")}

    @property
    def of_slide(self) -> dict[str, Any]:
        """The arguments for `helpers.slides.open_slide`."""
        return {"mpp": self.mpp, "icc": self.icc is not False}

    @property
    def of_image(self) -> dict[str, Any]:
        """The arguments for `helpers.images.read_image`."""
        return {"page": self.page, "icc": bool(self.icc)}

    @property
    def patch_mpp(self) -> float:
        """Microns per pixel of a slide's patches."""
        return MAGNIFICATION_MPP[self.magnification or MAGNIFICATION]

    @property
    def chosen(self) -> list[str]:
        """The names of the options that were set, as in command lines and tables."""
        names = [one.name for one in fields(self) if getattr(self, one.name) != one.default]
        return ["uneven" if name == "uniform" else name for name in names]

    def useless(self, kind: str) -> list[str]:
        """The options that were set but have no effect on a "ct", "mri", "slide" or "image"."""
        return [name for name in self.chosen if name not in _OF_KIND[kind]]

    def check(self, kind: str, path: str | os.PathLike[str]) -> None:
        """Raise `InputError` if an option was set that has no effect on the kind of images at ``path``."""
        if useless := self.useless(kind):
            flags = {**_VOLUME, **_SLIDE, **_IMAGE}
            what = {"slide": "a slide", "image": "a 2D image"}.get(kind, "a volume")
            raise InputError(
                f"This is {what}, so {', '.join(useless)} would have no effect on how the file is read.",
                path=path,
                remedy=f"Leave it out ({', '.join(flags[name] for name in useless)}).",
            )
