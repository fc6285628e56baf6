"""``medgemma-tutorials ask --schema``: every page of a folder of reports, to one table."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout

from helpers.cli.checks import check_folder, check_model
from helpers.cli.reading import reading
from helpers.errors import InputError

FAILURES_SHOWN = 5


def ask_reports(options: argparse.Namespace) -> int:
    """Read every page of every report, write the table, and return the exit code."""
    _check_reports(options)
    from helpers import lab_reports
    from helpers.images import Reading
    from helpers.models import load_model
    from helpers.storage import json_text

    schema = lab_reports.read_schema(options.schema)
    chosen = Reading.of(**reading(options))
    if others := set(chosen.chosen) - {"icc"}:
        raise InputError(
            f"The model reads each page of a report as it is, so {', '.join(sorted(others))} would change "
            "nothing.",
            remedy="Leave it out.",
        )
    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        found = lab_reports.find_pages(
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
            image_format=options.image_format,
        )
        if chat.is_standin:
            print("The stand-in cannot read text: its table will be empty. --model chooses another model.")
        done = lab_reports.ask_reports(chat, found, options.output, schema, max_new_tokens=options.max_new_tokens)
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
    for name in ("options", "series", "explain", "history", "find", "block", "best", "threshold", "modality"):
        given = getattr(options, name)
        if given is not None and given is not False and given != []:
            raise InputError(f"--{name} does not go with --schema.", remedy="Leave out one of them.")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"{options.limit} pages cannot be read.", remedy="Give a limit of 1 or more.")
    check_folder(options.output)
    check_model(options.model)
