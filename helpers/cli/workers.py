"""The option of every command whose work may be spread over Ray."""

from __future__ import annotations

import argparse


def add_ray(options: argparse._ActionsContainer, does: str) -> None:
    """Add whether, and where, workers on Ray do the work; ``does`` says in a word what they do."""
    options.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help=f"let Ray workers {does}, on this machine or on the running cluster at this address",
    )
