"""``medgemma-tutorials gallery``: a static site of a run."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("gallery", help="build a static site from a run of the notebooks and the guide")
    parser.add_argument("--run", default="outputs/run", metavar="DIR", help="default: %(default)s")
    parser.add_argument("--output", default="outputs/site", metavar="DIR", help="default: %(default)s")
    parser.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks; default: the checkout's own")
    parser.add_argument("--docs", metavar="DIR", help="folder of the guide; default: the checkout's own")
    parser.set_defaults(command=_gallery)


def _gallery(options: argparse.Namespace) -> int:
    from helpers.gallery import build_gallery

    folders = {"notebooks": options.notebooks, "docs": options.docs}
    site = build_gallery(options.run, options.output, **{name: given for name, given in folders.items() if given})
    print(f"Site: {site}")
    return 0
