"""Ask a case in other ways: in other words, as its opposite, and with other images or none.

The variants of a case are cases of their own, with ids such as ``ID#words: polite``, and
`helpers.evaluation.run_evaluation` asks them like all others. Variants about the same images are asked together.
Everything before the question (images, labels, the system's turn) stays as it is.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from helpers.errors import InputError
from helpers.evaluation.asking import Asked
from helpers.evaluation.kept_answers import state_of
from helpers.evaluation.stress_wordings import asked_sentence, opposite_questions, other_wordings, turned_answers
from helpers.prompts import Message, images_of, with_images

WORDS, NEGATED = "words: ", "negated: "  # the beginnings of names of variants
REMOVED, BLACK, SWAPPED, EXCHANGED = "images removed", "images black", "images swapped", "images exchanged"


@dataclass(frozen=True)
class Variant:
    """A case asked in another way.

    ``truth`` is the right answer to the variant. For an opposite question, it is the other answer. For swapped
    images, it is the truth of the case that they come from. For exchanged images, it is the opposite change.
    Without images, or with black ones, no answer is right. Then ``truth`` is that of the plain case, to see
    whether the answer stays.
    """

    case: Asked
    name: str
    question: str
    truth: str
    make: Callable[[Variant], list[Message]] = field(repr=False)
    other: Asked | None = None  # the case whose images are shown

    @property
    def id(self) -> str:
        """The id of the case, ``#`` and the name of the variant."""
        return f"{self.case.id}#{self.name}"

    @property
    def kind(self) -> str:
        """The same as for the plain case."""
        return self.case.kind

    @property
    def group(self) -> str:
        """The group of the case, because the variant is not independent of it."""
        return self.case.group

    @property
    def condition(self) -> str:
        """The same as for the plain case."""
        return self.case.condition

    @property
    def options(self) -> Sequence[str]:
        """The options of the case."""
        return self.case.options

    @property
    def path(self) -> str | os.PathLike[str] | None:
        """The path of the images; None without images, and for black ones."""
        if self.name in (REMOVED, BLACK):
            return None
        return getattr(self.other or self.case, "path", None)

    @property
    def table(self) -> tuple[str, str]:
        """The file of the case's table and its SHA-256, empty where there is none."""
        return getattr(self.case, "table", ("", ""))

    @property
    def state(self) -> str:
        """As long as it is the same, so is the prompt; "" where that of the case or of the other is not known."""
        states = [state_of(case) for case in (self.case, self.other) if case is not None]
        parts = json.dumps([*states, self.name, self.question])
        return hashlib.sha256(parts.encode()).hexdigest()[:32] if all(states) else ""

    @property
    def messages(self) -> list[Message]:
        """The prompt, made from the prompt of the case."""
        return self.make(self)


def stress_variants(cases: Sequence[Asked]) -> list[Variant]:
    """The variants of all cases that have options to choose from. Other cases have none.

    Each case gets five other wordings; questions with the opposite answer, if the program understands the sentence
    that asks; prompts with the images removed, black, and swapped for those of a case of another group (with
    another truth, if possible); and, if the options are a change over time, a prompt with the two images
    exchanged. A case also needs a ``question``, its words as they stand in the prompt.

    Raises `InputError` where no case has any.
    """
    others = _others(cases)
    variants = [variant for case in cases for variant in _variants(case, others.get(case.id))]
    if not variants:
        raise InputError(
            f"None of the {len(cases)} cases has both options and a question, so none can be asked in other ways.",
            remedy="Leave out --stress, or give questions whose answer is yes or no, or one of several options.",
        )
    return variants


def _variants(case: Asked, other: tuple[Asked, str] | None) -> Iterable[Variant]:
    question = _question(case)
    if not question or len(case.options) < 2:
        return
    for name, words in other_wordings(question, case.options).items():
        yield Variant(case, WORDS + name, words, case.truth, _asked_anew)
    for name, words in opposite_questions(question, case.options).items():
        yield Variant(case, NEGATED + name, words, "no" if case.truth == "yes" else "yes", _asked_anew)
    for name, make in ((REMOVED, _removed), (BLACK, _black)):
        yield Variant(case, name, question, case.truth, make)
    if turned := _turned(case):
        yield Variant(case, EXCHANGED, question, turned, _exchanged)
    if other is not None:
        yield Variant(case, SWAPPED, question, other[1], _swapped, other[0])


def _turned(case: Asked) -> str:
    """What is true of the images in the other order; "" where that cannot be told."""
    if getattr(case, "prior", ...) is None:  # of a table's row with one image
        return ""
    return turned_answers(case.options).get(case.truth, "")


