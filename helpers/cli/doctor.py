"""``medgemma-tutorials doctor``: what this machine can run."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("doctor", help="say what this machine can run")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from helpers.course import examine, report

    findings = examine()
    print(report(findings, as_json=options.json))
    return 1 if findings["problems"] else 0
