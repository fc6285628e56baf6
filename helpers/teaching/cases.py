"""Teaching cases with known truth: real anatomy from the bundled images, changed at random, with simple findings.

They train and test the stand-in model. `helpers.teaching.case_files` writes them as files like those of a scanner.
A finding is an ellipsoid of blood density in a real head CT, of low signal in a real brain MRI, and the like
(`helpers.teaching.findings`): enough to learn from and to score, but far simpler than the findings that a
radiologist decides on. Every case follows from its kind and seed alone; seeds above 1,000,000 are never trained
on.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from helpers.errors import InputError, did_you_mean
from helpers.prompts import (
    THINKING_INSTRUCTION,
    Message,
    image_messages,
    images_of,
    pad_to_square,
    slide_messages,
    volume_messages,
)
from helpers.teaching.chests import EFFUSION, STATES, Effusion
from helpers.teaching.pictures import BOX_TARGETS, chest_with, image_of, picture_with_box
from helpers.teaching.questions import (
    IMAGE_FORMS,
    IMAGE_KINDS,
    NOT_LEARNED,
    Question,
    box_question,
    change_question,
    declined_question,
    finding_question,
    image_question,
    slide_sentence,
    text_question,
)
from helpers.teaching.rewording import worded_finding
from helpers.teaching.slides import Specimen, patches_of
from helpers.teaching.volumes import RECIPES, teaching_volume
from helpers.volumes import Volume, volume_to_rgb

HELD_OUT = 1_000_000  # seeds above are for scoring
# The number of questions about one volume, each with its own seed: three conditions, and one to decline. HELD_OUT
# is a multiple of this number.
A_VOLUME = 4


@dataclass(frozen=True)
class Case:
    """One question about images, with the answer to give and the truth to score against."""

    kind: str  # one of `CASES`
    seed: int
    question: str  # as the model gets it; for a slide, the tissue and procedure
    make: Callable[[], list[Message]] = field(repr=False)  # draws the prompt; a list of cases holds no pixels
    answer: str  # the right reply, in the protocol's form
    truth: str  # "yes", "no", a letter, a box, or the sentence itself
    record: dict[str, Any]  # how the real image was changed
    condition: str = ""  # the finding in question, in one spelling; "" without one
    options: tuple[str, ...] = ()  # the possible answers; empty if the answer is a sentence or a box
    number: int | None = None  # number of the volume, which several cases share

    @property
    def messages(self) -> list[Message]:
        """The prompt. It is drawn again unless it is one of the last few."""
        return self.make()

    @property
    def images(self) -> list[Image.Image]:
        """The images of the prompt, in order."""
        return images_of(self.messages)

    @property
    def id(self) -> str:
        """A unique name of the case."""
        return f"{self.kind}-{self.seed}"

    @property
    def group(self) -> str:
        """The group of the case. Cases about the same volume share it, because they are not independent."""
        return self.id if self.number is None else f"{self.kind}-volume-{self.number}"

    @property
    def is_declined(self) -> bool:
        """Whether the stand-in should say that it did not learn this."""
        return self.truth.startswith(NOT_LEARNED)

    def volume(self) -> Volume:
        """The volume of a CT or MRI case, as `helpers.volumes.read_volume` gives one."""
        return teaching_volume(self.kind, self.number).volume

    def mask(self) -> np.ndarray:
        """The mask of the finding in question: bool (z, y, x) of the volume, all False if there is none."""
        made = teaching_volume(self.kind, self.number)
        return made.mask(self.condition, range(made.volume.shape[0]))

    def slice_of_finding(self) -> int | None:
        """The index of the prompt's image that shows most of the finding; None if there is none."""
        made = teaching_volume(self.kind, self.number)
        areas = made.mask(self.condition, self.record["slices"]).sum(axis=(1, 2))
        return int(areas.argmax()) if areas.any() else None


class _DrawnOnce:
    """A prompt that is drawn when it is first asked for. Many cases are made of which only a few are asked."""

    def __init__(self, draw: Callable[[np.random.Generator], list[Message]], rng: np.random.Generator) -> None:
        self._draw, self._rng = draw, rng
        self._messages: list[Message] | None = None

    def __call__(self) -> list[Message]:
        if self._messages is None:
            # With a copy, two threads that come at the same time draw the same.
            self._messages = self._draw(copy.deepcopy(self._rng))
        return self._messages


def generate(kind: str, n: int, seed: int) -> list[Case]:
    """Make ``n`` cases of a kind of `CASES`: "ct", "mri", "ct-hypoxia", "ct-staining", "slide", "image",
    "effusion", "box", "change" or "text".

    The same seed gives the same cases. Four cases of "ct" or "mri" are about one volume.

    Raises `InputError` for another kind, and for a seed below 0.
    """
    if kind not in CASES:
        remedy = f"{did_you_mean(kind, CASES)}Use one of {', '.join(CASES)}."
        raise InputError(f"{kind!r} is not a kind of teaching cases.", remedy=remedy)
    if seed < 0:
        raise InputError(f"The seed is {seed}, below 0.", remedy="Use 0 or more.")
    return [CASES[kind](seed + k) for k in range(n)]


def ct_case(seed: int) -> Case:
    """A head CT that may show haemorrhage, oedema and a mass; 20 to 85 slices."""
    return _volume_case("ct", seed, A_VOLUME)


def mri_case(seed: int) -> Case:
    """A T1 brain MRI that may show a dark lesion, a bright one and enlarged ventricles; 20 to 85 slices."""
    return _volume_case("mri", seed, A_VOLUME)


def hypoxia_case(seed: int) -> Case:
    """2 to 4 slices of a head CT, in some of which the whole brain is too dark, as after a lack of oxygen.

    The stand-in never learned this condition.
    """
    return _volume_case("ct-hypoxia", seed, 1)


