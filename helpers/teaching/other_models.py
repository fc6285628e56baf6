"""Teaching cases for models other than the stand-in, for which they were made.

The stand-in learned to decline what it did not learn, and to say what it is. These words would be wrong for
another model, in training and in scoring.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from helpers.errors import InputError
from helpers.teaching.cases import Case
from helpers.teaching.questions import ABOUT_ITSELF


def for_any_model(cases: Iterable[Case]) -> list[Case]:
    """The cases with answers that hold for any model, in order.

    Questions that only the stand-in declines, and those about itself, are left out.
    """
    return [case for case in cases if not case.is_declined and case.question not in ABOUT_ITSELF]


def for_model(examples: Iterable[Any], chat: Any, *, allowed: bool = False) -> list[Any]:
    """The examples that ``chat`` may learn from or be scored on, in order.

    The stand-in gets all examples. Another model gets the user's own examples. It gets teaching cases only if they
    are ``allowed``, and only those of `for_any_model`, because made-up findings in one head and one brain teach it
    nothing about medicine.

    Args:
        examples: teaching cases and others.
        chat: a model with ``name`` and ``is_standin``.
        allowed: whether somebody asked for teaching cases all the same.

    Raises:
        InputError: teaching cases for another model, not asked for.
    """
    examples = list(examples)
    made = [example for example in examples if isinstance(example, Case)]
    if chat.is_standin or not made:
        return examples
    if not allowed:
        raise InputError(
            f"{len(made)} teaching cases ({made[0].id}, ...) are for the stand-in only, because their "
            "findings are made up.",
            path=chat.name,
            remedy="Give a table of your own. To use teaching cases all the same, set ALLOW_TEACHING = True "
            "in a notebook, allow_teaching: true in a settings file, or allow_teaching=True in Python.",
        )
    return [kept for one in examples for kept in (for_any_model([one]) if isinstance(one, Case) else [one])]
