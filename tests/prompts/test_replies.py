"""What a reply ends on: its final answer, its boxes."""

from __future__ import annotations

import pytest

from helpers.prompts import parse_boxes, parse_final_answer

YES_NO = ("yes", "no")
LETTERS = ("A", "B", "C", "D")


@pytest.mark.parametrize(
    ("reply", "options", "expected"),
    [
        ("Final Answer: yes", YES_NO, "yes"),
        ("FINAL ANSWER: NO", YES_NO, "no"),
        ("final answer:yes", YES_NO, "yes"),
        ("final answer is yes", YES_NO, "yes"),
        ("The final answer is: no.", YES_NO, "no"),
        ("**Final Answer: yes**", YES_NO, "yes"),
        ("**Final Answer:** yes", YES_NO, "yes"),
        ("Final Answer: **no**.", YES_NO, "no"),
        ("__Final Answer__: _yes_", YES_NO, "yes"),
        ('Final Answer: "yes"', YES_NO, "yes"),
        ("Final Answer: 'no'", YES_NO, "no"),
        ("Final Answer: “yes”", YES_NO, "yes"),
        ("Final Answer: `no`", YES_NO, "no"),
        ("Final Answer: (yes)", YES_NO, "yes"),
        ("Final Answer: [no]", YES_NO, "no"),
        ("Final Answer: Yes, there is a bleed.", YES_NO, "yes"),
        ("No bleed is seen. Final Answer: no", YES_NO, "no"),
        ("There is no shift. Final Answer: yes", YES_NO, "yes"),
        ("Final Answer: no. Wait. Final Answer: yes", YES_NO, "yes"),
        ("Final Answer: yes\nFinal Answer: no\n", YES_NO, "no"),
        ("Final Answer: yes\n\nThis is no diagnosis.", YES_NO, "yes"),
        ("Final Answer:\tyes", YES_NO, "yes"),
        ("yes", YES_NO, "yes"),
        ("No.", YES_NO, "no"),
        (" YES! ", YES_NO, "yes"),
        ("Yes, I think so.", YES_NO, None),
        ("There is no bleed. yes.", YES_NO, None),
        ("Final Answer: yes or no", YES_NO, None),
        ("Final Answer: no/yes", YES_NO, None),
        ("Final Answer: maybe", YES_NO, None),
        ("Final Answer: not sure", YES_NO, None),
        ("Final Answer: none", YES_NO, None),
        ("Final Answer: oui", YES_NO, None),
        ("Final Answer: ja", YES_NO, None),
        ("Final Answer: はい", YES_NO, None),
        ("Final Answer:", YES_NO, None),
        ("Final Answ", YES_NO, None),
        ("", YES_NO, None),
        ("The blood is dense and", YES_NO, None),
        ("<unused94>thought\nFinal Answer: yes<unused95>Final Answer: no", YES_NO, "no"),
        ("<unused94>thought\nFinal Answer: yes", YES_NO, None),
        ("<unused94>thought\nno<unused95>yes", YES_NO, "yes"),
        ("Final Answer: B", LETTERS, "B"),
        ("Final Answer: b", LETTERS, "B"),
        ("Final Answer: (C)", LETTERS, "C"),
        ("Final Answer: D.", LETTERS, "D"),
        ("Final Answer: A: chest", LETTERS, "A"),
        ("Final Answer: **B**: brain MRI", LETTERS, "B"),
        ("This is a chest. Final Answer: D", LETTERS, "D"),
        ("C", LETTERS, "C"),
        ("A chest radiograph.", LETTERS, None),
        ("Final Answer: E", LETTERS, None),
        ("Final Answer: A or B", LETTERS, None),
        ("Final Answer: A, B", LETTERS, None),
        ("Final Answer: brain MRI", ("brain", "brain MRI"), "brain MRI"),
        ("Final Answer: brain.", ("brain", "brain MRI"), "brain"),
        ("Final Answer: Brain mri", ("brain MRI", "head CT"), "brain MRI"),
        ("Final Answer: head", ("brain MRI", "head CT"), None),
        ("Final Answer: 3", ("1", "2", "3"), "3"),
        ("Final Answer: 33", ("1", "2", "3"), None),
    ],
)
def test_a_final_answer_is_an_option_or_nothing(
    reply: str, options: tuple[str, ...], expected: str | None
) -> None:
    assert parse_final_answer(reply, options) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('[{"box_2d": [1, 2, 30, 40], "label": "mass"}]', [[1, 2, 30, 40]]),
        (
            'Here:\n```json\n[{"box_2d": [1, 2, 3, 4]}, {"box_2d": [5, 6, 7, 8]}]\n```',
            [[1, 2, 3, 4], [5, 6, 7, 8]],
        ),
        ('[{"box_2d": [0.25, 0, 0.5, 1], "label": "heart"}]', [[250, 0, 500, 1000]]),
        ('[{"box_2d": [1, 2, 30], "label": "mass"}]', None),
        ('[{"box": [1, 2, 30, 40]}]', None),
        ('[{"box_2d": [1, 2, 30, 4', None),
        ("[1, 2, 3, 4]", None),
        ("[]", None),
        ("There is none.", None),
    ],
)
def test_boxes_are_a_json_list_or_nothing(reply: str, expected: list[list[float]] | None) -> None:
    assert parse_boxes(reply) == expected
