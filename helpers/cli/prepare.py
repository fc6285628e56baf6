"""``medgemma-tutorials prepare``: prompt-ready images, once."""

from __future__ import annotations

import argparse
from typing import Any

from helpers.cli.checks import check_folder
from helpers.cli.reading import add_reading, reading
from helpers.cli.workers import add_ray

EXAMPLES = (
    (
        "medgemma-tutorials prepare path/to/studies --output prepared --workers 4",
        "read the studies with four processes",
    ),
    (
        "medgemma-tutorials evaluate --cases mine.csv --prepared prepared --output outputs/mine",
        "then use the prepared images",
    ),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "prepare",
        help="read the images of a folder or bucket once, for many runs",
        description="Read volumes, slides and 2D images once, and store each as a Parquet file with the images "
        "that the model sees. Files that cannot be read are listed with the reason in "
        "_quarantine.jsonl and counted in the last line. They do not change the exit code, which is 0.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("which images")
    group.add_argument(
        "path",
        metavar="PATH",
        help="a file or folder, the name of an image of the course, or an address such as s3://BUCKET",
    )
    group.add_argument(
        "--limit", type=int, metavar="N", help="keep at most this many slices or patches of each; default: 85, 126"
    )
    group.add_argument(
        "--retry",
        action="store_true",
        help="read the files in the quarantine again, although they have not changed",
    )
    add_reading(parser)
    group = parser.add_argument_group("many workers")
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="how many processes read files; default: 1, with --ray one for each core",
    )
    add_ray(group, "read")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", required=True, metavar="DIR", help="a folder, or an address such as s3://BUCKET/prepared"
    )
    parser.set_defaults(command=_prepare)


def _prepare(options: argparse.Namespace) -> int:
    check_folder(options.output)
    from helpers.parallel import Killed, in_processes
    from helpers.preparing import prepare

    mapped: Any = map
    if options.ray is not None:
        from helpers.parallel import ray_map

        mapped = ray_map(options.ray or None, options.workers, lost=Killed)
    elif options.workers not in (None, 1):
        mapped = in_processes(options.workers)
    summary = prepare(
        options.path,
        options.output,
        modality=options.modality,
        limit=options.limit,
        retry=options.retry,
        **reading(options),
        mapped=mapped,
    )
    print(summary)
    return 0
