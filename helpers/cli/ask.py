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

FAILURES_SHOWN = 5
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
        'medgemma-tutorials ask slide.svs "Which stain is this?" --json',
        "about a whole slide, with JSON for a script",
    ),
    ('medgemma-tutorials ask ct-head "Is there a bleed?" --history record.json', "with the patient's history"),
    ("medgemma-tutorials ask reports --schema lab-report --output DIR", "a folder of lab reports, to one table"),
)


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
        help="the patient's record, a FHIR R4 Bundle in JSON; what it tells goes before the question, without "
        "name, address and identifiers",
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
    add_asked_model(parser)
    add_reading(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        metavar="DIR",
        help="with --schema: the folder of the table and of all answers; the same command goes on after a stop",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object with the answer or the error; everything else goes to standard error",
    )
    group.add_argument(
        "--explain",
        metavar="DIR",
        help="write into this folder, as a picture and as JSON, how much each image speaks for the answer, or of "
        "a single image each field; takes two --options, and about half as many prompts more as there are images",
    )
    parser.set_defaults(command=_ask)


def _ask(options: argparse.Namespace) -> int:
    if options.schema is not None:
        return _ask_reports(options)
    if options.question is None:
        raise InputError(
            "QUESTION is missing.", remedy="This shows how it is written: medgemma-tutorials ask --help"
        )
    if options.output is not None:
        raise InputError("--output is for --schema.", remedy="Leave it out; --json prints all of the answer.")
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
            history=options.history,
            history_tokens=options.history_tokens,
        )
    if options.json:
        print(json_text(asked))
        return 0
    cut = "" if asked["finished"] else " (the answer was cut off; a larger --max-new-tokens gives it more room)"
    print(f"\n{asked['answer']}{cut}\n")
    cost = f"{asked['prompt_tokens']:,} tokens in, {asked['completion_tokens']} out, {asked['seconds']:.1f} s"
    print(f"{cost}, {asked['model']}. For education and not for diagnosis.")
    if options.explain is not None:
        where = asked["where"]
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
    from helpers.attribution import cost, explain

    print(cost(messages), flush=True)
    return {"where": explain(chat, messages, options.explain, options.options, kind)}


def _ask_reports(options: argparse.Namespace) -> int:
    """Every page of every report, to one table."""
    _check_reports(options)
    from helpers.images import Reading
    from helpers.lab_reports import ask_reports, find_pages, read_schema
    from helpers.models import load_model
    from helpers.storage import json_text

    schema = read_schema(options.schema)
    chosen = Reading.of(**reading(options))
    if others := set(chosen.chosen) - {"icc"}:
        raise InputError(
            f"Of reports every page is read as it is, and {', '.join(sorted(others))} changes nothing.",
            remedy="Leave it out.",
        )
    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        found = find_pages(
            options.path,
            schema,
            question=options.question or "",
            limit=options.limit,
            reading=chosen,
            outside=options.output,
        )
        chat = load_model(
            options.model,
            adapter=options.adapter,
            vision_batch=options.vision_batch,
            context=options.context,
            sources=sorted({page.path for page in found.pages}),
            may_leave=options.may_leave,
        )
        if chat.is_standin:
            print("The stand-in cannot read text: its table will be empty. --model chooses another model.")
        done = ask_reports(chat, found, options.output, schema, max_new_tokens=options.max_new_tokens)
    without = [*done["failed"], *done["unparsable"]]
    if options.json:
        print(json_text(done))
        return 1 if without else 0
    print(f"{done['rows']} rows of {done['pages']} pages, {done['mended']} of them mended: {done['table']}")
    for what in ("failed", "unparsable", "incomplete"):
        for one in done[what][:FAILURES_SHOWN]:
            page = "" if one["page"] is None else f", page {one['page']}"
            print(f"{what}: {one['file']}{page}: {one['why']}")
        if (more := len(done[what]) - FAILURES_SHOWN) > 0:
            print(f"{what}: {more} more, in {done['failures']}")
    print(f"{done['model']}. For education and not for diagnosis.")
    return 1 if without else 0


def _check_reports(options: argparse.Namespace) -> None:
    """Raise `InputError` for options that do not go together, before a model is loaded."""
    if options.output is None:
        raise InputError("--output is missing.", remedy="Give --schema a folder for its table: --output DIR.")
    for name in ("options", "series", "explain", "history"):
        if getattr(options, name):
            raise InputError(f"--{name} does not go with --schema.", remedy="Leave out one of them.")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"{options.limit} pages cannot be read.", remedy="Give a limit of 1 or more.")
    check_folder(options.output)
    check_model(options.model)
