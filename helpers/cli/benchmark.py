"""``medgemma-tutorials benchmark``: a public set that its user downloaded, as a table to evaluate on."""

from __future__ import annotations

import argparse

from helpers.errors import InputError

EXAMPLES = (
    ("medgemma-tutorials benchmark", "list the sets, and what was published about them"),
    ("medgemma-tutorials benchmark slake", "say where to get one set, and how its folder is laid out"),
    ("medgemma-tutorials benchmark slake path/to/SLAKE --output slake.csv", "make the table of this set"),
    ("medgemma-tutorials evaluate --cases slake.csv --output outputs/slake", "and ask a model its questions"),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "benchmark",
        help="make a table of a public benchmark that you downloaded",
        description="Make a table of a public benchmark that you downloaded, with the questions of the MedGemma "
        "report, for evaluate --cases. Without a folder, the command describes the set and lists what "
        "was published about it.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the public set")
    group.add_argument(
        "name", nargs="?", metavar="NAME", help="the name of the set; without a name, the command lists all sets"
    )
    group.add_argument("folder", nargs="?", metavar="FOLDER", help="the folder where you unpacked it")
    group.add_argument(
        "--split", metavar="S", help="a split of the set; default: the split of the published figures"
    )
    group.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="take at most this many patients, drawn at random; where the set does not record patients, "
        "this many images",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="the seed of the random draw: another number draws other patients; default: %(default)s",
    )
    group = parser.add_argument_group("output")
    group.add_argument("--output", metavar="FILE", help="the new .csv file that the table is written to")
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
        raise InputError("The command does not know where to write the table.", remedy="Give --output FILE.csv.")
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
    print(
        f"To ask a model these questions, run: medgemma-tutorials evaluate --cases {table.path} --output "
        "DIR --model M"
    )
    return 0
