"""``medgemma-tutorials report``: several evaluations side by side."""

from __future__ import annotations

import argparse

from helpers.cli.checks import check_folder

EXAMPLES = (("medgemma-tutorials report outputs/before outputs/after", "show two runs of evaluate side by side"),)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "report",
        help="show one evaluation, or several side by side, on one page",
        description="Write one page, as HTML and Markdown, about one or several runs of evaluate. The page says "
        "whether the runs differ, and shows the worst cases and the replies of each model.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("what goes into the page")
    group.add_argument("runs", nargs="+", metavar="DIR", help="the output folders of evaluate")
    group.add_argument(
        "--pictures",
        action="store_true",
        help="also put pictures of your own data into the page; pictures of teaching cases are always in the page",
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", default="outputs/report", metavar="DIR", help="the folder of the page; default: %(default)s"
    )
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    check_folder(options.output)
    from helpers.reports import write_report

    for path in write_report(options.runs, options.output, pictures=options.pictures):
        print(path)
    return 0
