"""Sentences: the measures of rouge-score and of SLAKE, in any script, on what the reply states."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from rouge_score.rouge_scorer import RougeScorer

from helpers.evaluation import mark, score
from helpers.evaluation.text_scores import common_order, common_words, stated, words

SENTENCE = st.text("abC1 .,-_\n", max_size=40)


def sentence(truth: str, text: str) -> dict[str, Any]:
    about = {"id": "s", "kind": "slide", "group": "s", "condition": "", "form": "text", "parsed": None}
    return {**about, "truth": truth, "text": text, "options": []}


@settings(deadline=None)
@given(SENTENCE, SENTENCE)
def test_in_ascii_the_order_of_words_is_the_rouge_l_of_rouge_score(truth: str, said: str) -> None:
    wanted = RougeScorer(["rougeL"]).score(truth, said)["rougeL"].fmeasure
    assert common_order(truth, said) == pytest.approx(wanted)


def test_both_measures_are_in_the_scores_and_the_first_is_the_mark() -> None:
    answer = sentence(
        "Adenocarcinoma of the colon, moderately differentiated.", "Colon adenocarcinoma, differentiated."
    )
    measures = score([answer])["kinds"]["slide"]
    assert measures["ROUGE-L"]["mean"] == pytest.approx(4 / 9, abs=1e-4) == round(mark(answer), 4)  # 2 of 6 and 3
    assert measures["token F1"]["mean"] == pytest.approx(6 / 9, abs=1e-4)  # all 3


def test_a_word_counts_as_often_as_both_have_it() -> None:
    assert common_words("no no no", "no") == 0.5
    assert common_words("", "") == common_order("", "") == 0
    assert common_words("left lung", "LUNG, left.") == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Œdème", ["œdème"]),
        ("Oe\u0301", ["oé"]),
        ("аденокарцинома толстой", ["аденокарцинома", "толстой"]),
        ("肺炎なし", ["肺", "炎", "な", "し"]),
        ("फेफड़े में", ["फेफड़े", "में"]),
        ("لا يوجد", ["لا", "يوجد"]),
        ("폐렴 없음", ["폐렴", "없음"]),
        ("٣ mm ﬁbrosis", ["٣", "mm", "fibrosis"]),
        ("pneumo\u00adthorax 🫁", ["pneumothorax"]),
    ],
)
def test_words_of_any_script(text: str, found: list[str]) -> None:
    assert words(text) == [word for one in found for word in words(one)]
    assert len(words(text)) == len(found)
    assert common_order(text, text) == common_words(text, text) == 1


def test_other_words_of_another_script_are_wrong() -> None:
    assert common_order("нет пневмонии", "перелом ребра") == 0
    assert common_order("肺炎なし", "肺炎あり") == 0.5


@pytest.mark.parametrize(
    "reply",
    [
        "Glands, mucin. The slide is of colon.\n\nFinal Answer: Tubular adenoma.",
        "Final Answer: Carcinoma. No, wait.\n**Final Answer:** Tubular adenoma.",
        "Glands.\n\n## Final Answer\n\nTubular adenoma.",
        "final answer：Tubular adenoma.",
        "Tubular adenoma.",
    ],
)
def test_what_is_marked_is_what_the_reply_states_in_the_end(reply: str) -> None:
    assert stated(reply) == "Tubular adenoma."
    assert mark(sentence("tubular adenoma", reply)) == 1


def test_an_argument_that_never_names_it_is_marked_whole() -> None:
    said = "This final answer of mine is no substitute for a pathologist: tubular adenoma."
    assert stated(said) == said
    assert mark(sentence("Tubular adenoma.", "Tubular adenoma.\nFinal Answer:")) == 0  # states nothing
