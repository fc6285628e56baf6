"""The options of every command that reads volumes, slides and pictures."""

from __future__ import annotations

import argparse
from typing import Any


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a volume, a slide or a picture is read."""
    group = parser.add_argument_group("how a CT or MRI volume is read")
    group.add_argument(
        "--modality",
        choices=("ct", "mri"),
        help="the modality of a NIfTI file, because the file does not record it",
    )
    group.add_argument(
        "--only",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="choose one of several volumes by a DICOM keyword, e.g. EchoTime=20; in a 4D NIfTI file by "
        "its number, volume=0",
    )
    group.add_argument("--uneven", action="store_true", help="accept slices with gaps or changing spacing")
    group.add_argument(
        "--offset", type=float, metavar="HU", help="add this number to the values of a CT, e.g. -1024 or 0"
    )
    group.add_argument(
        "--reformat",
        choices=("axial",),
        help="resample a volume to axial slices if its slices are oblique, or too thick to be turned",
    )
    group = parser.add_argument_group("how a whole slide or a 2D image is read")
    group.add_argument(
        "--mpp",
        type=float,
        metavar="UM",
        help="microns per pixel, for a slide whose file does not state them, e.g. 0.5",
    )
    group.add_argument(
        "--magnification",
        type=int,
        choices=(5, 10, 20),
        help="the magnification of a slide's patches; default: 10",
    )
    group.add_argument(
        "--page", type=int, metavar="N", help="the page or frame of a 2D image to read, counted from 0"
    )
    group.add_argument(
        "--icc",
        action=argparse.BooleanOptionalAction,
        help="convert colours with the ICC profile in the file; default: yes for slides, no for 2D images",
    )


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """The chosen values of these options, as keyword arguments."""
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
