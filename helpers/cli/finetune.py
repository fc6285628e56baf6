"""``medgemma-tutorials finetune``: train an adapter."""

from __future__ import annotations

import argparse

EXAMPLES = (
    ("medgemma-tutorials finetune --init my.yaml", "write a file with all settings and their explanations"),
    ("medgemma-tutorials finetune --config my.yaml", "train, or continue a stopped training"),
    (
        "accelerate launch --num_processes 4 $(which medgemma-tutorials) finetune --config my.yaml",
        "train on four GPUs",
    ),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "finetune",
        help="train an adapter for a model on your own cases",
        description="Train an adapter (LoRA) for a model on cases of your own. Write a settings file with --init, "
        "change it, and start the training with --config.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the settings file (give one of the two)")
    given = group.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--init",
        nargs="?",
        const="finetune.yaml",
        metavar="FILE",
        help="write a new file with all settings and their explanations; default: %(const)s",
    )
    given.add_argument(
        "--config",
        metavar="FILE",
        help="train with the settings of this file; a stopped training continues where it was",
    )
    parser.set_defaults(command=_finetune)


def _finetune(options: argparse.Namespace) -> int:
    from helpers.finetuning import finetune_from, read_config, write_starting_file

    if options.init is not None:
        print(f"Edit this file, then give it to --config: {write_starting_file(options.init)}")
        return 0
    print(f"Adapter: {finetune_from(read_config(options.config))}")
    return 0
