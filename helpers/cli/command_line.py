"""The command line: which commands there are, and what becomes of their errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from helpers import __version__
from helpers.cli import (
    ask,
    badges,
    benchmark,
    doctor,
    evaluate,
    finetune,
    gallery,
    merge,
    prepare,
    report,
    run,
    serve,
)
from helpers.errors import InputError

MAY_BE_EMPTY = {"question", "may_leave", "ray"}  # the question is looked at when it is asked
COMMANDS = (run, ask, benchmark, evaluate, prepare, serve, finetune, merge, report, gallery, doctor, badges)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 something failed, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        _check_given(options)
        return options.command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _check_given(options: argparse.Namespace) -> None:
    """Raise `InputError` for an empty value: as a path it would be the current folder."""
    for name, given in vars(options).items():
        values = given if isinstance(given, list) else [given]
        if name not in MAY_BE_EMPTY and any(isinstance(value, str) and not value.strip() for value in values):
            raise InputError(
                f"The value of {name} is empty.",
                remedy="Give one; a variable of the shell that is not set gives none.",
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medgemma-tutorials",
        description="MedGemma tutorials. For education; not a medical device and not for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
