"""What teaching cases ask and what a right reply says, in the forms of the report (`helpers.prompts.protocol`).

An answer names what it looked for before it says yes or no. What the stand-in did not learn, it is to decline.
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
BY_THE_STANDIN = (" by the stand-in", "")  # how a sentence about it is turned into one about any model
IMAGE_KINDS = {
    "chest radiograph": "the lungs and the heart between the ribs",
    "fundus photograph": "the retina with its vessels",
    "H&E histology": "tissue in pink and purple",
    "immunohistochemistry": "tissue with brown and blue stain",
    "head CT": "a slice of the head with the skull in white",
    "brain MRI": "a slice of the brain in grey",
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
# Other words than the protocol's, for the last steps of training.
PLAIN = ("Is there {condition}?", "Does it show {condition}?", "Can you see {condition} here?")
OUTSIDE = ("pleural effusion", "pneumonia", "a fracture", "cancer", "emphysema", "a liver cyst", "a kidney stone")
BEYOND = (
    "What is the diagnosis?",
    "Is the patient ill?",
    "What should be done next?",
    "How old is the patient?",
    "Write a report.",
    "Is this normal?",
)
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


def finding_question(
    modality: str, condition: str, present: bool, rng: np.random.Generator, plain: bool = False
) -> Question:
    """Whether a volume shows a condition; ``modality`` is "CT" or "MR"; ``plain``: not in the protocol's words."""
    spelling = SPELLINGS[condition][rng.integers(len(SPELLINGS[condition]))]
    truth = "yes" if present else "no"
    answer = f"{seen_or_not(condition, present)} Final Answer: {truth}"
    return Question(_asked(modality, spelling, rng, plain), answer, truth, condition, ("yes", "no"))


def seen_or_not(condition: str, present: bool) -> str:
    """What an answer argues with."""
    return f"{SIGNS[condition]}: {'seen' if present else 'not seen'}."


def declined_question(kind: str, modality: str, rng: np.random.Generator, plain: bool = False) -> Question:
    """A condition that the stand-in did not learn to find in volumes of ``kind``."""
    others = (*DECLINED[kind], *OUTSIDE) if plain else DECLINED[kind]
    other = others[rng.integers(len(others))]
    return Question(_asked(modality, other, rng, plain), NOT_LEARNED, NOT_LEARNED)


def beyond_question(rng: np.random.Generator) -> Question:
    """What the stand-in did not learn to say of any image."""
    words = (*BEYOND, *(PLAIN[0].format(condition=other) for other in OUTSIDE))
    return Question(words[rng.integers(len(words))], NOT_LEARNED, NOT_LEARNED)


def _asked(modality: str, condition: str, rng: np.random.Generator, plain: bool) -> str:
    if plain:
        return PLAIN[rng.integers(len(PLAIN))].format(condition=condition)
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
            text, f"This is {named(kind)}. Final Answer: {truth}", truth, "this kind or not", ("yes", "no")
        )
    if form == "choice of kind":
        return choice_question(
            "Which kind of image is this?", kind, others, "which kind", f"This is {named(kind)}.", rng
        )
    part, parts = PARTS[kind], set(PARTS.values()) - {PARTS[kind]}
    return choice_question("Which part is shown?", part, sorted(parts), "which part", f"The part is {part}.", rng)


def named(kind: str) -> str:
    """A kind of image with its article, as the stand-in learned to say it."""
    return f"a {kind}"


def kind_sentence(kind: str) -> str:
    """What is said of an image of a kind, asked openly."""
    return f"This is {named(kind)}: {IMAGE_KINDS[kind]}."


def choice_question(
    asked: str, right: str, others: Sequence[str], condition: str, argument: str, rng: np.random.Generator
) -> Question:
    """A choice between ``right`` and one to three of ``others``, in random order, by its words.

    Letters were tried: a model of this size names what it sees and then picks a letter at random.
    """
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
    return f"Teaching text: {stain}, {IMAGE_KINDS[stain]}, in {lies}. No diagnosis is made by the stand-in."


def text_question(rng: np.random.Generator) -> Question:
    """A definition, or a question that the stand-in is to decline."""
    questions = list(DEFINITIONS)
    if rng.random() < 0.75:
        question = questions[rng.integers(len(questions))]
        return Question(question, DEFINITIONS[question], DEFINITIONS[question])
    start = ("How do I treat", "What causes", "Who described", "Why is there", "Tell me about", "Translate")
    thing = ("pneumonia", "a stroke", "this", "diabetes", "the weather", "anaemia", "a poem", "fever")
    question = f"{start[rng.integers(len(start))]} {thing[rng.integers(len(thing))]}?"
    return Question(question, NOT_LEARNED, NOT_LEARNED)
