"""``medgemma-tutorials doctor``: what this machine can run."""

from __future__ import annotations

import argparse

EXAMPLES = (
    ("medgemma-tutorials doctor", "in words"),
    ("medgemma-tutorials doctor --json", "for a script"),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine can run",
        description="Check Python, the packages, the optional parts, the GPU, memory and disk, the access to "
        "Hugging Face and the models, and estimate how long MedGemma would take on this machine. Exit "
        "code 1 means that the install is broken.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from helpers.course import examine, report

    findings = examine()
    print(report(findings, as_json=options.json))
    return 1 if findings["problems"] else 0
