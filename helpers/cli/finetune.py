"""``medgemma-tutorials finetune``: train an adapter."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "finetune", help="train an adapter, on one or (accelerate launch) several devices"
    )
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--config", metavar="FILE", help="the run's settings; started again, it goes on")
    given.add_argument(
        "--init",
        nargs="?",
        const="finetune.yaml",
        metavar="FILE",
        help="write a file with all settings, explained, to start from; default: %(const)s",
    )
    parser.set_defaults(command=_finetune)


def _finetune(options: argparse.Namespace) -> int:
    from helpers.finetuning import finetune_from, read_config, write_starting_file

    if options.init is not None:
        print(f"Edit it, then --config: {write_starting_file(options.init)}")
        return 0
    print(f"Adapter: {finetune_from(read_config(options.config))}")
    return 0
