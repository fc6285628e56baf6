"""``medgemma-tutorials run``: run the notebooks."""

from __future__ import annotations

import argparse
import sys


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("run", help="run the notebooks in order and write a report of the run")
    parser.add_argument("--model", metavar="M", help='MODEL of every notebook, e.g. "google/medgemma-1.5-4b-it"')
    parser.add_argument("--only", nargs="+", default=[], metavar="NN", help="only these notebooks, e.g. 02 04")
    parser.add_argument("--output", default="outputs/run", metavar="DIR", help="default: %(default)s")
    parser.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks; default: the checkout's own")
    parser.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter of the notebooks, e.g. -p LIMIT 20 (repeatable; a number, true, false, None or a text)",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from helpers.course import NOTEBOOKS, run_notebooks, typed_value

    summary = run_notebooks(
        options.output,
        folder=options.notebooks or NOTEBOOKS,
        only=options.only,
        model=options.model,
        parameters={name: typed_value(text) for name, text in options.parameters},
    )
    failed = [record for record in summary["notebooks"] if record["status"] != "ok"]
    for record in failed:
        print(f"{record['notebook']} failed at {record['error']}", file=sys.stderr)
    print(f"{len(summary['notebooks']) - len(failed)} of {len(summary['notebooks'])} notebooks ran through.")
    return 1 if failed else 0
