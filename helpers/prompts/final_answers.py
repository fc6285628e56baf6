"""Which of several options a reply states as its final answer.

`helpers.prompts.statements` finds the place of the answer, and `helpers.prompts.option_forms` knows how an option
may be spelled. An option counts only if the answer says nothing else, up to the end of the line, a comma, a full
stop or a closing mark. Further words ("no change", "not yes", "A is wrong") or a second option ("yes or no") make
the reply unparsable, because the program does not guess.

A letter that is not part of the options is ignored, as in "(B) Stable" for improved, stable or worsened. Such a
letter alone names no option, because the order of the letters is not known.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterator, Sequence

from helpers.errors import InputError
from helpers.prompts.option_forms import Forms, forms_of
from helpers.prompts.replies import split_thinking
from helpers.prompts.spelling import Spelled
from helpers.prompts.statements import TAG, Read, Statement, last_statement, openings

# The forms in which `check_options` tries whether an option is read as itself.
SAID = (
    "Final Answer: {}",
    "Final Answer: {}.",
    "The final answer is {}",
    "## Final Answer\n\n{}\n",
    "**Final Answer:** {}",
    "**Final Answer: {}**",
    "Final Answer: `{}`",
    'Final Answer: "{}"',
    "Final Answer: ({})",
    "<b>Final Answer:</b> <i>{}</i>",
    "The most likely diagnosis is: {}",
    "$\\boxed{{{}}}$",
    "{}",
)
_LABEL = re.compile(r"\(?(?:[A-Za-z]|\d{1,2})[).:][*_]*\s+|(?:option|choice|letter)\s+", re.IGNORECASE)
_CLOSING = re.compile(rf"""(?:[^\S\n]*[)\]}}$]|[*_`"']|{TAG})*""", re.IGNORECASE)
_NEW_LINE = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|h\d)\b", re.IGNORECASE)
_ENDS = re.compile(
    r"""\s*\Z | [^\S\n]*(?: \n | [(\[|] | \.\.\. | — ) | [,;:!。、.] | [^\S\n]+[-–—]\s
      | [^\S\n]+(?: because | since | due\s+to | based\s+on | given | there\s+(?:is|are)
                 | is\s+(?:the\s+)?(?:correct|right|best|most\s+likely) | (?:or|and)\s+["'`*]*final )\b
      | [^\S\n]*/\s*["'`*]*final\b""",
    re.IGNORECASE | re.VERBOSE,
)
_GOES_ON = re.compile(r"[,;:.]\d|[,;:]\s\d|\s+[-–—]\s+\d")  # after a digit: a decimal, several numbers, or a range
_NEXT_LINE = re.compile(r"[^\S\n]*\n[^\S\n]*")
_LINE_ENDS = re.compile(r"[*_`.]*[^\S\n]*(?:\n|\Z)")
# What may stand between two options: "A, B and C", "yes (20 %), no (80 %)", "improved: 0.1, stable: 0.7".
_JOINING = re.compile(
    rf"""[^\S\n]|[*_`"'()\[\]{{}}$,;:/|&+.!—–-]|{TAG}|\n[^\S\n]*(?:[-*•]\s|(?=(?:or|and)\b))
      |\b(?:or|and|nor|but|to|vs|versus|then|also|perhaps|maybe|possibly|probably|wait|actually|correction|or\s+rather
      |sorry|hmm|otherwise|either|even|alternatively|i[ ]meant?
      |slightly|mildly|plus|as\s+well\s+as|(?:along|together)\s+with)\b|(?<=[\s:=(])\d+(?:[.,]\d+)?[^\S\n]*%?""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACKET = re.compile(r"\([^()\n]*\)")
_OR_ANOTHER = re.compile(r"[^\S\n]*\([^\S\n]*(?:or|and)\b", re.IGNORECASE)  # grade 2 (or 3)
# A word behind an option that denies it: effusion (absent), B: incorrect.
_DENIED = re.compile(
    r"""[^\S\n]*[:(=–—-]+[^\S\n]*(?:absent|no|negative|false|incorrect|wrong|unlikely|excluded
      |not\s+(?:seen|present|likely|correct))[^\S\n]*(?:[).,;\n]|\Z)""",
    re.IGNORECASE | re.VERBOSE,
)
_ITEM = re.compile(r"^[^\S\n]*(?:[-*•]|\(?\d{1,2}[.)])[^\S\n]+", re.MULTILINE)
_NEXT_ROW, _MARKED = re.compile(r"[^\n]*\n[^\S\n]*[*_`]*"), re.compile(r"[*_`]*[^\S\n]*[:)=(]")
_NEXT_ITEM = re.compile(r"[^\n]*\n[^\S\n]*(?:[-*•]|\(?\d{1,2}[.)])[^\S\n]+")


def parse_final_answer(reply: str, options: Sequence[str]) -> str | None:
    """The option that a reply ends on, spelled as in ``options``; None if the reply ends on none of them.

    The last statement counts ("Final Answer: X" and the other forms of `helpers.prompts.statements`). Without a
    statement, only a reply that is an option and nothing else counts, so that a "yes" somewhere in an argument is
    never taken for the answer. A thinking trace is not an answer, and neither are two options side by side ("yes
    or no").
    """
    found = find_final_answer(split_thinking(reply)[0], options)
    return found.value if found else None


def find_final_answer(text: str, options: Sequence[str]) -> Statement | None:
    """The last statement of a reply without thinking trace: its option and where in ``text`` its words begin.

    None if nothing is stated; an option of None if the statement is not one of ``options``.
    """
    return last_statement(text, functools.partial(_read_option, forms_of(tuple(options))))


def check_options(options: Sequence[str]) -> None:
    """Raise `InputError` unless each of ``options`` is read as itself from a reply that states it, in every form.

    This refuses fewer than two options, and an option that occurs twice, is empty, has spaces around it or has
    several lines. It also refuses an option that would be read as another one or as none, such as "yes." beside
    "yes", because a sentence may end on "yes.".
    """
    if problem := _problem(tuple(options)):
        raise InputError(
            f"The options {' | '.join(options)} cannot be told apart in a reply: {problem}.",
            remedy="Give each option a different name, and let no two names differ by punctuation alone.",
        )


@functools.lru_cache(maxsize=256)
def _problem(options: tuple[str, ...]) -> str:
    if len(options) < 2:
        return "there are fewer than two"
    if len(set(options)) < len(options):
        return "one option occurs twice"
    for option in options:
        if not option or option != option.strip() or "\n" in option or "\r" in option:
            return f"{option!r} is empty, has spaces around it or has several lines"
        said = [form.format(option) for form in SAID]
        said += [json.dumps({"final_answer": option}, ensure_ascii=ascii) for ascii in (True, False)]
        for reply in said:
            if (read := parse_final_answer(reply, options)) != option:
                return f"{reply!r} is read as {'none of the options' if read is None else repr(read)}"
    return ""


def _read_option(forms: Forms, text: Spelled, start: int) -> Read | None:
    """The option at ``start``. Marks and a letter before it are skipped."""
    for places in _beginnings(text.text, start):
        # The option that begins first; of several, the longest; of several, the closest in spelling.
        standing = [(k, -end, option) for k in places for option, end in forms.at(text, k)]
        standing.sort(key=lambda one: one[:2])
        ended = [one for one in standing if _is_end(text.text, -one[1])]
        if standing:
            place, end, option = (ended or standing)[0]
            several = _is_joined(forms, text, -end, {option})
            several = several or _is_listed(forms, text, start, place, -end, option)
            if not ended and not several:
                return None  # another answer that only begins like an option
            several = several or (
                option.lower() not in ("yes", "no") and _DENIED.match(text.text, -end) is not None
            )
            longer = any(k <= place and other < end for k, other, _ in standing)
            return Read(None if several or longer or not ended else option, place, -end)
    return None


def _beginnings(text: str, start: int) -> Iterator[list[int]]:
    places = openings(text, start)
    yield places
    for place in places:
        if label := _LABEL.match(text, place):
            yield openings(text, label.end())
            return


def _is_end(text: str, end: int) -> bool:
    """Whether an answer that ends here is complete, without further words."""
    closed = _CLOSING.match(text, end).end()
    if closed > end and (text[closed : closed + 1].isspace() or _NEW_LINE.search(text, end, closed)):
        return True
    goes_on = text[end - 1].isdigit() and _GOES_ON.match(text, closed)
    return not goes_on and _ENDS.match(text, closed) is not None


def _is_joined(forms: Forms, text: Spelled, end: int, options: Collection[str]) -> bool:
    """Whether an option that is none of ``options`` follows, after marks and words such as "or"."""
    below = _NEXT_LINE.match(text.text, end)
    if below and any(o not in options and _LINE_ENDS.match(text.text, k) for o, k in forms.at(text, below.end())):
        return True
    if _OR_ANOTHER.match(text.text, end):
        return True
    waiting, seen = [end], {end}
    while waiting:
        place = waiting.pop()
        for other, stop in forms.at(text, place):
            if other not in options and (
                _is_end(text.text, stop) or _is_joined(forms, text, stop, {*options, other})
            ):
                return True
        steps = [pattern.match(text.text, place) for pattern in (_JOINING, _BRACKET)]
        new = {step.end() for step in steps if step} - seen
        waiting += new
        seen |= new
    return False


def _is_listed(forms: Forms, text: Spelled, start: int, place: int, end: int, option: str) -> bool:
    """Whether the option at ``place`` is an item of a list in which another option is an item, too."""
    each, marked = _NEXT_ITEM, _is_end
    if not _ITEM.search(text.text, start, place):  # lines that begin with an option and a mark are a list, too
        if "\n" not in text.text[start:place] or not _is_marked(text.text, end):
            return False
        each, marked = _NEXT_ROW, _is_marked
    while item := each.match(text.text, end):
        end = item.end()
        if any(other != option and marked(text.text, stop) for other, stop in forms.at(text, end)):
            return True
    return False


def _is_marked(text: str, end: int) -> bool:
    return _MARKED.match(text, end) is not None
