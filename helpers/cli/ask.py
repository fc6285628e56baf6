"""``medgemma-tutorials ask``: a question about images of your own."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from typing import Any

from helpers.cli.checks import check_folder, check_model
from helpers.cli.model import add_asked_model
from helpers.cli.reading import add_reading, reading
from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError

EXAMPLES = (
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --options yes no',
        "a CT of the course",
    ),
    ('medgemma-tutorials ask path/to/study "Is there an effusion?" --series 2 5', "two series of a DICOM study"),
    ('medgemma-tutorials ask brain.nii.gz "Is there a lesion?" --modality mri', "a NIfTI file"),
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --options yes no --explain outputs/where',
        "and which slices the answer depends on",
    ),
    ('medgemma-tutorials ask slide.svs "Which stain is this?" --json', "a whole slide, for a script"),
)


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
    add_asked_model(parser)
    add_reading(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object, the answer or the error, and all else on standard error",
    )
    group.add_argument(
        "--explain",
        metavar="DIR",
        help="write into this folder, as a picture and as JSON, how much each image speaks for the answer, or of "
        "a single image each field; takes two --options, and about half as many prompts more as there are images",
    )
    parser.set_defaults(command=_ask)


def _ask(options: argparse.Namespace) -> int:
    from contextlib import redirect_stdout

    check_model(options.model)
    if options.explain is not None:
        _check_explain(options)
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
            afterwards=None if options.explain is None else functools.partial(_explain, options),
        )
    if options.json:
        print(json_text(asked))
        return 0
    cut = "" if asked["finished"] else " (cut off; --max-new-tokens gives it more room)"
    print(f"\n{asked['answer']}{cut}\n")
    cost = f"{asked['prompt_tokens']:,} tokens in, {asked['completion_tokens']} out, {asked['seconds']:.1f} s"
    print(f"{cost}, {asked['model']}. For education and not for diagnosis.")
    if options.explain is not None:
        where = asked["where"]
        if where["likelier"] != asked["final_answer"]:
            print(
                f"Before an argument the model leans to {where['likelier']!r}, which is what the picture explains."
            )
        if where["means_little"]:
            print("The model was about to say something else than these answers, so where it looked means little.")
        print(f"Where it looked: {where['picture']} and {where['json']}")
    return 0


def _check_explain(options: argparse.Namespace) -> None:
    """Raise `InputError` where it cannot be told where the model looked, before images are read."""
    from helpers.models import RECORDED_PREFIX

    check_folder(options.explain, "--explain")
    if len(options.options) != 2:
        raise InputError(
            f"--explain compares two answers, and --options gives {len(options.options)}.",
            remedy="Ask a question that is answered by one of two, and give both: --options yes no.",
        )
    if options.model.startswith((ENDPOINT_PREFIX, RECORDED_PREFIX)):
        raise InputError(
            "--explain needs a model that is loaded on this machine.",
            path=options.model,
            remedy="Leave out --explain, or give the model's own name or folder.",
        )


def _explain(options: argparse.Namespace, chat: Any, messages: Sequence[Any], kind: str) -> dict[str, Any]:
    from helpers.attribution import explain, explaining_cost

    print(explaining_cost(messages), flush=True)
    return {"where": explain(chat, messages, options.explain, options.options, kind)}
