"""``medgemma-tutorials prepare``: prompt-ready images, once."""

from __future__ import annotations

import argparse
from typing import Any

from helpers.cli.reading import add_reading, reading


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "prepare",
        help="make prompt-ready images of a folder or bucket, once",
        description="Make a Parquet shard of prompt-ready images of each volume, slide and image. What cannot be "
        "read is listed in _quarantine.jsonl with its reason, counted in the line at the end, and does not change "
        "the exit code, which is 0.",
    )
    parser.add_argument("path", metavar="PATH", help="file, folder, manifest name, or address such as s3://BUCKET")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder or address of the shards")
    parser.add_argument("--modality", choices=("ct", "mri"), help="of NIfTI, which does not record it")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="slices or patches of each, at most; default: 85, 126"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: 1, with --ray all cores")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="by workers on Ray: here, or on a running cluster"
    )
    parser.add_argument("--retry", action="store_true", help="try again what was quarantined and has not changed")
    add_reading(parser)
    parser.set_defaults(command=_prepare)


def _prepare(options: argparse.Namespace) -> int:
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
