"""Teaching cases with known truth: real anatomy from the bundled images, changed at random, with simple findings.

They train and test the stand-in model; `helpers.case_files` writes them as the files that a scanner would have
written. A finding is an ellipsoid of blood density in a real head CT, or of low signal in a real brain MRI: enough
to learn from and to score, and far from what a radiologist decides on. Every case follows from its kind and seed
alone; seeds above 1,000,000 are never trained on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image
from helpers.prompts import Message, image_messages, images_of, slide_messages, volume_messages
from helpers.protocol import (
    CHOICE_QUESTION,
    CT_QUESTION,
    CT_WINDOWS,
    MRI_QUESTION,
    THINKING_INSTRUCTION,
    YES_NO_QUESTION,
)
from helpers.teaching_slides import Specimen, patches_of, tissue_of
from helpers.teaching_volumes import RECIPES, brain_mri, head_ct, teaching_volume, turn
from helpers.volumes import Volume, apply_window, ct_to_rgb, mri_to_rgb

HELD_OUT = 1_000_000  # seeds above are for scoring
CONDITIONS = {"ct": "intracranial haemorrhage", "mri": "brain lesion", "ct-hypoxia": "hypoxic brain injury"}
IMAGE_KINDS = {
    "chest radiograph": "the lungs and the heart between the ribs",
    "fundus photograph": "the retina with its vessels",
    "H&E histology": "tissue in pink and purple",
    "immunohistochemistry": "tissue with brown and blue stain",
    "head CT": "a slice of the head with the skull in white",
    "brain MRI": "a slice of the brain in grey",
}
NOT_LEARNED = "I am a small stand-in model and did not learn to answer this."
HISTORIES = (
    "Fall from standing height, headache.",
    "Sudden severe headache.",
    "Headache for two weeks.",
    "Confusion since this morning.",
    "Seizure.",
    "None given.",
)
DEFINITIONS = {
    "What is a Hounsfield unit?": "A unit of CT density: air is -1000, water is 0.",
    "What is a window?": "The range of values that is shown from black to white.",
    "What is a voxel?": "One element of a volume, as a pixel is of an image.",
    "What is a DICOM series?": "The images of one acquisition, with a header in each file.",
    "What does microns per pixel mean?": "How much of the tissue one pixel of a slide spans.",
    "What is a whole-slide image?": "A scan of a glass slide, stored as a pyramid of levels.",
    "What is MRI?": "Imaging with magnetic fields and radio waves; its values have no unit.",
    "Are you MedGemma?": "No. I am a small stand-in model for trying the code, not for medicine.",
}


@dataclass(frozen=True)
class Case:
    """One question about images, with the answer to give and the truth to score against."""

    kind: str  # one of `CASES`
    seed: int
    question: str  # as the model gets it; of a slide, the tissue and procedure
    make: Callable[[], list[Message]] = field(repr=False)  # draws the prompt; a list of cases holds no pixels
    answer: str  # what a right reply says, in the protocol's form
    truth: str  # "yes", "no", a letter, or the sentence itself
    record: dict[str, Any]  # what was done to the real image
    condition: str = ""  # what is asked for, in one spelling; "" where nothing is
    options: tuple[str, ...] = ()  # what can be answered; empty where a sentence is

    @property
    def messages(self) -> list[Message]:
        """The prompt, drawn anew unless it is one of the last few."""
        return self.make()

    @property
    def images(self) -> list[Image.Image]:
        """The images of the prompt, in order."""
        return images_of(self.messages)

    @property
    def id(self) -> str:
        """A name that no other case has."""
        return f"{self.kind}-{self.seed}"

    @property
    def group(self) -> str:
        """Cases about the same volume or slide share it, as they are not independent; here each has its own."""
        return self.id

    def volume(self) -> Volume:
        """The volume of a CT or MRI case, as `helpers.volumes.read_volume` gives one."""
        return teaching_volume(self.kind, self.seed).volume

    def mask(self) -> np.ndarray:
        """Where the finding lies in that volume: bool (z, y, x), all False without one."""
        return teaching_volume(self.kind, self.seed).mask

    def slice_of_finding(self) -> int | None:
        """Which image of a volume's prompt shows most of its finding; None without one."""
        areas = self.mask()[self.record["slices"]].sum(axis=(1, 2))
        return int(areas.argmax()) if areas.any() else None


def generate(kind: str, n: int, seed: int) -> list[Case]:
    """Make ``n`` cases of a kind of `CASES`: "ct", "mri", "ct-hypoxia", "slide", "image" or "text".

    The same seed gives the same cases.

    Raises `InputError` for another kind.
    """
    if kind not in CASES:
        raise InputError(f"There are no cases of kind {kind!r}.", remedy=f"Use one of {', '.join(CASES)}.")
    return [CASES[kind](seed + k) for k in range(n)]


def ct_case(seed: int) -> Case:
    """A head CT with or without an intracranial haemorrhage of 65 to 85 HU; 20 to 85 slices."""
    return _volume_case("ct", seed)


