"""Turn the words of a line into options, suggest the nearest name in errors, and show examples in help texts."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from helpers.errors import InputError, did_you_mean

WIDTH = 80  # columns of a usual terminal
_KINDS = {"int": "a whole number", "float": "a number"}


class Parser(argparse.ArgumentParser):
    """argparse's parser, but it raises `InputError` for words that it cannot use, and does not end the program.

    Args:
        examples: command lines, each with its purpose, for the end of the help.
        settings: the arguments of `argparse.ArgumentParser`.
    """

    def __init__(self, *, examples: Sequence[tuple[str, str]] = (), **settings: Any) -> None:
        settings["description"] = textwrap.fill(settings.get("description") or "", WIDTH)
        super().__init__(**settings, add_help=False, formatter_class=_Formatter, epilog=_shown(examples))

    def add_help_option(self) -> argparse._ArgumentGroup:
        """Add ``--help`` as the last group of options; returns the group."""
        group = self.add_argument_group("help")
        group.add_argument("-h", "--help", action="help", help="show this text and end")
        return group

    def has_option(self, name: str) -> bool:
        """Whether there is an option with exactly this name."""
        return name in self._option_string_actions

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but report a misspelled option before one that is missing because of it."""
        for word in args or ():
            if word == "--" or (self._subparsers and not word.startswith("-")):
                break  # the command's own parser reads its words
            self._check_option(word)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise `InputError` with argparse's message in plain words."""
        raise InputError(_in_words(message), remedy=f"To see how the command is written, run: {self.prog} --help")

    def _check_option(self, word: str) -> None:
        name, known = word.partition("=")[0], list(self._option_string_actions)
        if not name.startswith("--") or " " in word or any(option.startswith(name) for option in known):
            return  # the beginning of a name is enough if only one option has it
        near = did_you_mean(name, [option for option in known if option.startswith("--")])
        raise InputError(
            f"{self.prog} has no option {name}.", remedy=f"{near}To list all options, run: {self.prog} --help"
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        name = "/".join(action.option_strings) or str(action.metavar)
        what = f"There is no command {value!r}." if name == "COMMAND" else f"{name} cannot be {value!r}."
        raise InputError(what, remedy=f"{did_you_mean(str(value), known)}Use one of {', '.join(known)}.")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help texts of the same width in every terminal, with examples as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=WIDTH)
        self._action_max_length = 15  # argparse takes the names of commands for shorter


def _shown(examples: Sequence[tuple[str, str]]) -> str | None:
    lines = (f"  # {why}\n  {line}" for line, why in examples)
    return "examples:\n" + "\n".join(lines) if examples else None


def _in_words(message: str) -> str:
    """Turn argparse's message into a plain sentence."""
    if found := re.fullmatch(r"the following arguments are required: (.*)", message):
        names = found[1]
        return f"{names} {'are' if ',' in names else 'is'} missing."
    if found := re.fullmatch(r"unrecognized arguments: (.*)", message):
        return f"The command does not expect these words: {found[1]} (a text with spaces needs quotes around it)."
    if found := re.fullmatch(r"argument (.*): invalid (int|float) value: (.*)", message):
        return f"{found[1]} needs {_KINDS[found[2]]}, not {found[3]}."
    if found := re.fullmatch(r"argument (.*): expected (.*) argument(s?)", message):
        return f"{found[1]} needs {found[2]} value{found[3]}."
    return f"{message[:1].upper()}{message[1:]}."
