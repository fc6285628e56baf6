"""``medgemma-tutorials serve``: a model on this machine."""

from __future__ import annotations

import argparse

from helpers.cli.checks import check_model
from helpers.cli.model import add_adapter, add_context, add_model

EXAMPLES = (
    ("medgemma-tutorials serve", "the stand-in, on a free port"),
    ("medgemma-tutorials serve --model google/medgemma-1.5-4b-it --port 8000", "the real model"),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="serve a model to the programs of this machine",
        description="Serve a model by the OpenAI chat API until Ctrl-C. Only programs on this machine can reach "
        "it. It prints the MODEL with which the notebooks and the other commands use it.",
        examples=EXAMPLES,
    )
    group = add_model(parser, remote=False)
    add_adapter(group)
    add_context(group)
    group = parser.add_argument_group("the server")
    group.add_argument(
        "--port", type=int, default=0, metavar="N", help="where it listens; default: a port that is free"
    )
    parser.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> int:
    check_model(options.model)
    from helpers.models import serve

    print("Starting the server.", flush=True)
    with serve(options.model, options.port, adapter=options.adapter, context=options.context) as served:
        print(f"{served.url} answers ({served.kind}), for this machine alone. To use it:", flush=True)
        print(f'MODEL = "{served.model}"\nCtrl-C stops it.', flush=True)
        return served.process.wait()
