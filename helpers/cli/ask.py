"""``medgemma-tutorials ask``: a question about images of your own."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from helpers.cli.checks import check_folder, check_model
from helpers.cli.model import add_asked_model
from helpers.cli.reading import add_reading, reading
from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError

EXAMPLES = (
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --options yes no',
        "about a CT of the course",
    ),
    (
        'medgemma-tutorials ask path/to/study "Is there an effusion?" --series 2 5',
        "about two series of a DICOM study",
    ),
    ('medgemma-tutorials ask brain.nii.gz "Is there a lesion?" --modality mri', "a NIfTI file"),
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --options yes no --explain outputs/where',
        "and show on which slices the answer depends",
    ),
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --find --limit 12',
        "search all slices, then ask again about the best",
    ),
    (
        'medgemma-tutorials ask slide.svs "Which stain is this?" --json',
        "about a whole slide, with JSON for a script",
    ),
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --history data/record.json',
        "with the patient's history",
    ),
    (
        "medgemma-tutorials ask reports --schema lab-report --output DIR",
        "read a folder of lab reports into one table",
    ),
)


SEARCH = ("block", "best", "threshold")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "ask",
        help="ask a model about images of your own",
        description="Ask a model one question about images. The command first prints which images the path holds "
        "and how many tokens the prompt has, then the answer. With --schema it asks about every page of every "
        "report in a folder and writes one table. Exit code 1 there: a file or page gave no rows.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the question")
    group.add_argument(
        "path",
        metavar="PATH",
        help="a DICOM series or study, a NIfTI file, a whole slide, a 2D image, a PDF, or the name of an image of "
        "the course, e.g. ct-head",
    )
    group.add_argument(
        "question",
        nargs="?",
        metavar="QUESTION",
        help="the question in your own words, in quotes; with --schema you may leave it out",
    )
    group.add_argument(
        "--options",
        nargs="+",
        default=[],
        metavar="A",
        help="the answers that the model chooses from, e.g. yes no",
    )
    group.add_argument(
        "--history",
        metavar="FILE",
        help="the patient's record, a FHIR R4 Bundle in JSON; its facts go before the question, without name, "
        "address and identifiers",
    )
    group.add_argument(
        "--history-tokens",
        type=int,
        default=2_000,
        metavar="N",
        help="the most tokens of the history; the oldest entries are left out first; default: %(default)s",
    )
    group.add_argument(
        "--schema",
        metavar="FILE",
        help="read reports: ask for a list of rows with the fields of this JSON Schema, or of lab-report (test, "
        "value, unit, range, flag)",
    )
    group = parser.add_argument_group("which images")
    group.add_argument(
        "--series",
        nargs="+",
        default=[],
        metavar="N",
        help="use only the series of a DICOM study with these numbers",
    )
    group.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="show at most this many slices, patches, images, or pages of one file; default: 85 slices, 126 "
        "patches or images, 20 pages",
    )
    group = parser.add_argument_group("search first, then ask (notebook 14)")
    group.add_argument(
        "--find",
        action="store_true",
        help="ask about all slices in blocks, or all patches at 5x, and then again where yes is likeliest; the "
        "command prints the cost before it asks",
    )
    group.add_argument("--block", type=int, metavar="N", help="how many slices a block has; default: 8")
    group.add_argument("--best", type=int, metavar="N", help="how many parts are asked about again; default: 1")
    group.add_argument(
        "--threshold", type=float, metavar="P", help="how likely yes has to be for the answer yes, from 0 to 1"
    )
    add_asked_model(parser)
    add_reading(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        metavar="DIR",
        help="with --schema: the folder for the table and all answers; the same command continues a run that was "
        "stopped",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object with the answer or the error; everything else goes to standard error",
    )
    group.add_argument(
        "--explain",
        metavar="DIR",
        help="write a picture and a JSON file into this folder that show how much each image speaks for the "
        "answer, or each field of a single image; needs two --options, and takes about half as many further "
        "prompts as there are images",
    )
    parser.set_defaults(command=_ask)


def _ask(options: argparse.Namespace) -> int:
    if options.schema is not None:
        from helpers.cli.ask_reports import ask_reports

        return ask_reports(options)
    if options.question is None:
        raise InputError(
            "QUESTION is missing.", remedy="To see how the command is written, run: medgemma-tutorials ask --help"
        )
    if options.output is not None:
        raise InputError("--output is for --schema.", remedy="Leave it out. --json prints the whole answer.")
    check_model(options.model)
    more = _more(options)
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
            image_format=options.image_format,
            max_new_tokens=options.max_new_tokens,
            vision_batch=options.vision_batch,
            limit=options.limit,
            context=options.context,
            **more,
        )
    if options.json:
        print(json_text(asked))
        return 0
    cut = "" if asked["finished"] else " (the answer was cut off; a larger --max-new-tokens gives it more room)"
    print(f"\n{asked['answer']}{cut}\n")
    if options.find:
        _tell_found(asked)
        return 0
    cost = f"{asked['prompt_tokens']:,} tokens in, {asked['completion_tokens']} out, {asked['seconds']:.1f} s"
    print(f"{cost}, {asked['model']}. For education and not for diagnosis.")
    if options.explain is not None:
        where = asked["where"]
        if where["likelier"] != asked["final_answer"]:
            print(
                f"Without an argument, the model finds {where['likelier']!r} likelier. The picture explains this "
                "answer."
            )
        if where["means_little"]:
            print("The model was about to give neither of these answers, so the picture means little.")
        print(f"Where it looked: {where['picture']} and {where['json']}")
    return 0


def _more(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a search, or of a single question with its history and explanation; raises `InputError`."""
    search = {name: getattr(options, name) for name in SEARCH if getattr(options, name) is not None}
    if not options.find:
        if search:
            name = next(iter(search))
            raise InputError(f"--{name} belongs to a search.", remedy=f"Add --find, or leave out --{name}.")
        if options.explain is not None:
            _check_explain(options)
        return {
            "afterwards": None if options.explain is None else functools.partial(_explain, options),
            "history": options.history,
            "history_tokens": options.history_tokens,
        }
    for name in ("explain", "history"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} does not go with --find.", remedy="Leave out one of them.")
    return search


def _check_explain(options: argparse.Namespace) -> None:
    """Raise `InputError` if --explain is not possible with these options, before images are read."""
    from helpers.models import RECORDED_PREFIX

    check_folder(options.explain, "--explain")
    if len(options.options) != 2:
        raise InputError(
            f"--explain compares two answers, but --options gives {len(options.options)}.",
            remedy="Ask a question with two possible answers, and give both: --options yes no.",
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


def _tell_found(asked: dict[str, Any]) -> None:
    """Where the answer of a search was found, and what it cost."""
    where, p_yes = asked["where"], asked["p_yes"]
    if "slices" in where:
        place = "Slices {} to {}".format(*where["slices"])
    else:
        place = "The patch of {size} pixels at x {x}, y {y}".format(**where["patch"])
    told = "the server sent no likelihood" if p_yes is None else f"the likelihood of yes is {p_yes:.3f}"
    by = "" if asked["threshold"] is None else f" by the threshold of {asked['threshold']:g}"
    print(f"{place}: {told}. Answer{by}: {asked['final_answer']}")
    cost = f"{len(asked['scan'])} + {len(asked['again'])} prompts, {asked['prompt_tokens']:,} tokens in"
    print(f"{cost}, {asked['seconds']:.1f} s, {asked['model']}. For education and not for diagnosis.")
