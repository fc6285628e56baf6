"""``medgemma-tutorials finetune``: train an adapter."""

from __future__ import annotations

import argparse

EXAMPLES = (
    ("medgemma-tutorials finetune --init my.yaml", "write all settings, explained"),
    ("medgemma-tutorials finetune --config my.yaml", "train, or go on where it stopped"),
    (
        "accelerate launch --num_processes 4 $(which medgemma-tutorials) finetune --config my.yaml",
        "the same on four GPUs",
    ),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "finetune",
        help="train an adapter for a model on your own cases",
        description="Train an adapter (LoRA) for a model on cases of your own, as a file of settings says. "
        "Write such a file with --init, change it, and start it with --config.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the settings (one of the two)")
    given = group.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--init",
        nargs="?",
        const="finetune.yaml",
        metavar="FILE",
        help="write a new file with all settings, explained, to start from; default: %(const)s",
    )
    given.add_argument(
        "--config", metavar="FILE", help="train by this file; a run that was stopped goes on where it was"
    )
    parser.set_defaults(command=_finetune)


def _finetune(options: argparse.Namespace) -> int:
    from helpers.finetuning import finetune_from, read_config, write_starting_file

    if options.init is not None:
        print(f"Edit it, then --config: {write_starting_file(options.init)}")
        return 0
    print(f"Adapter: {finetune_from(read_config(options.config))}")
    return 0
