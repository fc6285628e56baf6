"""The options of every command that asks a model on this machine."""

from __future__ import annotations

import argparse

from helpers.prompts import MAX_NEW_TOKENS


def add_tuned(parser: argparse.ArgumentParser) -> None:
    """Add an adapter for the model, and how many images pass its vision tower at once."""
    parser.add_argument("--adapter", metavar="DIR", help="folder of an adapter for that model")
    parser.add_argument(
        "--vision-batch",
        type=int,
        default=8,
        metavar="N",
        help="images that pass the vision tower at once, half as many where memory runs out; default: %(default)s",
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="tokens of a prompt, at most, up to 131072; twice as many take two to four times the memory and "
        "time; default: 32768, of a server what it tells",
    )


def add_max_new_tokens(parser: argparse.ArgumentParser) -> None:
    """Add the most tokens that an answer may have."""
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        default=MAX_NEW_TOKENS,
        metavar="N",
        help="of an answer, at most; default: %(default)s",
    )
