"""Make mistakes on purpose, and show each beside the error that refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from helpers.errors import InputError


def show_mistakes(mistakes: Mapping[str, Callable[[], object]]) -> None:
    """Make each mistake, and print its title with the message of the `InputError` that it raises.

    Args:
        mistakes: a dictionary from titles to functions without arguments, each of which makes a mistake. Each is
            called once, in order.

    Raises:
        AssertionError: a mistake raised nothing; the message names its title. Any other exception goes through.
    """
    for title, make in mistakes.items():
        try:
            make()
        except InputError as error:
            print(f"{title}:\n    {error}\n")
        else:
            raise AssertionError(f"The program did not refuse this mistake: {title}")
