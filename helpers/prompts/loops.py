"""Runaway replies: the model repeats the same words again and again, or never comes to an end."""

from __future__ import annotations

import re

# From this number of copies of the same words, and this number of letters in them, the end of a reply is a loop.
_LOOPS = ((10, 0), (4, 100), (3, 400))
_MARKS_ALONE = re.compile(r"(?:[^\w\s]\s*){200}\Z")  # longer than a ruled line


def is_runaway(text: str, *, finished: bool = True) -> bool:
    """Whether a reply was cut off at the token limit (``finished`` False) or ends on the same words over and over.

    Only words are compared, not the marks between them, and the last copy may be cut. A reply that repeats itself
    but then gives an answer is not a runaway reply.
    """
    if not finished:
        return True
    words = "".join(f" {word}" for word in re.findall(r"\w+", text.casefold()))
    return _MARKS_ALONE.search(text[-1000:]) is not None or any(
        copies >= number and length >= letters
        for copies, length in _repeats(words[::-1])
        for number, letters in _LOOPS
    )


def _repeats(text: str) -> list[tuple[float, int]]:
    """For each beginning of a text: how many copies of its shortest period it holds, and its length.

    The longest border of each beginning, as Knuth, Morris and Pratt find it in one pass, leaves its period.
    """
    border = [0] * len(text)
    for k in range(1, len(text)):
        n = border[k - 1]
        while n and text[k] != text[n]:
            n = border[n - 1]
        border[k] = n + (text[k] == text[n])
    return [((k + 1) / (k + 1 - n), k + 1) for k, n in enumerate(border) if n]
