"""``medgemma-tutorials serve``: a model on this machine."""

from __future__ import annotations

import argparse

from helpers.cli.checks import check_model
from helpers.cli.model import add_adapter, add_context, add_model

EXAMPLES = (
    ("medgemma-tutorials serve", "serve the stand-in on a free port"),
    (
        "medgemma-tutorials serve --model google/medgemma-1.5-4b-it --port 8000",
        "serve the real model on port 8000",
    ),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="serve a model to the programs of this machine",
        description="Serve a model with the OpenAI chat API until you press Ctrl-C. Only programs on this machine "
        "can reach the server. The command prints the MODEL that you give to the notebooks and the "
        "other commands.",
        examples=EXAMPLES,
    )
    group = add_model(parser, remote=False)
    add_adapter(group)
    add_context(group)
    group = parser.add_argument_group("the server")
    group.add_argument(
        "--port", type=int, default=0, metavar="N", help="the port of the server; default: a free port"
    )
    parser.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> int:
    check_model(options.model)
    from helpers.models import serve

    print("Starting the server.", flush=True)
    with serve(options.model, options.port, adapter=options.adapter, context=options.context) as served:
        print(
            f"The server {served.url} is ready ({served.kind}). Only this machine can reach it. To use it:",
            flush=True,
        )
        print(f'MODEL = "{served.model}"\nPress Ctrl-C to stop the server.', flush=True)
        return served.process.wait()
