"""``medgemma-tutorials ask``: a question about images of your own."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from helpers.cli.checks import check_model
from helpers.cli.model import add_asked_model
from helpers.cli.reading import add_reading, reading
from helpers.errors import InputError

EXAMPLES = (
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --options yes no',
        "a CT of the course",
    ),
    ('medgemma-tutorials ask path/to/study "Is there an effusion?" --series 2 5', "two series of a DICOM study"),
    ('medgemma-tutorials ask brain.nii.gz "Is there a lesion?" --modality mri', "a NIfTI file"),
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --find --limit 12',
        "all slices, then the best again",
    ),
    ('medgemma-tutorials ask slide.svs "Which stain is this?" --json', "a whole slide, for a script"),
)


SEARCH = ("block", "best", "threshold")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "ask",
        help="ask a model about images of your own",
        description="Ask a model one question about images. What the path holds and what the prompt costs is "
        "printed first, then the answer.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the question")
    group.add_argument(
        "path",
        metavar="PATH",
        help="a DICOM series or study, a NIfTI file, a whole slide, a 2D image, or the name of an image of the "
        "course, e.g. ct-head",
    )
    group.add_argument("question", metavar="QUESTION", help="in your own words, in quotes")
    group.add_argument(
        "--options", nargs="+", default=[], metavar="A", help="the answers to choose from, e.g. yes no"
    )
    group = parser.add_argument_group("which images")
    group.add_argument(
        "--series", nargs="+", default=[], metavar="N", help="use only these series of a DICOM study, by number"
    )
    group.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="show at most this many slices, patches or images; default: 85 slices, 126 patches or images",
    )
    group = parser.add_argument_group("search first, then ask (notebook 14)")
    group.add_argument(
        "--find",
        action="store_true",
        help="ask about all slices in blocks, or all patches at 5x, and then again where yes is likeliest; "
        "what that costs is printed before it runs",
    )
    group.add_argument("--block", type=int, metavar="N", help="slices of a block; default: 8")
    group.add_argument("--best", type=int, metavar="N", help="how many parts are asked about again; default: 1")
    group.add_argument(
        "--threshold", type=float, metavar="P", help="how likely yes has to be for the answer yes, from 0 to 1"
    )
    add_asked_model(parser)
    add_reading(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object, the answer or the error, and all else on standard error",
    )
    parser.set_defaults(command=_ask)


def _ask(options: argparse.Namespace) -> int:
    from contextlib import redirect_stdout

    check_model(options.model)
    chosen = {name: getattr(options, name) for name in SEARCH if getattr(options, name) is not None}
    if chosen and not options.find:
        raise InputError(f"--{next(iter(chosen))} is of a search.", remedy="Add --find, or leave it out.")
    if options.find:
        from helpers.coarse_to_fine import find_path as ask
    else:
        from helpers.models import ask_path as ask
    from helpers.storage import json_text

    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        asked = ask(
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
            **chosen,
        )
    if options.json:
        print(json_text(asked))
        return 0
    cut = "" if asked["finished"] else " (cut off; --max-new-tokens gives it more room)"
    print(f"\n{asked['answer']}{cut}\n")
    if options.find:
        _tell_found(asked)
        return 0
    cost = f"{asked['prompt_tokens']:,} tokens in, {asked['completion_tokens']} out, {asked['seconds']:.1f} s"
    print(f"{cost}, {asked['model']}. For education and not for diagnosis.")
    return 0


def _tell_found(asked: dict[str, Any]) -> None:
    """Where the answer of a search was found, and what it cost."""
    where, p_yes = asked["where"], asked["p_yes"]
    if "slices" in where:
        place = "Slices {} to {}".format(*where["slices"])
    else:
        place = "The patch of {size} pixels at x {x}, y {y}".format(**where["patch"])
    told = "no likelihood was told" if p_yes is None else f"the likelihood of yes is {p_yes:.3f}"
    by = "" if asked["threshold"] is None else f" by the threshold of {asked['threshold']:g}"
    print(f"{place}: {told}. Answer{by}: {asked['final_answer']}")
    cost = f"{len(asked['scan'])} + {len(asked['again'])} prompts, {asked['prompt_tokens']:,} tokens in"
    print(f"{cost}, {asked['seconds']:.1f} s, {asked['model']}. For education and not for diagnosis.")
