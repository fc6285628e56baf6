"""The options of every command that asks a model."""

from __future__ import annotations

import argparse

from helpers.models import VISION_BATCH
from helpers.prompts import CONTEXT_BUDGET, CONTEXT_WINDOW, MAX_NEW_TOKENS

# A parser, or a group of its options. Both can add an option.
Options = argparse._ActionsContainer


def add_model(parser: argparse.ArgumentParser, *, remote: bool = True) -> argparse._ArgumentGroup:
    """Add and return the group of options that choose the model. ``remote``: whether a server is allowed."""
    group = parser.add_argument_group("the model")
    ways = "its name on Hugging Face, the folder of a saved model, endpoint:URL#MODEL for a model on a server, or "
    ways += "recorded:FOLDER for replies that were recorded"
    if not remote:
        ways = "its name on Hugging Face, or the folder of a saved model"
    group.add_argument(
        "--model",
        default="standin",
        metavar="M",
        help=f"{ways}; default: %(default)s, a small model for trying the course out",
    )
    return group


def add_asked_model(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the group of options of a command that asks a model, here or on a server, and return it."""
    group = add_model(parser)
    add_adapter(group)
    _add_max_new_tokens(group)
    add_context(group, f"{CONTEXT_BUDGET}, or the limit of the server")
    _add_vision_batch(group)
    _add_may_leave(group)
    _add_image_format(group)
    return group


def add_adapter(options: Options, *, required: bool = False) -> None:
    """Add the folder of an adapter for the model."""
    options.add_argument(
        "--adapter", required=required, metavar="DIR", help="folder of an adapter that was trained for this model"
    )


def add_context(options: Options, default: str = str(CONTEXT_BUDGET)) -> None:
    """Add the option for the most tokens of a prompt. ``default`` describes the default in the help."""
    options.add_argument(
        "--context",
        type=int,
        metavar="N",
        help=f"the most tokens that a prompt may have, up to {CONTEXT_WINDOW}; twice the tokens need two to "
        f"four times the memory and time; default: {default}",
    )


def _add_vision_batch(options: Options) -> None:
    """Add how many images pass the model's vision tower at once."""
    options.add_argument(
        "--vision-batch",
        type=int,
        default=VISION_BATCH,
        metavar="N",
        help="how many images the model encodes at once; if memory runs out, the program halves this "
        "number; default: %(default)s",
    )


def _add_max_new_tokens(options: Options) -> None:
    """Add the most tokens that an answer may have."""
    options.add_argument(
        "--max-new-tokens",
        type=int,
        default=MAX_NEW_TOKENS,
        metavar="N",
        help="the most tokens that an answer may have; default: %(default)s",
    )


def _add_may_leave(options: Options) -> None:
    """Add the option for the reason why images may go to another machine without a check."""
    options.add_argument(
        "--may-leave",
        default="",
        metavar="WHY",
        help="your reason why these images may leave this machine; with it, images are sent to a server "
        "although their headers could not be checked for patients' names",
    )


def _add_image_format(options: Options) -> None:
    """Add the format in which a server gets images."""
    options.add_argument(
        "--image-format",
        choices=("png", "webp", "jpeg"),
        help="the format in which a server gets images; webp is a third smaller than png and loses nothing, but "
        "llama.cpp does not read it; jpeg changes pixels; default: png",
    )
