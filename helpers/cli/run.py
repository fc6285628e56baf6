"""``medgemma-tutorials run``: run the notebooks."""

from __future__ import annotations

import argparse
import os
import sys

from helpers.cli.checks import check_folder, check_model

EXAMPLES = (
    ("medgemma-tutorials run", "run all notebooks with the stand-in"),
    ("medgemma-tutorials run --only 02 3b -p MAX_SLICES 20", "run two notebooks with fewer slices"),
    ("medgemma-tutorials run --model google/medgemma-1.5-4b-it", "run all notebooks with the real model"),
    ("medgemma-tutorials run --jobs 1", "run one notebook at a time, so that nothing else disturbs the times"),
    ("medgemma-tutorials run --model recorded:FOLDER --only 02", "run a notebook with recorded replies"),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "run",
        help="run the notebooks in order and write a page for each",
        description="Run the notebooks in order, each in a fresh kernel, and write a page for each notebook and "
        "an index. Exit code 1 means that a notebook failed.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("which notebooks")
    group.add_argument(
        "--only", nargs="+", default=[], metavar="NN", help="only the notebooks with these numbers, e.g. 02 3b"
    )
    group.add_argument(
        "--notebooks", metavar="DIR", help="the folder of the notebooks; default: those of this checkout"
    )
    group = parser.add_argument_group("their parameters")
    group.add_argument(
        "--model", metavar="M", help="the value of MODEL in every notebook, e.g. google/medgemma-1.5-4b-it"
    )
    group.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set another parameter in each notebook that has it, e.g. -p MAX_SLICES 20 (repeatable; the "
        "value is a number, true, false, None or a text)",
    )
    group = parser.add_argument_group("how")
    group.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="how many notebooks run at a time, if memory allows; default: with the stand-in one for each core, "
        "up to 4, otherwise 1",
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", default="outputs/run", metavar="DIR", help="the folder of the pages; default: %(default)s"
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    check_folder(options.output)
    from helpers.models import RECORDED_PREFIX

    model = options.model or ""
    named = not any(sign in model for sign in "/\\:")  # not a path, an address or a name on the hub
    if model and (named or model.startswith(RECORDED_PREFIX)):
        check_model(model)
    from helpers.course import NOTEBOOKS, run_notebooks, typed_value

    parameters = {name: typed_value(text) for name, text in options.parameters}
    summary = run_notebooks(
        options.output,
        folder=options.notebooks or NOTEBOOKS,
        only=options.only,
        model=options.model,
        parameters=parameters,
        jobs=_jobs(model or str(parameters.get("MODEL", ""))) if options.jobs is None else options.jobs,
    )
    failed = [record for record in summary["notebooks"] if record["status"] != "ok"]
    for record in failed:
        print(f"{record['notebook']} failed at {record['error']}", file=sys.stderr)
    print(f"{len(summary['notebooks']) - len(failed)} of {len(summary['notebooks'])} notebooks ran through.")
    return 1 if failed else 0


def _jobs(model: str) -> int:
    """Run several at a time if this saves time. A larger model already uses the whole machine or GPU."""
    from helpers.models import is_standin

    return min(4, os.cpu_count() or 1) if not model or is_standin(model) else 1