def hypoxia_case(seed: int) -> Case:
    """A few slices of a head CT whose whole brain is too dark, as after a lack of oxygen, or is not.

    The stand-in never learned this one: it is there to be taught (notebook 06).
    """
    return _volume_case("ct-hypoxia", seed)


def mri_case(seed: int) -> Case:
    """A T1 brain MRI with or without a lesion of low signal; 20 to 85 slices."""
    return _volume_case("mri", seed)


def _volume_case(kind: str, seed: int) -> Case:
    made = teaching_volume(kind, seed)
    rng = np.random.default_rng([RECIPES[kind].stream, seed, 1])
    question, answer, truth = QUESTIONS[kind](made.finding is not None, rng)
    make = functools.partial(_volume_prompt, kind, seed, question)
    record = {"finding": made.finding, "slices": made.chosen}
    asked = {} if truth == NOT_LEARNED else {"condition": CONDITIONS[kind], "options": ("yes", "no")}
    return Case(kind, seed, question, make, answer, truth, record, **asked)


@functools.lru_cache(maxsize=4)  # 16 MB each
def _volume_prompt(kind: str, seed: int, question: str) -> list[Message]:
    made = teaching_volume(kind, seed)
    to_rgb = ct_to_rgb if made.volume.modality == "CT" else mri_to_rgb
    return volume_messages(to_rgb(made.volume, made.chosen), question)


def slide_case(seed: int) -> Case:
    """A slide composed of real tissue of one stain, to be described in a sentence."""
    specimen = Specimen.draw(np.random.default_rng([3, seed]))
    answer = slide_sentence(specimen.stain)
    words = ("Tissue: not stated. Procedure: not stated.", "Tissue: colon. Procedure: biopsy.", "")[
        np.random.default_rng([3, seed, 1]).integers(3)
    ]
    make = functools.partial(_slide_prompt, seed, words)
    return Case("slide", seed, words, make, answer, answer, {"specimen": specimen})


@functools.lru_cache(maxsize=4)
def _slide_prompt(seed: int, words: str) -> list[Message]:
    return slide_messages(patches_of(Specimen.draw(np.random.default_rng([3, seed]))), words)


def image_case(seed: int) -> Case:
    """One image of six kinds, asked about openly, by yes or no, or by choice."""
    rng = np.random.default_rng([4, seed])
    kind = list(IMAGE_KINDS)[rng.integers(len(IMAGE_KINDS))]
    question, answer, truth = image_question(kind, rng)
    messages = image_messages([image_of(kind, rng)], question)
    options = {"yes": ("yes", "no"), "no": ("yes", "no")}.get(truth, tuple("ABCD") if len(truth) == 1 else ())
    condition = {("yes", "no"): "this kind or not", tuple("ABCD"): "which kind, of up to four"}.get(options, "")
    return Case("image", seed, question, lambda: messages, answer, truth, {"kind": kind}, condition, options)


def text_case(seed: int) -> Case:
    """A definition, or a question that the stand-in says it did not learn."""
    rng = np.random.default_rng([5, seed])
    questions = list(DEFINITIONS)
    if rng.random() < 0.75:
        question = questions[rng.integers(len(questions))]
        answer = DEFINITIONS[question]
    else:
        start = ("How do I treat", "What causes", "Who described", "Why is there", "Tell me about", "Translate")
        thing = ("pneumonia", "a stroke", "this", "diabetes", "the weather", "anaemia", "a poem", "fever")
        question = f"{start[rng.integers(len(start))]} {thing[rng.integers(len(thing))]}?"
        answer = NOT_LEARNED
    system = THINKING_INSTRUCTION if rng.random() < 0.3 else None
    messages = image_messages([], question, system=system)
    return Case("text", seed, question, lambda: messages, answer, answer, {})


CASES: dict[str, Callable[[int], Case]] = {
    "ct": ct_case,
    "mri": mri_case,
    "ct-hypoxia": hypoxia_case,
    "slide": slide_case,
    "image": image_case,
    "text": text_case,
}


# Questions and answers


def ct_question(present: bool, rng: np.random.Generator) -> tuple[str, str, str]:
    """Question, answer and truth about a head CT; one in eight asks for what was not learned."""
    history = HISTORIES[rng.integers(len(HISTORIES))]
    if rng.random() < 0.12:
        other = ("oedema", "skull fracture", "midline shift", "tumour", "infarct", "hydrocephalus")[
            rng.integers(6)
        ]
        return CT_QUESTION.format(history=history, condition=other), NOT_LEARNED, NOT_LEARNED
    condition = ("intracranial haemorrhage", "intracranial hemorrhage", "haemorrhage")[rng.integers(3)]
    truth = "yes" if present else "no"
    seen = "An area of blood density is seen." if present else "No area of blood density is seen."
    return CT_QUESTION.format(history=history, condition=condition), f"{seen} Final Answer: {truth}", truth