def _others(cases: Sequence[Asked]) -> dict[str, tuple[Asked, str]]:
    """For each case, by its id, the one whose images it is to be asked about, and what is then true.

    It is the next in order, from the first again after the last, that asks the same and has another truth; else
    the next of the same kind that asks something else, and the truth that of the case. Never one of the same group
    or file.
    """
    kinds: dict[Any, list[int]] = defaultdict(list)
    alike: dict[Any, list[int]] = defaultdict(list)
    for k, case in enumerate(cases):
        if question := _question(case):
            # A prompt fits the images of another case where both have a prior image, or none.
            kind = (case.kind, getattr(case, "prior", None) is not None)
            kinds[kind].append(k)
            alike[kind, asked_sentence(question, case.options), frozenset(case.options)].append(k)
    of_kind = {k: places for places in kinds.values() for k in places}
    out = {}
    for places in alike.values():
        truths, here = {cases[k].truth for k in places}, set(places)
        for k in places:
            case, turned = cases[k], None
            if truths - {case.truth}:
                turned = _next(cases, k, places, lambda other, truth=case.truth: cases[other].truth != truth)
            if turned is not None:
                out[case.id] = cases[turned], cases[turned].truth
            elif (found := _next(cases, k, of_kind[k], lambda other, here=here: other not in here)) is not None:
                out[case.id] = cases[found], case.truth
    return out


def _next(cases: Sequence[Asked], k: int, places: Sequence[int], fits: Callable[[int], bool]) -> int | None:
    """The first of ``places`` behind ``k``, then before it, that fits and is of another group and file."""
    group, path = cases[k].group, getattr(cases[k], "path", None)
    start = bisect_right(places, k)
    for at in itertools.chain(range(start, len(places)), range(start)):
        place, other = places[at], cases[places[at]]
        same_file = path is not None and getattr(other, "path", None) == path
        if fits(place) and other.group != group and not same_file:
            return place
    return None


def _question(case: Asked) -> str:
    return getattr(case, "question", "").strip()


def _asked_anew(variant: Variant) -> list[Message]:
    return _with_words(variant.case, variant.question)


def _removed(variant: Variant) -> list[Message]:
    """The question alone, in its instruction where it stands in the middle of one; labels of slices go too."""
    *before, turn = _shown(variant)
    _words_at(variant.case, [turn])
    (part,) = (p for p in turn["content"] if variant.question in p.get("text", ""))
    alone = part["text"].endswith(f"\n\n{variant.question}")
    text = {"type": "text", "text": variant.question if alone else part["text"]}
    return [*before, {**turn, "content": [text]}]


def _black(variant: Variant) -> list[Message]:
    messages = _shown(variant)
    return with_images(messages, [_black_image(image.size) for image in images_of(messages)])


def _shown(variant: Variant) -> list[Message]:
    """The prompt of the case. Raises `InputError` where it shows no image, and none can be taken away."""
    messages = variant.case.messages
    if not images_of(messages):
        raise InputError(f"{variant.case.id} shows no image.", remedy="Give it an image, or leave out --stress.")
    return messages


@functools.lru_cache(maxsize=8)
def _black_image(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size)


def _exchanged(variant: Variant) -> list[Message]:
    messages = variant.case.messages
    images = images_of(messages)
    if len(images) != 2:
        raise InputError(
            f"{variant.case.id} asks for a change over time, but shows {len(images)} images.",
            remedy="Give two images, the earlier one in the column prior, or leave out --stress.",
        )
    return with_images(messages, images[::-1])


def _swapped(variant: Variant) -> list[Message]:
    """The other case's prompt, which fits its images, with this case's question in the place of its own."""
    assert variant.other is not None
    return _with_words(variant.other, variant.question)


def _with_words(case: Asked, question: str) -> list[Message]:
    """The prompt of a case with another question in the place of its own."""
    *before, turn = case.messages
    words = _words_at(case, [turn])
    parts = [
        {**part, "text": part["text"].replace(words, question)} if words in part.get("text", "") else part
        for part in turn["content"]
    ]
    return [*before, {**turn, "content": parts}]


def _words_at(case: Asked, turns: Sequence[Message]) -> str:
    """The words of a case's question. Raises `InputError` unless they stand in the last turn, and once."""
    words = _question(case)
    times = sum(part.get("text", "").count(words) for turn in turns for part in turn["content"])
    if times != 1:
        raise InputError(
            f"The question of {case.id} occurs {times} times in its prompt, so it cannot be replaced "
            "by other words.",
            path=getattr(case, "path", None),
            remedy="Write a longer question, or leave out --stress.",
        )
    return words
