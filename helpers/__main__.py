"""The command line: ``python -m helpers COMMAND``. Each command loads what it needs when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from helpers.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 something failed, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="MedGemma tutorials. For education; not a medical device and not for diagnosis.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the notebooks in order and write a report of the run")
    run.add_argument("--model", metavar="M", help='MODEL of every notebook, e.g. "google/medgemma-1.5-4b-it"')
    run.add_argument("--only", nargs="+", default=[], metavar="NN", help="only these notebooks, e.g. 02 04")
    run.add_argument("--output", default="outputs/run", metavar="DIR", help="default: %(default)s")
    run.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks; default: the checkout's own")
    run.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter of the notebooks, e.g. -p LIMIT 20 (repeatable; a number, true, false, None or a text)",
    )
    run.set_defaults(command=_run)

    doctor = commands.add_parser("doctor", help="say what this machine can run")
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.set_defaults(command=_doctor)

    badges = commands.add_parser("badges", help="write the launch links into the notebooks and README.md")
    badges.add_argument("--check", action="store_true", help="change nothing; fail if one is out of date")
    badges.set_defaults(command=_badges)
    return parser


def _run(options: argparse.Namespace) -> int:
    from helpers.notebook_parameters import typed_value
    from helpers.runner import NOTEBOOKS, run_notebooks

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


def _doctor(options: argparse.Namespace) -> int:
    from helpers.doctor import examine, report

    findings = examine()
    print(report(findings, as_json=options.json))
    return 1 if findings["problems"] else 0


def _badges(options: argparse.Namespace) -> int:
    from helpers.badges import update_badges

    changed = update_badges(check=options.check)
    for path in changed:
        print(f"{path.name}: {'out of date' if options.check else 'updated'}")
    if changed and options.check:
        print("Write them with: python -m helpers badges", file=sys.stderr)
        return 1
    if not changed:
        print("All launch links are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
