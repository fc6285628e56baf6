"""A mistake is shown with its one error; one that is not refused, or fails otherwise, is no lesson."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

from helpers.errors import InputError
from helpers.viewers import show_mistakes


def fails(error: Exception) -> Callable[[], NoReturn]:
    def make() -> NoReturn:
        raise error

    return make


def test_each_title_is_printed_with_its_error(capsys):
    refused = InputError("There is no such file.", path="ct.dcm", remedy="Look for it.")
    show_mistakes({"no file": fails(refused), "no words": fails(InputError("The question is empty."))})
    assert capsys.readouterr().out == (
        "no file:\n    ct.dcm: There is no such file. Look for it.\n\nno words:\n    The question is empty.\n\n"
    )


def test_what_is_not_refused_is_named_and_other_errors_go_through():
    with pytest.raises(AssertionError, match="did not refuse this mistake: more slices"):
        show_mistakes({"no words": fails(InputError("The question is empty.")), "more slices": lambda: None})
    with pytest.raises(ZeroDivisionError):
        show_mistakes({"a fault": fails(ZeroDivisionError())})
