"""``medgemma-tutorials benchmark``: a public set that its user downloaded, as a table to evaluate on."""

from __future__ import annotations

import argparse

from helpers.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "benchmark",
        help="make a table of a public benchmark that you downloaded, and show what is published of it",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the set; all are listed without it")
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="the set, unpacked; without it, what it has to be"
    )
    parser.add_argument("--output", metavar="FILE", help="the table, a new .csv, for evaluate --cases")
    parser.add_argument("--split", metavar="S", help="one of the set's; default: that of the published figures")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most so many patients (or images, where those are not known)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that choice; default: %(default)s")
    parser.set_defaults(command=_benchmark)


def _benchmark(options: argparse.Namespace) -> int:
    from helpers.public_sets import SETS, about, published_lines, write_table

    if options.name is None:
        width = max(map(len, SETS))
        print(*(f"{name:{width}}  {each.title}" for name, each in SETS.items()), "", *published_lines(), sep="\n")
        return 0
    if options.folder is None:
        print(about(options.name))
        return 0
    if options.output is None:
        raise InputError("Nothing says where the table goes.", remedy="Give --output FILE.csv.")
    table = write_table(
        options.name,
        options.folder,
        options.output,
        split=options.split,
        limit=options.limit,
        seed=options.seed,
    )
    print(about(options.name), *(f"note: {note}" for note in table.notes), sep="\n")
    print(f"{table.path}: {table.rows} questions, {table.groups} groups")
    print(f"ask them with: medgemma-tutorials evaluate --cases {table.path} --output DIR --model M")
    return 0