def mri_question(present: bool, rng: np.random.Generator) -> tuple[str, str, str]:
    """Question, answer and truth about a brain MRI; one in eight asks for what was not learned."""
    history = HISTORIES[rng.integers(len(HISTORIES))]
    if rng.random() < 0.12:
        other = ("aneurysm", "atrophy", "infarct", "restricted diffusion", "tumour", "fracture")[rng.integers(6)]
        return MRI_QUESTION.format(history=history, condition=other), NOT_LEARNED, NOT_LEARNED
    condition = ("brain lesion", "lesion", "focal lesion")[rng.integers(3)]
    truth = "yes" if present else "no"
    seen = "An area of low signal is seen." if present else "No area of low signal is seen."
    return MRI_QUESTION.format(history=history, condition=condition), f"{seen} Final Answer: {truth}", truth


def hypoxia_question(present: bool, rng: np.random.Generator) -> tuple[str, str, str]:
    """Question, answer and truth about a brain that is too dark as a whole."""
    history = HISTORIES[rng.integers(len(HISTORIES))]
    truth = "yes" if present else "no"
    seen = "An area of low density is seen." if present else "No area of low density is seen."
    question = CT_QUESTION.format(history=history, condition=CONDITIONS["ct-hypoxia"])
    return question, f"{seen} Final Answer: {truth}", truth


QUESTIONS = {"ct": ct_question, "mri": mri_question, "ct-hypoxia": hypoxia_question}


def image_question(kind: str, rng: np.random.Generator) -> tuple[str, str, str]:
    """Question, answer and truth about one image of ``kind``."""
    form = rng.integers(3)
    others = [k for k in IMAGE_KINDS if k != kind]
    if form == 0:
        words = ("What kind of medical image is this?", "What is this?", "Describe this image.")[rng.integers(3)]
        answer = f"This is a {kind}: {IMAGE_KINDS[kind]}."
        return words, answer, answer
    if form == 1:
        asked = kind if rng.random() < 0.5 else others[rng.integers(len(others))]
        truth = "yes" if asked == kind else "no"
        question = YES_NO_QUESTION.format(question=f"Is this a {asked}?")
        return question, f"This is a {kind}. Final Answer: {truth}", truth
    options = [kind, *rng.permutation(others)[: rng.integers(1, 4)].tolist()]
    options = rng.permutation(options).tolist()
    letter = "ABCD"[options.index(kind)]
    listed = ", ".join(f"{'ABCD'[k]}: {option}" for k, option in enumerate(options))
    question = CHOICE_QUESTION.format(question=f"Which kind of image is this? {listed}.")
    return question, f"This is a {kind}. Final Answer: {letter}", letter


def slide_sentence(stain: str) -> str:
    """The sentence that teaches a slide's answer: a description of the stain, not a diagnosis."""
    return f"Teaching text: {stain}, {IMAGE_KINDS[stain]}. No diagnosis is made by the stand-in."


# Single images


def ct_colours(hu: np.ndarray) -> np.ndarray:
    """The three windows as RGB, uint8 (..., 3)."""
    return np.stack([apply_window(hu, *window) for window in CT_WINDOWS.values()], axis=-1)


@functools.cache
def _source(kind: str) -> Image.Image:
    if kind == "chest radiograph":
        return read_image(fetch("chest-radiograph"))
    if kind == "fundus photograph":
        return read_image(fetch("fundus"))
    return tissue_of(kind)


def image_of(kind: str, rng: np.random.Generator) -> Image.Image:
    """One changed 2D image of ``kind``: cropped, turned, brightened; of a volume, one of its slices."""
    if kind in ("head CT", "brain MRI"):
        values = (head_ct() if kind == "head CT" else brain_mri())[0]
        k = rng.integers(len(values) // 6, len(values) - len(values) // 8)
        plane = turn(values[k : k + 1], rng, fill=float(values.min()))
        return Image.fromarray(ct_colours(plane)[0] if kind == "head CT" else _grey_as(plane[0], values))
    source = _source(kind)
    tissue = kind in ("H&E histology", "immunohistochemistry")
    side = rng.uniform(0.3, 0.45) if kind == "H&E histology" else rng.uniform(0.6 if tissue else 0.8, 1)
    width, height = (round(s * side) for s in source.size)
    if tissue:
        width = height = min(width, height)
    left, top = rng.integers(source.width - width + 1), rng.integers(source.height - height + 1)
    image = source.crop((left, top, left + width, top + height)).resize((224, round(224 * height / width)))
    image = image.rotate(90 * int(rng.integers(4)) if tissue else float(rng.uniform(-8, 8)))
    image = ImageEnhance.Brightness(image).enhance(float(rng.uniform(0.85, 1.15)))
    return ImageEnhance.Contrast(image).enhance(float(rng.uniform(0.85, 1.15)))


def _grey_as(plane: np.ndarray, volume: np.ndarray) -> np.ndarray:
    grey = apply_window(plane, float(volume.min()), float(volume.max()))
    return np.repeat(grey[..., None], 3, axis=-1)
