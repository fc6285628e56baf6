"""The options of every command that reads volumes, slides and pictures."""

from __future__ import annotations

import argparse
from typing import Any


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a volume, a slide or a picture is read."""
    group = parser.add_argument_group("reading volumes")
    group.add_argument(
        "--only",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of several volumes the one with this DICOM keyword, e.g. EchoTime=20; of a 4D NIfTI file volume=0",
    )
    group.add_argument(
        "--uneven", action="store_true", help="take slices with gaps or changing spacing as they are"
    )
    group.add_argument(
        "--offset", type=float, metavar="HU", help="add this to the values of a CT, e.g. -1024 or 0"
    )
    group.add_argument(
        "--reformat", choices=("axial",), help="resample slices that are oblique or too thick to turn"
    )
    group = parser.add_argument_group("reading slides and pictures")
    group.add_argument(
        "--mpp", type=float, metavar="UM", help="microns per pixel of a slide that does not say it, e.g. 0.5"
    )
    group.add_argument("--magnification", type=int, choices=(5, 10, 20), help="of a slide's patches; default: 10")
    group.add_argument("--page", type=int, metavar="N", help="of a picture with several pages or frames, from 0")
    group.add_argument(
        "--icc",
        action=argparse.BooleanOptionalAction,
        help="colours by the ICC profile; default: those of slides are, of pictures not",
    )


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, as keyword arguments."""
    return {
        "only": options.only,
        "uniform": not options.uneven,
        "offset": options.offset,
        "reformat": options.reformat,
        "mpp": options.mpp,
        "magnification": options.magnification,
        "icc": options.icc,
        "page": options.page,
    }
