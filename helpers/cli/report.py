"""``medgemma-tutorials report``: several evaluations side by side."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("report", help="write one report of several evaluations side by side")
    parser.add_argument("runs", nargs="+", metavar="DIR", help="output folders of evaluate")
    parser.add_argument("--output", default="outputs/report", metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="put pictures of your own data into the page too; those of teaching cases always are",
    )
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    from helpers.reports import write_report

    for path in write_report(options.runs, options.output, pictures=options.pictures):
        print(path)
    return 0
