"""``medgemma-tutorials finetune``: train an adapter."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "finetune", help="train an adapter, on one or (accelerate launch) several devices"
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="start from helpers/configs/finetune.yaml")
    parser.set_defaults(command=_finetune)


def _finetune(options: argparse.Namespace) -> int:
    from helpers.finetuning import finetune_from, read_config

    print(f"Adapter: {finetune_from(read_config(options.config))}")
    return 0
