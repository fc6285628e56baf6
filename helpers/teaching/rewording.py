"""The learned questions in many other words and forms, with the same answers, for the stand-in's last stage.

Each function draws a question of the grammar of `helpers.teaching.wordings`, or of the report's templates, open,
with options or with lettered choices. ``held_out`` draws from the words that are kept out of training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.prompts import (
    BOX_QUESTION,
    CHANGE_QUESTION,
    CHOICE_QUESTION,
    CT_QUESTION,
    CT_RATE_QUESTION,
    MRI_QUESTION,
    closed_question,
)
from helpers.teaching import wordings as say
from helpers.teaching.chests import CHANGES, EFFUSION
from helpers.teaching.findings import BRIGHT, DARK, HAEMORRHAGE, MASS, OEDEMA, VENTRICLES
from helpers.teaching.other_questions import behind_a_record, other_question
from helpers.teaching.questions import (
    ABSENCE,
    BOX_STEP,
    DEFINITIONS,
    HISTORIES,
    IMAGE_KINDS,
    PARTS,
    SPELLINGS,
    Question,
    boxes_json,
    change_question,
    declining,
    kind_or_not,
    kind_sentence,
    named,
    seen_or_not,
    slide_sentence,
)
from helpers.teaching.slides import STAINS

ARGUED = (
    'You may write out your argument before stating your final answer "Final Answer: yes" or "Final Answer: no"'
)
_INDICATION = 'After looking at the indication and patient history "{history}"'
_HISTORY = 'After looking at the patient history "{history}"'
_SHORT = "You may write out your argument before stating your final, very short, definitive, and concise answer"
_OR_LETTER = (
    "(no more than a few words or the letter corresponding to your answer choice if the question is multiple "
    "choice)"
)
# Templates as they are printed in the report, and as they were in earlier versions of this project.
CT_TEMPLATES = (
    CT_QUESTION,
    f'{_INDICATION}. Is there "{{condition}}" in the CT volume? {ARGUED}.',
    f'{_INDICATION}... Is there "{{condition}}" in the CT volume? {ARGUED}.',
    CT_RATE_QUESTION,
)
MRI_TEMPLATES = (
    MRI_QUESTION,
    f'{_HISTORY}. Is there "{{condition}}" in the MRI volume? {ARGUED}.',
    f"{_HISTORY}, Is there {{condition}} in the MRI volume? {ARGUED}",
)
CHOICE_TEMPLATES = (
    CHOICE_QUESTION,
    f'{{question}} {_SHORT} X in the format "Final Answer: X":',
    f'{{question}} {_SHORT} X {_OR_LETTER} in the format "Final Answer: X":',
    f'{{question}}\n{_SHORT} {_OR_LETTER} X in the format "Final Answer: X":',
)
BOX_TEMPLATES = (
    BOX_QUESTION,
    'Where is the {target}? Answer with a JSON list of {{"box_2d": [y0, x0, y1, x1], "label": ...}}.',
    'Where is the {target}? Output the final answer in the format "Final Answer: X" where X is a JSON list of '
    'objects. The object needs a "box_2d" and "label" key. Answer:',
)
OTHER_SPELLINGS = {
    HAEMORRHAGE: (
        "hemorrhage",
        "bleeding",
        "a bleed",
        "blood in the head",
        "intracranial bleeding",
        "fresh blood",
    ),
    OEDEMA: ("oedema", "edema", "swelling of the brain", "an infarction", "swelling"),
    MASS: ("a mass at the skull", "a calcified mass", "a mass", "a meningioma"),
    DARK: ("a dark spot", "a dark lesion", "a hypointense area", "low signal"),
    BRIGHT: ("a bright spot", "a bright lesion", "a hyperintense area", "high signal"),
    VENTRICLES: ("wide ventricles", "dilated ventricles", "large ventricles", "ventricular enlargement"),
}
OTHER_HISTORIES = (
    *("Head injury.", "Dizziness.", "Known hypertension, vomiting.", "Stroke suspected.", "Memory loss.", "Fever"),
    *("Follow-up.", "Weakness of the left arm.", "54 years, male, smoker", "Visual loss.", "unknown", "Screening"),
)
ALIASES = {  # how options name a kind of image
    "chest radiograph": ("X-ray", "chest X-ray", "radiograph"),
    "fundus photograph": ("fundus", "retina", "fundus photo"),
    "H&E histology": ("H&E", "histology", "HE"),
    "immunohistochemistry": ("IHC", "immunostain"),
    "head CT": ("CT", "CT scan"),
    "brain MRI": ("MRI", "MR"),
}
UNKNOWN_KINDS = ("skin", "ultrasound", "mammogram", "PET", "endoscopy", "ECG", "photo of a wound", "knee")
EFFUSIONS = (EFFUSION, f"a {EFFUSION}", "effusion", "fluid in the chest", "pleural fluid")
OPTION_STYLES = ("({}) {}", "{}) {}", "{}. {}", "{}: {}")  # of a letter and an option
IMAGE_FORMS = ("open", "part", "yes or no", "kind", "kind by letter", "part by letter")
_STATES = (("present", "absent"), ("seen", "not seen"), ("positive", "negative"))


def worded_finding(
    modality: str,
    condition: str,
    present: bool,
    rng: np.random.Generator,
    *,
    held_out: bool = False,
    form: str = "",
    composed: float = 0.0,
) -> Question:
    """A question whether something is seen, in any words and form.

    ``modality`` is "CT", "MR" or "CXR" (an effusion), ``form`` "protocol", "plain", "closed", "absent" (negated),
    "absent closed", "state" (options such as present and absent) or "letters"; by default one is drawn.
    """
    forms = ("protocol", "plain", "closed", "absent", "absent closed", "state", "letters")
    form = form or forms[rng.choice(7, p=(0.19, 0.25, 0.12, 0.22, 0.1, 0.06, 0.06))]
    if modality == "CXR":
        x, part = _one(EFFUSIONS, rng), "chest"
    else:
        x = _one((*SPELLINGS[condition], *SPELLINGS[condition], *OTHER_SPELLINGS[condition]), rng)
        part = ("head" if modality == "CT" else "brain", "brain")[rng.integers(2)]
    argument = f"{ABSENCE if form.startswith('absent') else ''}{seen_or_not(condition, present)}"
    is_asked = present != form.startswith("absent")
    truth = "yes" if is_asked else "no"
    if form == "protocol" and modality != "CXR":
        history = _one((*HISTORIES, *OTHER_HISTORIES), rng)
        templates = CT_TEMPLATES if modality == "CT" else MRI_TEMPLATES
        text = _one(templates, rng).format(history=history, condition=x)
        return Question(text, f"{argument} Final Answer: {truth}", truth, condition, ("yes", "no"))
    frames = say.ABSENCE if form.startswith("absent") else say.FINDING
    text = say.wording(frames, rng, x, part, held_out=held_out, composed=composed)
    options: tuple[str, ...] = ("yes", "no")
    if form in ("closed", "absent closed"):
        text = closed_question(text, options)
    elif form == "state":
        options = _STATES[rng.integers(len(_STATES))]
        text, truth = closed_question(text, options), options[0 if present else 1]
    elif form == "letters":
        right = truth
        text, options, truth = lettered(text, right, ["yes", "no"], rng)
        argument = chose(argument, right, truth)
    return Question(text, f"{argument} Final Answer: {truth}", truth, condition, options)


def chose(argument: str, right: str, letter: str) -> str:
    """An argument that names the right option and then its letter, so that one step looks the letter up."""
    return f"{argument} Choice: {right} ({letter})."


def lettered(
    question: str, right: str, options: Sequence[str], rng: np.random.Generator
) -> tuple[str, tuple[str, ...], str]:
    """A question with choices by letter: its text, the letters, and the right one."""
    letters = tuple("ABCDEF"[: len(options)])
    style = OPTION_STYLES[rng.integers(len(OPTION_STYLES))]
    listed = [style.format(*pair) for pair in zip(letters, options, strict=True)]
    truth = letters[list(options).index(right)]
    joined = _one((" ", "\n", ", ", "; "), rng).join(listed)
    how = rng.integers(3)
    if how == 0:
        return closed_question(question, listed), letters, truth
    if how == 1:
        return closed_question(f"{question} {joined}", letters), letters, truth
    return _one(CHOICE_TEMPLATES, rng).format(question=f"{question} {joined}"), letters, truth


def chosen(
    question: str, right: str, others: Sequence[str], argument: str, rng: np.random.Generator, letters: bool
) -> Question:
    """A choice between ``right`` and one to three of ``others`` in random order, by words or by letters."""
    options = rng.permutation([right, *rng.permutation(others)[: rng.integers(1, 4)].tolist()]).tolist()
    if letters:
        text, said, truth = lettered(question, right, options, rng)
        return Question(text, f"{chose(argument, right, truth)} Final Answer: {truth}", truth, "letters", said)
    *first, last = options
    text = closed_question(question, options)
    if rng.random() < 0.4:
        listed = f"{question.rstrip('?.')}: {', '.join(first)} or {last}?"
        text = _one(CHOICE_TEMPLATES, rng).format(question=listed)
    return Question(text, f"{argument} Final Answer: {right}", right, "words", tuple(options))


def worded_image(
    kind: str, rng: np.random.Generator, *, held_out: bool = False, form: str = "", composed: float = 0.0
) -> Question:
    """What a single image is: "open", "part", "yes or no", "kind", "kind by letter", "part by letter", "stain"."""
    form = form or IMAGE_FORMS[rng.choice(6, p=(0.24, 0.2, 0.2, 0.18, 0.1, 0.08))]
    if form == "open" and kind in STAINS and not held_out and rng.random() < 0.4:
        form = "stain"
    if form in ("open", "stain"):
        words = say.wording(say.WHAT if form == "open" else say.STAIN, rng, held_out=held_out, composed=composed)
        return Question(words, kind_sentence(kind), kind_sentence(kind))
    others = [k for k in IMAGE_KINDS if k != kind]
    if form == "yes or no":
        asked = kind if rng.random() < 0.5 else _one(others, rng)
        text = say.wording(say.IS_IT, rng, named(asked), held_out=held_out, composed=composed)
        text = closed_question(text, ["yes", "no"]) if rng.random() < 0.6 else text
        truth = "yes" if asked == kind else "no"
        return Question(
            text, f"{kind_or_not(asked, kind)} Final Answer: {truth}", truth, "this kind or not", ("yes", "no")
        )
    if form.startswith("part"):
        asked = say.wording(say.PART, rng, held_out=held_out, careless=0.15, composed=composed)
        part = PARTS[kind]
        rest = sorted(set(PARTS.values()) - {part})
        if form == "part" and rng.random() < 0.4:
            return Question(asked, f"The part is {part}.", f"The part is {part}.")
        return chosen(asked, part, rest, f"The part is {part}.", rng, form == "part by letter")
    asked = say.wording(say.WHAT[7:8] + say.WHAT[9:11] + say.WHAT[:1], rng, careless=0.15, composed=composed)
    if rng.random() < 0.3:
        names = [_one(ALIASES[k], rng) for k in (kind, *others)]
        if composed and rng.random() < 0.5:  # names of both sorts, and of kinds that were not learned
            names = [name if rng.random() < 0.6 else k for name, k in zip(names, (kind, *others), strict=True)]
            names += [str(k) for k in rng.permutation(UNKNOWN_KINDS)[:2]]
        if len(set(names)) == len(names):
            return chosen(asked, names[0], names[1:], f"This is {named(kind)}.", rng, form == "kind by letter")
    return chosen(asked, kind, others, f"This is {named(kind)}.", rng, form == "kind by letter")


def worded_slide(
    stain: str, fragments: bool, rng: np.random.Generator, *, held_out: bool = False, form: str = ""
) -> Question:
    """What a slide is, its words going before the patches: "open", "stain", "stain by choice", "fragments"."""
    form = form or ("open", "stain", "stain by choice", "fragments")[rng.choice(4, p=(0.35, 0.3, 0.15, 0.2))]
    if form == "open":
        words = say.wording(say.DESCRIBE_SLIDE, rng, held_out=held_out)
        return Question(words, slide_sentence(stain, fragments), slide_sentence(stain, fragments))
    if form == "fragments":
        text = say.wording(say.FRAGMENTS, rng, held_out=held_out)
        text = closed_question(text, ["yes", "no"]) if rng.random() < 0.5 else text
        truth = "yes" if fragments else "no"
        argument = f"The tissue lies in {'several fragments' if fragments else 'one broad sheet'}."
        return Question(text, f"{argument} Final Answer: {truth}", truth, "fragments", ("yes", "no"))
    asked = say.wording(say.STAIN if rng.random() < 0.75 else say.WHAT, rng, held_out=held_out)
    if form == "stain":
        return Question(asked, kind_sentence(stain), kind_sentence(stain))
    others = [kind for kind in IMAGE_KINDS if kind != stain]
    if rng.random() < 0.5:
        others = ["immunohistochemistry" if stain == "H&E histology" else "H&E histology"]
    names = {kind: _one((kind, *ALIASES[kind]), rng) for kind in (stain, *others)}
    rest = [names[kind] for kind in others if names[kind] != names[stain]]
    return chosen(asked, names[stain], rest, f"This is {named(stain)}.", rng, bool(rng.random() < 0.3))


def worded_box(
    target: str, box: Sequence[float], rng: np.random.Generator, *, held_out: bool = False, form: str = ""
) -> Question:
    """A question where something is: "plain", or a "template" of the notebook. ``box`` is y0, x0, y1, x1 of 1."""
    form = form or ("template" if rng.random() < 0.5 and not held_out else "plain")
    if form == "template":
        text = _one(BOX_TEMPLATES, rng).format(target=target)
    else:
        text = say.wording(say.WHERE, rng, target, held_out=held_out)
    truth = boxes_json([1000 * v for v in box], target)
    return Question(text, boxes_json([BOX_STEP * round(1000 * v / BOX_STEP) for v in box], target), truth, target)


def worded_change(prior: str, current: str, rng: np.random.Generator, *, held_out: bool = False) -> Question:
    """How a pleural effusion changed between two radiographs."""
    usual = change_question(prior, current)
    text = CHANGE_QUESTION.format(condition=EFFUSION)
    if rng.random() < 0.7 or held_out:
        text = say.wording(say.CHANGE, rng, _one((EFFUSION, "effusion", "fluid"), rng), held_out=held_out)
        text = closed_question(text, rng.permutation(CHANGES).tolist()) if rng.random() < 0.5 else text
    return Question(text, usual.answer, usual.truth, EFFUSION, CHANGES)


def worded_definition(rng: np.random.Generator, *, held_out: bool = False) -> Question:
    """A definition, asked in other words."""
    question = _one([q for q in DEFINITIONS if q.startswith("What is ")], rng)
    words = say.wording(say.MEANING, rng, question.removeprefix("What is ").removesuffix("?"), held_out=held_out)
    return Question(words, DEFINITIONS[question], DEFINITIONS[question])


def worded_other(
    kind: str, rng: np.random.Generator, *, held_out: bool = False, composed: float = 0.0
) -> Question:
    """What was not learned: about anything, or learned of other images than those of ``kind`` ("" for none)."""
    text = other_question(rng, held_out=held_out, composed=composed)
    if rng.random() < 0.2:  # learned, but for other kinds of images
        elsewhere = [c for c in OTHER_SPELLINGS if c not in _FOUND_IN.get(kind, ())]
        condition = _one([*elsewhere, *([] if kind == "chest radiograph" else [EFFUSION])], rng)
        x = _one(EFFUSIONS if condition == EFFUSION else (*SPELLINGS[condition], *OTHER_SPELLINGS[condition]), rng)
        text = say.wording(say.FINDING, rng, x, PARTS.get(kind, "body"), held_out=held_out, composed=composed)
        text = closed_question(text, ["yes", "no"]) if rng.random() < 0.3 else text
        if condition != EFFUSION and not held_out and rng.random() < 0.4:  # as the report asks
            modality = "MR" if condition in _FOUND_IN["brain MRI"] else "CT"
            text = worded_finding(modality, condition, True, rng, form="protocol").text
    elif composed and rng.random() < 0.12:
        text = behind_a_record(_any_finding(rng, composed), rng)
    return Question(text, declining(kind), declining(kind))


def _any_finding(rng: np.random.Generator, composed: float) -> str:
    condition = _one(list(OTHER_SPELLINGS), rng)
    x = _one((*SPELLINGS[condition], *OTHER_SPELLINGS[condition]), rng)
    return say.wording(say.FINDING, rng, x, "head", composed=composed)


_FOUND_IN = {"head CT": (HAEMORRHAGE, OEDEMA, MASS), "brain MRI": (DARK, BRIGHT, VENTRICLES)}


def _one(of: Sequence[str], rng: np.random.Generator) -> str:
    return of[rng.integers(len(of))]