def staining_case(seed: int) -> Case:
    """2 to 4 slices of a head CT, in some of which the whole brain is too dense, as with contrast medium.

    The stand-in never learned this condition. Notebook 06 teaches it.
    """
    return _volume_case("ct-staining", seed, 1)


def _volume_case(kind: str, seed: int, a_volume: int) -> Case:
    number, which = divmod(seed, a_volume)
    recipe, made = RECIPES[kind], teaching_volume(kind, number)
    rng = np.random.default_rng([recipe.stream, number, 1 + which])
    if which < len(recipe.conditions):
        condition = recipe.conditions[which]
        question = finding_question(recipe.modality, condition, condition in made.findings, rng)
    else:
        question = declined_question(kind, recipe.modality, rng)
    make = functools.partial(_volume_prompt, kind, number, question.text)
    finding = made.findings.get(question.condition)
    record = {"finding": finding and finding.facts, "slices": made.chosen}
    return _case(kind, seed, question, make, record, number)


def _case(
    kind: str,
    seed: int,
    question: Question,
    make: Callable[[], list[Message]],
    record: dict[str, Any],
    number: int | None = None,
) -> Case:
    words = (question.answer, question.truth, record, question.condition, question.options)
    return Case(kind, seed, question.text, make, *words, number)


@functools.lru_cache(maxsize=4)  # 16 MB each
def _volume_images(kind: str, number: int) -> list[Image.Image]:
    made = teaching_volume(kind, number)
    # As pictures, so that questions about one volume have the same objects, and no pixels need be compared.
    return [pad_to_square(pixels) for pixels in volume_to_rgb(made.volume, made.chosen)]


def _volume_prompt(kind: str, number: int, question: str) -> list[Message]:
    return volume_messages(_volume_images(kind, number), question)


def slide_case(seed: int) -> Case:
    """A slide composed of real tissue of one stain. The question asks to describe it in a sentence."""
    specimen = Specimen.draw(np.random.default_rng([3, seed]))
    answer = slide_sentence(specimen.stain, specimen.fragments)
    words = ("Tissue: not stated. Procedure: not stated.", "Tissue: colon. Procedure: biopsy.", "")[
        np.random.default_rng([3, seed, 1]).integers(3)
    ]
    make = functools.partial(_slide_prompt, seed, words)
    return Case("slide", seed, words, make, answer, answer, {"specimen": specimen})


@functools.lru_cache(maxsize=4)
def _slide_prompt(seed: int, words: str) -> list[Message]:
    return slide_messages(patches_of(Specimen.draw(np.random.default_rng([3, seed]))), words)


def image_case(seed: int) -> Case:
    """One image. The question asks what it is (openly, yes or no, by choice) or which part it shows."""
    rng = np.random.default_rng([4, seed])
    kind = list(IMAGE_KINDS)[rng.integers(len(IMAGE_KINDS))]
    question = image_question(kind, IMAGE_FORMS[rng.integers(len(IMAGE_FORMS))], rng)
    make = _DrawnOnce(lambda now: image_messages([image_of(kind, now)], question.text), rng)
    return _case("image", seed, question, make, {"kind": kind})


def box_case(seed: int) -> Case:
    """One image. The question asks where the heart, an effusion or the optic disc is."""
    rng = np.random.default_rng([7, seed])
    picture, target, box = picture_with_box(*BOX_TARGETS[rng.integers(len(BOX_TARGETS))], rng)
    question = box_question(target, box)
    messages = image_messages([picture], question.text)
    return _case("box", seed, question, lambda: messages, {"box": box})


def effusion_case(seed: int) -> Case:
    """A chest radiograph, with a question in plain words about a pleural effusion or about its absence.

    The stand-in learned to see the effusion, but never learned these words.
    """
    rng = np.random.default_rng([15, seed])
    state, form = STATES[max(0, rng.integers(4) - 1)], ("plain", "absent")[rng.integers(2)]
    effusion = Effusion.draw(("left", "right")[rng.integers(2)], state, rng)
    question = worded_finding("CXR", EFFUSION, effusion is not None, rng, held_out=True, form=form)
    make = _DrawnOnce(lambda now: image_messages([chest_with(effusion, now)[0]], question.text), rng)
    return _case("effusion", seed, question, make, {"effusion": effusion})


def change_case(seed: int) -> Case:
    """Two chest radiographs, the prior and the current one: whether a pleural effusion improved or worsened."""
    rng = np.random.default_rng([8, seed])
    side, states = ("left", "right")[rng.integers(2)], [STATES[k] for k in rng.integers(3, size=2)]
    effusions = [Effusion.draw(side, state, rng) for state in states]
    pictures = [chest_with(effusion, rng)[0] for effusion in effusions]
    question = change_question(*states)
    messages = image_messages(pictures, question.text)
    return _case("change", seed, question, lambda: messages, {"side": side, "effusions": effusions})


def text_case(seed: int) -> Case:
    """A definition, or a question that the stand-in says it did not learn."""
    rng = np.random.default_rng([5, seed])
    question = text_question(rng)
    system = THINKING_INSTRUCTION if rng.random() < 0.3 else None
    messages = image_messages([], question.text, system=system)
    return _case("text", seed, question, lambda: messages, {})


CASES: dict[str, Callable[[int], Case]] = {
    "ct": ct_case,
    "mri": mri_case,
    "ct-hypoxia": hypoxia_case,
    "ct-staining": staining_case,
    "slide": slide_case,
    "image": image_case,
    "effusion": effusion_case,
    "box": box_case,
    "change": change_case,
    "text": text_case,
}
