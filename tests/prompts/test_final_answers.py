"""What a reply ends on: one of the options, in any form that the templates ask for, or nothing."""

from __future__ import annotations

import pytest

from helpers.prompts import find_final_answer, parse_final_answer

YES_NO = ("yes", "no")
FINDINGS = ("effusion", "consolidation", "edema", "none")
LETTERS = ("A", "B", "C", "D")
CHANGES = ("Improved", "Stable", "Worsened")
LETTERED = ("(A) Improved", "(B) Stable", "(C) Worsened")
HER2 = ("HER2+", "HER2-")
SIZES = ("< 5 mm", "> 5 mm")
GRADES = ("grade 1", "grade 2", "grade 10")
UNDERSCORED = ("no_finding", "pleural_effusion")


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
    ("reply", "options", "expected"),
    [
        ("Final Answer: yes\n\nThis final answer is no substitute for a radiologist.", YES_NO, "yes"),
        ("Final Answer: yes. Please note that this final answer is no diagnosis.", YES_NO, "yes"),
        ("I cannot give a final answer. No contrast was given.", YES_NO, None),
        ("Before stating the final answer, no further imaging is needed. Clearly there is a bleed.", YES_NO, None),
        ("Final Answer: yes\n\nDisclaimer: the final answer should be verified by a radiologist.", YES_NO, "yes"),
        ("Final Answer: HER2+", HER2, "HER2+"),
        ("Final Answer: HER2-", HER2, "HER2-"),
        ("Final Answer: HER2−", HER2, "HER2-"),
        ("Final Answer: **HER2-**.", HER2, "HER2-"),
        ("Final Answer: HER2", HER2, None),
        ("Final Answer: her2 +", HER2, "HER2+"),
        ("Final Answer: HER2⁺", HER2, "HER2+"),
        ("Final Answer: < 5 mm", SIZES, "< 5 mm"),
        ("Final Answer: <5mm", SIZES, "< 5 mm"),
        ("Final Answer: &gt; 5 mm", SIZES, "> 5 mm"),
        ("<b>Final Answer:</b> <i>&lt; 5 mm</i>", SIZES, "< 5 mm"),
        ("Final Answer: 5 mm", SIZES, None),
        ("Final Answer: ≤ 5 mm", SIZES, None),
        ("Final Answer: 0.5", ("0", "1"), None),
        ("Final Answer: 1", ("0", "1"), "1"),
        ("Final Answer: 1.", ("0", "1"), "1"),
        ("Final Answer: 1.0", ("0", "1"), None),
        ("Final Answer: -1", ("0", "1"), None),
        ("Final Answer: 1/2", ("0", "1"), None),
        ("Final Answer: 0-1", ("0", "1"), None),
        ("Final Answer: 0 to 1", ("0", "1"), None),
        ("Final Answer: 10", ("0", "1"), None),
        ("Final Answer: 1%", ("0", "1"), None),
        ("Final Answer: １", ("0", "1"), "1"),
        ("Final Answer: 1²", ("0", "1"), None),
        ("Final Answer: grade 1", GRADES, "grade 1"),
        ("Final Answer: Grade 10", GRADES, "grade 10"),
        ("Final Answer: Grade 1-2", GRADES, None),
        ("Final Answer: grade 1 or 2", GRADES, None),
        ("Final Answer: grade 3", GRADES, None),
        ("Final Answer: grade 1 or grade 2", GRADES, None),
        ("Final Answer: no change", ("no", "no change"), "no change"),
        ("Final Answer: no", ("no", "no change"), "no"),
        ("Final Answer: No change.", ("no", "no change"), "no change"),
        ("Final Answer: A", ("A", "B", "AB"), "A"),
        ("Final Answer: AB", ("A", "B", "AB"), "AB"),
        ("Final Answer: A and B", ("A", "B", "AB"), None),
        ("Final Answer: T1a", ("T1", "T1a"), "T1a"),
        ("Final Answer: T1", ("T1", "T1a"), "T1"),
        ("Final Answer: t1A", ("T1", "T1a"), "T1a"),
        ("Final Answer: T1b", ("T1", "T1a"), None),
        ("Ｆｉｎａｌ Ａｎｓｗｅｒ：ｙｅｓ", YES_NO, "yes"),
        ("Final Answer: はい", ("はい", "いいえ"), "はい"),
        ("Final Answer: いいえ。", ("はい", "いいえ"), "いいえ"),
        ("Final Answer: 是，因为有血", ("是", "否"), "是"),
        ("Final Answer: é", ("é", "e"), "é"),
        ("Final Answer: Final Answer A", ("Final Answer A", "Final Answer B"), "Final Answer A"),
        ("Final Answer B", ("Final Answer A", "Final Answer B"), "Final Answer B"),
        ("Final Answer: not yes", YES_NO, None),
        ("Final Answer: yes and no", YES_NO, None),
        ("Final Answer: yes or no", YES_NO, None),
        ("I cannot give a final answer: no image", YES_NO, None),
        ("I cannot give a final answer: no.", YES_NO, None),
        ('I was asked to write "Final Answer: yes" or "Final Answer: no"', YES_NO, None),
        ('You MUST end your response with either "Final Answer: yes" or "Final Answer: no"', YES_NO, None),
        (
            'I must write "Final Answer: yes" or "Final Answer: no". There is blood.\nFinal Answer: yes',
            YES_NO,
            "yes",
        ),
        ('Final Answer: yes\n(as asked: "Final Answer: yes" or "Final Answer: no")', YES_NO, "yes"),
        ("Answer with 'Final Answer: yes' or 'Final Answer: no'", YES_NO, None),
        ('"Final Answer: Improved", "Final Answer: Stable" or "Final Answer: Worsened".', CHANGES, None),
        ("Final Answer: no\nWait, I see it now.\nFinal Answer: yes", YES_NO, "yes"),
        ("Final Answer: yes\nFinal Answer: maybe", YES_NO, None),
        ("Final Answer: yes\nFinal Answer: not sure", YES_NO, None),
        ("The final answer is $\\boxed{yes}$", YES_NO, "yes"),
        ("\\boxed{\\text{no}}", YES_NO, "no"),
        ("So \\(\\boxed{B}\\).", LETTERS, "B"),
        ("$\\boxed{\\textbf{(B) Stable}}$", LETTERS, "B"),
        ("\\boxed{no\\_finding}", ("no_finding", "effusion"), "no_finding"),
        ("Put it in \\boxed{}. Final Answer: yes", YES_NO, "yes"),
        ("Final Answer: (B) Stable", LETTERS, "B"),
        ("Final Answer: (B) Stable", CHANGES, "Stable"),
        ("Final Answer: (B) Stable", LETTERED, "(B) Stable"),
        ("Final Answer: B", LETTERED, "(B) Stable"),
        ("Final Answer: stable", LETTERED, "(B) Stable"),
        ("(B)", LETTERED, "(B) Stable"),
        ("Final Answer: (A) Stable", LETTERED, None),
        ("Final Answer: B. Stable", LETTERED, "(B) Stable"),
        ("(B) Stable", CHANGES, "Stable"),
        ("(B)", LETTERS, "B"),
        ("(B) Stable", LETTERS, "B"),
        ("B) stable", CHANGES, "Stable"),
        ("**(B)** Stable", CHANGES, "Stable"),
        ("Final Answer: **(B) Stable**", LETTERED, "(B) Stable"),
        ("Final Answer: Option B", LETTERS, "B"),
        ("Final Answer: A or C", LETTERED, None),
        ("The most likely diagnosis is: B", LETTERS, "B"),
        ("The most likely diagnosis is: **B**.", LETTERS, "B"),
        ("The most likely diagnosis is psoriasis.", ("psoriasis", "eczema"), "psoriasis"),
        ("The second most likely diagnosis is: B", LETTERS, None),
        ("The most likely diagnosis is: A. The second most likely diagnosis is: B", LETTERS, "A"),
        ('{"final_answer": "yes"}', YES_NO, "yes"),
        ('```json\n{"reasoning": "Final Answer: no was tempting", "answer": "yes"}\n```', YES_NO, "yes"),
        ("{'final_answer': 'no',}", YES_NO, "no"),
        ('{"final_answer": 1}', ("0", "1"), "1"),
        ('{"final_answer": 0.5}', ("0", "1"), None),
        ('{"answer": ["A","B"]}', LETTERS, None),
        ('{"result": {"Final Answer": "B"}}', LETTERS, "B"),
        ('{"answer": "B"}\n\nFinal Answer: C', LETTERS, "C"),
        ('{"final_answer": "yes"', YES_NO, "yes"),
        ('{"answer": "\\u306f\\u3044"}', ("はい", "いいえ"), "はい"),
        ("<p>Final Answer: <strong>no</strong></p>", YES_NO, "no"),
        ("<final_answer>yes</final_answer>", YES_NO, "yes"),
        ("## Final Answer\n\nyes", YES_NO, "yes"),
        ("## Final Answer\n\nThere is none.", YES_NO, None),
        ("Final Answer: left lung. The lung is dense.", ("left lung", "right lung"), "left lung"),
        ("Final Answer: no_finding", UNDERSCORED, "no_finding"),
        ("Final Answer: pleural effusion", UNDERSCORED, "pleural_effusion"),
        ("Final Answer: pleural\\_effusion", UNDERSCORED, "pleural_effusion"),
        ("Final Answer: O-", ("O+", "O-"), "O-"),
        ("Final Answer: yes, there is no doubt", YES_NO, "yes"),
        ("Final Answer: no evidence", YES_NO, None),
        ("Final Answer: no idea", YES_NO, None),
        ("Final Answer: yes, no", YES_NO, None),
        ("Final Answer: yes. Actually no.", YES_NO, None),
        ("Final Answer: yes?", YES_NO, None),
        ('write "Final Answer: yes" if there is a bleed and "Final Answer: no" if not', YES_NO, None),
        ("Final Answer: yes, if the bleed is confirmed", YES_NO, None),
        ("If there were a bleed, the final answer would be yes.", YES_NO, None),
        ("So the final answer is yes.", YES_NO, "yes"),
        ("My final answer is not yes", YES_NO, None),
        ("Final Answer: yes. Hmm. My final answer is unclear.", YES_NO, None),
        ("Final Answer: no\nNote on the final answer: no substitute for a doctor", YES_NO, "no"),
        ("Final Answer: yes\nAbout this Final Answer: no warranty.", YES_NO, "yes"),
        ("Final Answer: yes\nThis final answer does not replace a doctor. No liability.", YES_NO, "yes"),
        ("Final Answer: yes\nNo final answer is ever certain: no.", YES_NO, "yes"),
        ("Final Answer - yes", YES_NO, "yes"),
        ("Final Answer = no", YES_NO, "no"),
        ("Final Answer → no", YES_NO, "no"),
        ("Final Answer:\n- yes", YES_NO, "yes"),
        ("Final Answer: A\nB is unlikely.", LETTERS, "A"),
        ("Final Answer: B is correct.", LETTERS, "B"),
        ("Final Answer: A is wrong", LETTERS, None),
        ("Final Answer: yes because there is no shift", YES_NO, "yes"),
        ("Final Answer: 'yes'.", YES_NO, "yes"),
        ("Answer: no", YES_NO, "no"),
        ("The answer is: yes.", YES_NO, "yes"),
        ("Final\xa0Answer:\xa0yes", YES_NO, "yes"),
        ("Final Answer: y\u200bes", YES_NO, "yes"),
        ("Final Answer: yes<br>Not for clinical use", YES_NO, "yes"),
        ("Final Answer: yes - acute", YES_NO, "yes"),
        ("Final Answer: yes (acute)", YES_NO, "yes"),
        ("Final Answer: yes—definitely", YES_NO, "yes"),
        ("Final Answer: mM", ("mM", "MM"), "mM"),
        ("Final Answer: mm", ("mM", "MM"), None),
        ("Final Answer: X", YES_NO, None),
        ("Final Answer: [yes/no]", YES_NO, None),
        ("Final Answer: no.\n\nFinal Answer:", YES_NO, None),
        ("Final Answers: yes", YES_NO, None),
        ("Final Answer: yes\n\nMy final answer is no guarantee.", YES_NO, "yes"),
        ("| Final Answer | yes |", YES_NO, "yes"),
        ("Final Answer: [B] Stable", LETTERED, "(B) Stable"),
        ("Final Answer: (D) Unchanged", LETTERED, None),
        ("\\boxed{yes} or \\boxed{no}", YES_NO, None),
        ("Final Answer: ABCD", LETTERS, None),
        ("Final Answer: A\nB\nC", LETTERS, None),
        ("Final Answer: ~~yes~~\nFinal Answer: no", YES_NO, "no"),
        ("I am unable to provide a final answer: yes or no.", YES_NO, None),
        ("I will not state a Final Answer: no", YES_NO, None),
        ("Options: Final Answer: yes | Final Answer: no", YES_NO, None),
        ("Either Final Answer: yes or Final Answer: no", YES_NO, None),
        ("Final Answer: no. Correction: yes", YES_NO, "yes"),
        ("Final Answer: no. Correction: Final Answer: yes.", YES_NO, "yes"),
        ("Final Answer (after review): yes", YES_NO, "yes"),
        ('[{"answer": "A"}, {"answer": "B"}]', LETTERS, None),
        ('{"final_answer": "Final Answer: yes"}', YES_NO, "yes"),
        ("The most likely diagnosis is **psoriasis**, not eczema.", ("psoriasis", "eczema"), "psoriasis"),
        ("Final Answer: да.", ("да", "нет"), "да"),
        ("Final Answer: HER2-negative", ("HER2+", "HER2-"), None),
        ("Final Answer: >= 5 mm", ("< 5 mm", "> 5 mm"), None),
    ],
)
def test_signs_remarks_and_other_forms(reply: str, options: tuple[str, ...], expected: str | None) -> None:
    assert parse_final_answer(reply, options) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is dense.\n**Final Answer:** `yes`.", "yes`."),
        ("Final Answer: no\n&lt;b&gt; The final answer is: “ｙｅｓ”", "ｙｅｓ”"),
        ('{"why": "yes or no", "final_answer": "yes"}', 'yes"}'),
        ("yes", "yes"),
    ],
)
def test_it_is_told_where_the_answer_begins(text: str, said: str) -> None:
    found = find_final_answer(text, YES_NO)
    assert found.value == "yes" and text[found.start :] == said


def test_an_answer_that_is_none_of_the_options_is_a_statement_too() -> None:
    assert find_final_answer("Final Answer: maybe", YES_NO).value is None
    assert find_final_answer("There is blood.", YES_NO) is None


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        ("Final Answer: A, B and C", ("A", "B", "C", "D")),
        ("Final Answer: effusion, consolidation and edema", FINDINGS),
        ("Final Answer: effusion (small), edema (mild)", FINDINGS),
        ("Final Answer:\n1. effusion\n2. edema", FINDINGS),
        ("Final Answer:\n- effusion: no\n- edema: yes", FINDINGS),
        ("Final Answer: yes (20%), no (80%)", YES_NO),
        ("Final Answer: improved: 0.1, stable: 0.7, worsened: 0.2", ("improved", "stable", "worsened")),
        ("Final Answer: grade 2 (or 3)", ("grade 1", "grade 2", "grade 3")),
        ("Final Answer:\nA: no\nB: yes\nC: no", ("A", "B", "C", "D")),
        ("Final Answer: effusion (absent)", FINDINGS),
        ("Final Answer: stable, or slightly improved", ("improved", "stable", "worsened")),
        ("Final Answer: A, as well as B", ("A", "B", "C", "D")),
        ("Final Answer: yes (if the dark area is fluid)", YES_NO),
        ("Final Answer: no. Sorry, I meant yes.", YES_NO),
        ("I doubt that the final answer is yes.", YES_NO),
        ("I don't believe the final answer is yes.", YES_NO),
    ],
)
def test_an_answer_of_several_options_is_none(reply: str, options: tuple[str, ...]) -> None:
    assert parse_final_answer(reply, options) is None


@pytest.mark.parametrize(
    "reply",
    [
        "Final Answer: yes, no doubt",
        "Final Answer: yes (80 % sure), no bleeding elsewhere",
        "Final Answer: yes (no contrast was given)",
        "Final Answer:\n- yes\n- No shift of the midline.",
        "If I had to choose, Final Answer: yes",
        "Even if the lesion is small, the final answer is yes.",
        "To see if there is blood I read all slices, so the final answer is yes.",
        "There is no doubt that the final answer is yes.",
        "With this in mind, the final answer would be yes.",
        "Final Answer: yes\n\nIf you have further questions, ask.",
        "Final Answer: yes\nThe answer is final.",
        "Final Answer: yes\n\nThe answer to your question needs a radiologist.",
    ],
)
def test_words_around_an_answer_do_not_hide_it(reply: str) -> None:
    assert parse_final_answer(reply, YES_NO) == "yes"


@pytest.mark.parametrize(
    "further",
    [
        "(With contrast, the final answer would be yes.)",
        "If the patient has a fever, then Final Answer: yes",
        "But if contrast is given, Final Answer: yes.",
        "Otherwise, final answer: yes.",
        "It would be wrong to conclude that the final answer is yes.",
        "This does not mean that the final answer is yes.",
        "not $\\boxed{yes}$",
        "For slice 3 alone, the answer is unclear.",
        "For pneumothorax, the answer is yes.",
        "Many students think the answer is yes.",
        "On the prior study the answer was yes.",
        "In a patient with trauma, the final answer would be yes.",
    ],
)
def test_what_is_assumed_or_denied_replaces_no_answer(further: str) -> None:
    assert parse_final_answer(f"Final Answer: no\n\n{further}", YES_NO) == "no"


@pytest.mark.parametrize(
    "further",
    [
        "On reflection, the final answer should be yes.",
        "I change my final answer to yes.",
        "I revise my final answer from no to yes.",
        "**Revised Answer:** yes",
        "Correction: yes",
        "Wait, slice 12 is hyperdense. So the answer is yes.",
        "The final answer to the question is yes.",
        "Actually, I made a mistake. The correct option is yes.",
    ],
)
def test_a_correction_replaces_the_answer(further: str) -> None:
    assert parse_final_answer(f"Final Answer: no\n\n{further}", YES_NO) == "yes"


@pytest.mark.parametrize(
    "reply",
    [
        "Options: Final Answer: yes / Final Answer: no",
        "You asked for Final Answer: yes/Final Answer: no. I cannot decide.",
        "End with 'Final Answer: yes' if there is blood and 'Final Answer: no' otherwise.",
        "I have to end with 'Final Answer: yes' or, if none is seen, 'Final Answer: no'.",
        "The instruction is to end with 'Final Answer: yes' or else with 'Final Answer: no'. I can't.",
        "Final Answer: yes\nor\nFinal Answer: no",
    ],
)
def test_the_words_of_the_instruction_are_no_answer(reply: str) -> None:
    assert parse_final_answer(reply, YES_NO) is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<think>\nFirst I thought Final Answer: yes, but it is an artefact.\n</think>\n\n**No**", "no"),
        ("First I thought Final Answer: yes, but it is not.</think>Final Answer: no", "no"),
        ("<think>\nIt could be Final Answer: yes. But", None),
    ],
)
def test_a_thinking_trace_in_other_marks_is_no_answer(reply: str, expected: str | None) -> None:
    assert parse_final_answer(reply, YES_NO) == expected
