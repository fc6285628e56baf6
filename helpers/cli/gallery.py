"""``medgemma-tutorials gallery``: a static site of a run."""

from __future__ import annotations

import argparse

from helpers.cli.checks import check_folder

EXAMPLES = (
    ("medgemma-tutorials run", "run the notebooks first"),
    ("medgemma-tutorials gallery", "then build a site from that run"),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "gallery",
        help="build a static site from a run of the notebooks and the guide",
        description="Build a static site from a run of the notebooks: the executed pages, the guide, the scores "
        "and the Python names, with a search. A browser opens the site from disk, without a server.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("what goes into the site")
    group.add_argument(
        "--run", default="outputs/run", metavar="DIR", help="the output of run; default: %(default)s"
    )
    group.add_argument(
        "--notebooks", metavar="DIR", help="the folder of the notebooks; default: those of this checkout"
    )
    group.add_argument("--docs", metavar="DIR", help="the folder of the guide; default: that of this checkout")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", default="outputs/site", metavar="DIR", help="the folder of the site; default: %(default)s"
    )
    parser.set_defaults(command=_gallery)


def _gallery(options: argparse.Namespace) -> int:
    check_folder(options.output)
    from helpers.gallery import build_gallery

    folders = {"notebooks": options.notebooks, "docs": options.docs}
    site = build_gallery(options.run, options.output, **{name: given for name, given in folders.items() if given})
    print(f"Site: {site}")
    return 0
