"""Measure how close a sentence comes to the truth, word by word, in any script.

Two measures of words, both 0 to 1 and both blind to what the words mean:

- `common_order`, published as ROUGE-L (Lin, 2004): F1 of the longest common subsequence, the words in their order.
- `common_words`, published as tokenised F1 for SLAKE and VQA-RAD: F1 of the words that both have, in any order.

A word is a run of letters and digits, small and large alike. So it is with rouge-score, which drops all but a to
z: here accents, Greek, Cyrillic or Hindi count too. In scripts without spaces, such as Chinese, each sign is a
word.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections import Counter
from typing import Any

_FINAL = re.compile(r"final[\s*_`]+answer(?:[^\S\n]|[*_`])*(?:[:：]|(?=\n))", re.IGNORECASE)
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def stated(text: str) -> str:
    """What a reply states: all behind its last "Final Answer:", else the whole reply."""
    return _FINAL.split(text)[-1].strip().strip("*_`").strip()


def words(text: str) -> list[str]:
    """The words of a text, case-folded, in order; signs, spaces and punctuation part them."""
    found: list[str] = []
    signs = (sign for sign in unicodedata.normalize("NFKC", text).casefold() if _kind(sign) != "unseen")
    for kind, run in itertools.groupby(signs, _kind):
        if kind == "sign":
            found += run
        elif kind == "word":
            found.append("".join(run))
    return found


def common_order(truth: str, text: str) -> float:
    """ROUGE-L: F1 of the longest common subsequence of words, 0 to 1."""
    return _rouge().score(truth, text)["rougeL"].fmeasure


def common_words(truth: str, text: str) -> float:
    """Token F1: twice the words in common, each as often as both have it, over the words of both; 0 to 1."""
    first, second = Counter(words(truth)), Counter(words(text))
    both = first.total() + second.total()
    return 2 * (first & second).total() / both if both else 0.0


@functools.cache
def _kind(sign: str) -> str:
    if unicodedata.category(sign) == "Cf":  # a soft hyphen, or a joiner inside of a word
        return "unseen"
    if unicodedata.category(sign)[0] not in "LMN":  # letters, their marks, numbers
        return "between"
    return "sign" if unicodedata.name(sign, "").startswith(_UNSPACED) else "word"


class _Words:
    """The words as rouge-score asks for them."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@functools.cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # brings all of nltk, which takes a second

    return RougeScorer(["rougeL"], tokenizer=_Words())
