"""Options: those that a reply can tell apart are read as themselves however they are said; others are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings, strategies as st

from helpers.errors import InputError
from helpers.prompts import check_options, parse_final_answer

SIGNS = [
    "+",
    "-",
    "−",
    "<",
    ">",
    "≥",
    "_",
    "(",
    ")",
    "(A)",
    ".",
    ":",
    "/",
    "\\",
    "*",
    "'",
    '"',
    "$",
    "}",
    "{",
    "[",
    "]",
]
WORDS = [
    "no",
    "yes",
    "change",
    "not",
    "grade",
    "mm",
    "A",
    "B",
    "AB",
    "T1",
    "a",
    "is",
    "or",
    "and",
    "answer",
    "stable",
]
ODD = ["1", "2", "10", "0.5", "5", "²", "é", "はい", "Ｂ", "&lt;", "<b>", "|", "#", "%", "Final Answer:", "(B) "]
FORMS = (
    "Final Answer: {}",
    "FINAL ANSWER: {}.",
    "The final answer is {}",
    "**Final Answer:** {}",
    "**Final Answer: {}**",
    'Final Answer: "{}"',
    "## Final Answer\n\n{}",
    "The most likely diagnosis is: {}",
    "$\\boxed{{{}}}$",
    "<b>Final Answer:</b> <i>{}</i>",
    "Ｆｉｎａｌ Ａｎｓｗｅｒ：{}",
)
BEFORE = (
    "",
    "At first sight no, but I am not sure: [see image] {x}.\n",
    "Final Answer: no\nWait.\n",
    'I must write "Final Answer: yes" or "Final Answer: no".\n',
    'The brackets ( and [ stay open, **bold\n{"answer": "yes"}\n',
    "I cannot give a final answer yet. A or B? 1 of 2; no.\n",
)
AFTER = (
    "",
    "\n\nThis final answer is no substitute for a radiologist.",
    ". Please note that this final answer is no diagnosis.",
    " - see a radiologist",
    "\nNo liability: yes, this is no diagnosis. 0.5",
    "\n\n(A) and (B) were both possible; [1] {2}.\nBefore stating the final answer, no further imaging is needed.",
)
option = st.builds(
    lambda words, by: by.join(words).strip(),
    st.lists(st.sampled_from([*SIGNS, *WORDS, *ODD]), min_size=1, max_size=4),
    st.sampled_from(["", " ", "_"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(option, min_size=2, max_size=4, unique=True),
    st.sampled_from(BEFORE),
    st.sampled_from(AFTER),
    st.sampled_from([*FORMS, None]),
)
def test_options_that_are_accepted_are_read_as_themselves(
    options: list[str], before: str, after: str, form: str | None
) -> None:
    try:
        check_options(options)
    except InputError:
        assume(False)
    for said in options:
        stated = json.dumps({"final_answer": said}) if form is None else form.format(said)
        assert parse_final_answer(before + stated + after, options) == said


@pytest.mark.parametrize(
    "options",
    [
        ("yes", "no"), ("A", "B", "C", "D"), ("Improved", "Stable", "Worsened"), ("(A) Improved", "(B) Stable"),
        ("HER2+", "HER2-"), ("< 5 mm", "> 5 mm"), ("grade 1", "grade 2", "grade 10"), ("no_finding", "effusion"),
        ("0", "1"), ("no", "no change"),
        ("A", "B", "AB"), ("T1", "T1a"), ("-1", "1"), ("1", "1.5", "2"), ("はい", "いいえ"), ("mM", "MM"),
        ("m2", "m²"),
        ("yes", "Yes"), ("C", "C++", "C#"), ("benign", "malignant", "benign or malignant"), ("(+)", "(-)"),
        ("< 5 mm", "<5 mm"), ("5–10 mm", "> 10 mm"), ("Final Answer A", "Final Answer B"),
    ],
)  # fmt: skip
def test_options_that_a_table_may_have_are_accepted(options: tuple[str, ...]) -> None:
    check_options(options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("yes", "yes."), r"'Final Answer: yes\.' is read as 'yes\.'"),
        (("A", "A*"), r"'\*\*Final Answer: A\*\*' is read as 'A\*'"),
        (("A", "Final Answer: A"), "is read as 'A'"),
        (("yes", "yes"), "twice"),
        (("yes",), "fewer than two"),
        ((), "fewer than two"),
        (("", "yes"), "empty"),
        (("yes ", "no"), "spaces around"),
        (("yes\nno", "no"), "several lines"),
        (("<unused94>", "no"), "read as none of the options"),
    ],
)
def test_options_that_cannot_be_told_apart_are_refused(options: tuple[str, ...], why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_options(options)
