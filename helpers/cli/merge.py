"""``medgemma-tutorials merge``: a model and its adapter become one whole model."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("merge", help="write a model with an adapter merged into it as a whole model")
    parser.add_argument("--model", default="standin", metavar="M", help="name or folder; default: %(default)s")
    parser.add_argument("--adapter", required=True, metavar="DIR", help="folder of an adapter for that model")
    parser.add_argument("--output", required=True, metavar="DIR", help="of the merged model; must not exist")
    parser.set_defaults(command=_merge)


def _merge(options: argparse.Namespace) -> int:
    from helpers.models import merge

    print(f"MODEL: {merge(options.model, options.adapter, options.output)}")
    return 0
