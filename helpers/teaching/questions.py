"""The questions of teaching cases and their right replies, in the forms of `helpers.prompts.templates`.

An answer names what it looked for before it says yes or no. The stand-in should decline questions that it did not
learn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.prompts import (
    BOX_QUESTION,
    CHANGE_QUESTION,
    CHOICE_QUESTION,
    CT_QUESTION,
    MRI_QUESTION,
    YES_NO_QUESTION,
)
from helpers.teaching.chests import CHANGES, EFFUSION, change_of
from helpers.teaching.findings import BRIGHT, DARK, HAEMORRHAGE, HYPOXIA, MASS, OEDEMA, STAINING, VENTRICLES

NOT_LEARNED = "I am a small stand-in model and did not learn to answer this."
IMAGE_KINDS = {
    "chest radiograph": "the heart and the lungs with round opacities",
    "fundus photograph": "the retina with its vessels",
    "H&E histology": "tissue in pink and purple",
    "immunohistochemistry": "tissue with brown and blue stain",
    "head CT": "the head, its skull in white with a gap in front",
    "brain MRI": "the brain in grey",
}
CAN_BE_ASKED = {  # two examples for each kind of image, and without one
    "chest radiograph": ("Where is the heart?", "Is there pleural effusion?"),
    "fundus photograph": ("What is this?", "Where is the optic disc?"),
    "H&E histology": ("What is this?", "Which stain is this?"),
    "immunohistochemistry": ("What is this?", "Which stain is this?"),
    "head CT": ("Is there intracranial haemorrhage?", "Is there brain oedema?"),
    "brain MRI": ("Is there a dark lesion?", "Are there enlarged ventricles?"),
    "": ("What is a Hounsfield unit?", "What is a voxel?"),
}
PARTS = {
    "chest radiograph": "chest",
    "fundus photograph": "eye",
    "H&E histology": "tissue",
    "immunohistochemistry": "tissue",
    "head CT": "head",
    "brain MRI": "brain",
}
SPELLINGS = {
    HAEMORRHAGE: (HAEMORRHAGE, "intracranial hemorrhage", "haemorrhage"),
    OEDEMA: (OEDEMA, "brain edema", "infarct"),
    MASS: (MASS, "extra-axial mass", "meningioma"),
    HYPOXIA: (HYPOXIA, "diffuse hypoxic injury"),
    STAINING: (STAINING, "contrast in the brain"),
    DARK: (DARK, "hypointense lesion"),
    BRIGHT: (BRIGHT, "hyperintense lesion"),
    VENTRICLES: (VENTRICLES, "ventriculomegaly"),
}
ABSENCE = "Asked for its absence. "  # before the argument, where a question is negated
SIGNS = {  # what an answer argues with
    HAEMORRHAGE: "Area of blood density",
    OEDEMA: "Area of low density",
    HYPOXIA: "Area of low density",
    STAINING: "Brain of high density",
    MASS: "Mass with calcium at the skull",
    DARK: "Area of low signal",
    BRIGHT: "Area of high signal",
    VENTRICLES: "Wide ventricles",
    EFFUSION: "Pleural effusion",
}
DECLINED = {
    "ct": ("skull fracture", "midline shift", "hydrocephalus", "aneurysm", "sinusitis", "atrophy"),
    "mri": ("aneurysm", "atrophy", "restricted diffusion", "fracture", "midline shift", "pituitary adenoma"),
}
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
ABOUT_ITSELF = ("Are you MedGemma?",)
IMAGE_FORMS = ("open", "yes or no", "choice of kind", "choice of part")
BOX_STEP = 20  # of 1000; the stand-in tells places in these steps


@dataclass(frozen=True)
class Question:
    """A question with the answer to give and the truth to score against."""

    text: str
    answer: str
    truth: str
    condition: str = ""  # what is asked for, in one spelling; "" where nothing is
    options: tuple[str, ...] = ()  # what can be answered; empty where a sentence is


def named(kind: str) -> str:
    """A kind of image with its article, where it has one."""
    return kind if kind in ("H&E histology", "immunohistochemistry") else f"a {kind}"


def declining(kind: str = "") -> str:
    """What the stand-in says where it did not learn to answer: that, and two examples of what it can be asked.

    ``kind`` is the kind of the images, "" without any.
    """
    return f"{NOT_LEARNED} Ask me for example: {' '.join(CAN_BE_ASKED[kind])}"


def finding_question(modality: str, condition: str, present: bool, rng: np.random.Generator) -> Question:
    """Whether a volume shows a condition; ``modality`` is "CT" or "MR"."""
    spelling = SPELLINGS[condition][rng.integers(len(SPELLINGS[condition]))]
    truth = "yes" if present else "no"
    answer = f"{seen_or_not(condition, present)} Final Answer: {truth}"
    return Question(_asked(modality, spelling, rng), answer, truth, condition, ("yes", "no"))


def kind_or_not(asked: str, kind: str) -> str:
    """What an answer argues with where it is asked whether an image of ``kind`` is the kind ``asked``."""
    return f"Asked for {named(asked)}. This is {named(kind)}."


def seen_or_not(condition: str, present: bool) -> str:
    """What an answer argues with."""
    return f"{SIGNS[condition]}: {'seen' if present else 'not seen'}."


def declined_question(kind: str, modality: str, rng: np.random.Generator) -> Question:
    """A condition that the stand-in did not learn to find in volumes of ``kind``."""
    other = DECLINED[kind][rng.integers(len(DECLINED[kind]))]
    words = declining("head CT" if modality == "CT" else "brain MRI")
    return Question(_asked(modality, other, rng), words, words)


def _asked(modality: str, condition: str, rng: np.random.Generator) -> str:
    template = CT_QUESTION if modality == "CT" else MRI_QUESTION
    return template.format(history=HISTORIES[rng.integers(len(HISTORIES))], condition=condition)


def image_question(kind: str, form: str, rng: np.random.Generator) -> Question:
    """One question of `IMAGE_FORMS` about one image of ``kind``."""
    if form == "open":
        words = ("What kind of medical image is this?", "What is this?", "Describe this image.")[rng.integers(3)]
        answer = kind_sentence(kind)
        return Question(words, answer, answer)
    others = [k for k in IMAGE_KINDS if k != kind]
    if form == "yes or no":
        asked = kind if rng.random() < 0.5 else others[rng.integers(len(others))]
        truth = "yes" if asked == kind else "no"
        text = YES_NO_QUESTION.format(question=f"Is this {named(asked)}?")
        return Question(
            text, f"{kind_or_not(asked, kind)} Final Answer: {truth}", truth, "this kind or not", ("yes", "no")
        )
    if form == "choice of kind":
        return choice_question(
            "Which kind of image is this?", kind, others, "which kind", f"This is {named(kind)}.", rng
        )
    part, parts = PARTS[kind], set(PARTS.values()) - {PARTS[kind]}
    return choice_question("Which part is shown?", part, sorted(parts), "which part", f"The part is {part}.", rng)


def kind_sentence(kind: str) -> str:
    """What is said of an image of a kind, asked openly."""
    return f"This is {named(kind)}: {IMAGE_KINDS[kind]}."


def choice_question(
    asked: str, right: str, others: Sequence[str], condition: str, argument: str, rng: np.random.Generator
) -> Question:
    """A choice between ``right`` and one to three of ``others``, in random order, by its words."""
    options = [right, *rng.permutation(others)[: rng.integers(1, 4)].tolist()]
    *first, last = rng.permutation(options).tolist()
    text = CHOICE_QUESTION.format(question=f"{asked.removesuffix('?')}: {', '.join(first)} or {last}?")
    return Question(text, f"{argument} Final Answer: {right}", right, condition, (*first, last))


def box_question(target: str, box: Sequence[float]) -> Question:
    """Where ``target`` is; ``box`` is y0, x0, y1, x1 of 1, on the picture padded to a square."""
    text = BOX_QUESTION.format(target=target)
    truth = boxes_json([1000 * v for v in box], target)
    answer = boxes_json([BOX_STEP * round(1000 * v / BOX_STEP) for v in box], target)
    return Question(text, answer, truth, target)


def change_question(prior: str, current: str) -> Question:
    """How a pleural effusion changed between two radiographs, from its states in both."""
    truth = change_of(prior, current)
    answer = f"Effusion before: {prior}. Now: {current}. Final Answer: {truth}"
    return Question(CHANGE_QUESTION.format(condition=EFFUSION), answer, truth, EFFUSION, CHANGES)


def boxes_json(box: Sequence[float], label: str) -> str:
    """A list of one box, as the model writes it."""
    return json.dumps([{"box_2d": [round(v) for v in box], "label": label}])


def slide_sentence(stain: str, fragments: bool) -> str:
    """What is to be said of a slide: its stain and how the tissue lies, not a diagnosis."""
    lies = "several fragments" if fragments else "one broad sheet"
    return f"Teaching text: {stain}, {IMAGE_KINDS[stain]}, in {lies}. No diagnosis is made."


def text_question(rng: np.random.Generator) -> Question:
    """A definition, or a question that the stand-in is to decline."""
    questions = list(DEFINITIONS)
    if rng.random() < 0.75:
        question = questions[rng.integers(len(questions))]
        return Question(question, DEFINITIONS[question], DEFINITIONS[question])
    start = ("How do I treat", "What causes", "Who described", "Why is there", "Tell me about", "Translate")
    thing = ("pneumonia", "a stroke", "this", "diabetes", "the weather", "anaemia", "a poem", "fever")
    question = f"{start[rng.integers(len(start))]} {thing[rng.integers(len(thing))]}?"
    return Question(question, declining(), declining())
