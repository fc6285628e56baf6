"""``medgemma-tutorials badges``: the launch links."""

from __future__ import annotations

import argparse
import sys

EXAMPLES = (("medgemma-tutorials badges --check", "check whether the links are up to date"),)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "badges",
        help="write the launch links and the repository's address",
        description="Write two things from the repository's address in pyproject.toml: the links that open a "
        "notebook in Colab and elsewhere, and the lines that install the package. Only people who "
        "change the course need this command.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("output")
    group.add_argument("--check", action="store_true", help="change no file; fail if a link is out of date")
    parser.set_defaults(command=_badges)


def _badges(options: argparse.Namespace) -> int:
    from helpers.course import update_badges

    changed = update_badges(check=options.check)
    for path in changed:
        print(f"{path.name}: {'out of date' if options.check else 'updated'}")
    if changed and options.check:
        print("To update the links, run: medgemma-tutorials badges", file=sys.stderr)
        return 1
    if not changed:
        print("All launch links are up to date.")
    return 0
