"""``medgemma-tutorials merge``: write a model and its adapter as one model."""

from __future__ import annotations

import argparse

from helpers.cli.checks import check_model
from helpers.cli.model import add_adapter, add_model

EXAMPLES = (
    (
        "medgemma-tutorials merge --adapter outputs/adapter --output outputs/whole",
        "merge the stand-in with its adapter",
    ),
    (
        "medgemma-tutorials evaluate --cases teaching:ct --model outputs/whole --output outputs/ct",
        "then ask the merged model",
    ),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "merge",
        help="write a model and its adapter as one model",
        description="Merge an adapter into the weights of its model, and write a folder that other tools can "
        "load, such as transformers or vLLM.",
        examples=EXAMPLES,
    )
    group = add_model(parser, remote=False)
    add_adapter(group, required=True)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", required=True, metavar="DIR", help="the folder of the merged model, which must not exist yet"
    )
    parser.set_defaults(command=_merge)


def _merge(options: argparse.Namespace) -> int:
    from helpers.storage import free_place

    check_model(options.model)
    free_place(options.output)
    from helpers.models import merge

    print(f"MODEL: {merge(options.model, options.adapter, options.output)}")
    return 0
