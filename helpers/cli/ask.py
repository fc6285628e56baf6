"""``medgemma-tutorials ask``: a question about images of your own."""

from __future__ import annotations

import argparse
import sys

from helpers.cli.model import add_max_new_tokens, add_tuned
from helpers.cli.reading import add_reading, reading


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("ask", help="ask a model about images of your own")
    parser.add_argument(
        "path",
        metavar="PATH",
        help="DICOM series or study folder, NIfTI, whole slide, 2D image, or a manifest name",
    )
    parser.add_argument("question", help="in your words, in quotes")
    parser.add_argument(
        "--model", default="standin", metavar="M", help="name, folder, or endpoint:URL#MODEL; default: %(default)s"
    )
    add_tuned(parser)
    parser.add_argument("--modality", choices=("ct", "mri"), help="of NIfTI, which does not record it")
    parser.add_argument("--series", nargs="+", default=[], metavar="N", help="only these DICOM series numbers")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="slices, patches or images, at most; default: 85, 126"
    )
    parser.add_argument("--options", nargs="+", default=[], metavar="A", help="what can be answered, e.g. yes no")
    add_max_new_tokens(parser)
    parser.add_argument(
        "--may-leave", default="", metavar="WHY", help="why images may go to an endpoint unchecked"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, and all else to stderr")
    add_reading(parser)
    parser.set_defaults(command=_ask)


def _ask(options: argparse.Namespace) -> int:
    from contextlib import redirect_stdout

    from helpers.models import ask_path
    from helpers.storage import json_text

    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        asked = ask_path(
            options.path,
            options.question,
            model=options.model,
            adapter=options.adapter,
            modality=options.modality,
            series=options.series,
            options=options.options,
            **reading(options),
            may_leave=options.may_leave,
            max_new_tokens=options.max_new_tokens,
            vision_batch=options.vision_batch,
            limit=options.limit,
            context=options.context,
        )
    if options.json:
        print(json_text(asked))
        return 0
    cut = "" if asked["finished"] else " (cut off; --max-new-tokens gives it more room)"
    print(f"\n{asked['answer']}{cut}\n")
    cost = f"{asked['prompt_tokens']:,} tokens in, {asked['completion_tokens']} out, {asked['seconds']:.1f} s"
    print(f"{cost}, {asked['model']}. For education and not for diagnosis.")
    return 0
