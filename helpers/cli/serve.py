"""``medgemma-tutorials serve``: a model on this machine."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("serve", help="serve a model on this machine, and on no other, until Ctrl-C")
    parser.add_argument("--model", default="standin", metavar="M", help="name or folder; default: %(default)s")
    parser.add_argument("--adapter", metavar="DIR", help="folder of an adapter for that model")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: one that is free")
    parser.add_argument(
        "--context", type=int, metavar="N", help="tokens of a prompt, at most, up to 131072; default: 32768"
    )
    parser.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> int:
    from helpers.models import serve

    print("Starting the server.", flush=True)
    with serve(options.model, options.port, adapter=options.adapter, context=options.context) as served:
        print(f"{served.url} answers ({served.kind}), for this machine alone. To use it:", flush=True)
        print(f'MODEL = "{served.model}"\nCtrl-C stops it.', flush=True)
        return served.process.wait()
