"""The option of every command that can spread its work over Ray."""

from __future__ import annotations

import argparse


def add_ray(options: argparse._ActionsContainer, does: str) -> None:
    """Add the option that lets Ray workers do the work. ``does`` is the verb for their work."""
    options.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help=f"let Ray workers {does}, on this machine or on the running cluster at this address",
    )
