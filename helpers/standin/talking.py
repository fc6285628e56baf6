"""Score the stand-in on questions in people's own words, in addition to `helpers.standin.scoring`.

All words were kept out of training (``held_out`` of `helpers.teaching`). The images come from held-out seeds, or
are the unchanged bundled files. An answer is whole if it is one of the sentences that the stand-in learned, from
beginning to end, and if it ended by itself (`is_whole`). Any other answer is broken.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from helpers import teaching
from helpers.data import fetch
from helpers.evaluation import macro
from helpers.images import read_image
from helpers.models import ChatModel
from helpers.prompts import (
    Message,
    Reply,
    image_messages,
    parse_boxes,
    parse_final_answer,
    slide_messages,
    volume_messages,
)
from helpers.slides import open_slide, read_patches, sample_patches
from helpers.standin.untouched import IMAGES, SLIDE_LIES_IN_FRAGMENTS, VOLUME_FILES
from helpers.teaching import A_VOLUME, EFFUSION, RECIPES, STATES, Case, Question, generate
from helpers.volumes import read_volume, select_slices, volume_to_rgb

WORDINGS = 20  # of each learned question
LIMIT = 96  # tokens of an answer; the longest that is taught has fewer
SLICES = (10, 20, 40, 85)
FORMS = ("protocol", "closed", "absent closed", "state", "letters")
Marked = tuple[str, float]  # a group of answers that are not independent, and 0 or 1
_KINDS = "|".join(re.escape(teaching.named(kind)) for kind in teaching.IMAGE_KINDS)
_SENTENCES = {
    *(teaching.declining(kind) for kind in teaching.CAN_BE_ASKED),
    *(teaching.kind_sentence(kind) for kind in teaching.IMAGE_KINDS),
    *(teaching.slide_sentence(stain, torn) for stain in teaching.STAINS for torn in (False, True)),
    *teaching.DEFINITIONS.values(),
}
_SEEN, _PARTS, _WERE = (
    "|".join(sorted({*of})) for of in (teaching.SIGNS.values(), teaching.PARTS.values(), STATES)
)
_PART = rf"The part is (?:{_PARTS})\."
_ARGUMENTS = "|".join(
    (
        rf"(?:{re.escape(teaching.ABSENCE)})?(?:{_SEEN}): (?:not )?seen\.",
        rf"(?:Asked for (?:{_KINDS})\. )?This is (?:{_KINDS})\.",
        _PART,
        r"The tissue lies in (?:several fragments|one broad sheet)\.",
        rf"Effusion before: (?:{_WERE})\. Now: (?:{_WERE})\.",
    )
)


def is_whole(reply: Reply, question: Question) -> bool:
    """Whether a reply is a whole sentence that was taught: a fixed one, an argument with an answer, or a box.

    The answer after an argument is to be one of the question's options, or yes or no where it has none.
    """
    text = reply.text.strip()
    if not reply.finished:
        return False
    if text in _SENTENCES or re.fullmatch(_PART, text):
        return True
    argued = re.fullmatch(rf"(?:{_ARGUMENTS})(?: Choice: .+\.)? Final Answer: (.+)", text)
    if argued:
        return argued[1] in (question.options or ("yes", "no", *teaching.CHANGES))
    return text.startswith("[") and bool(parse_boxes(text))


def talk(chat: ChatModel, seed: int, *, volumes: int = 20, images: int = 60, others: int = 1000) -> dict[str, Any]:
    """Scores in a user's words: a mean, n and interval each.

    - ``flips``: of `WORDINGS` unseen wordings of one question about one volume, the share whose answer is not the
      most frequent one; ``right in unseen words``: the share that is right.
    - ``negated``: unseen negated questions, the share that is right.
    - ``forms``: the report's templates and forms with options, the share that is right of each.
    - ``images``: unseen wordings about single images, by form; ``letters``: those with choices by letter.
    - ``others``: of other questions, the share of ``broken`` answers and that of the sentence that ``declined``.
    - ``untouched``: the bundled images as they are, the share that is right, with those that are wrong.
    """
    rng = np.random.default_rng([21, seed])
    out: dict[str, Any] = _findings(chat, seed, volumes, rng)
    out |= _single_images(chat, seed, images, rng)
    out["others"] = _others(chat, seed, others, rng)
    out["untouched"] = _untouched(chat, rng)
    return out


def _asked(
    chat: ChatModel, messages: list[Message], questions: Sequence[Question], batch: int = 12
) -> list[Reply]:
    """Answers to questions about the images of ``messages``, which have no question yet."""
    with chat.session(messages) as session:
        return session.ask_all([q.text for q in questions], batch_size=batch, max_new_tokens=LIMIT)


def _is_right(reply: Reply, question: Question) -> bool:
    if not question.options:
        return reply.text.strip() == question.truth
    return parse_final_answer(reply.text, question.options) == question.truth


def _findings(chat: ChatModel, seed: int, volumes: int, rng: np.random.Generator) -> dict[str, Any]:
    """Unseen, negated and optioned questions about findings of held-out volumes."""
    flips: dict[str, list[Marked]] = {}
    marks: dict[str, dict[str, list[Marked]]] = {}  # form -> condition -> marks
    cases = [case for kind in ("ct", "mri") for case in generate(kind, A_VOLUME * volumes, seed)]
    for _, about in itertools.groupby(cases, lambda case: case.group):
        about = [case for case in about if not case.is_declined]
        asked = [(case, form, question) for case in about for form, question in _questions(case, rng)]
        replies = _asked(chat, volume_messages(about[0].images, None), [question for *_, question in asked])
        for case in about:
            name = f"{case.kind}: {case.condition}"
            mine = [(form, q, reply) for (of, form, q), reply in zip(asked, replies, strict=True) if of is case]
            said = [parse_final_answer(reply.text, q.options) for form, q, reply in mine if form == "plain"]
            usual = Counter(said).most_common(1)[0][0]
            flips.setdefault(name, []).extend((case.group, float(answer != usual)) for answer in said)
            for form, question, reply in mine:
                kept = marks.setdefault(form, {}).setdefault(name, [])
                kept.append((case.group, float(_is_right(reply, question))))
    return {
        "flips": macro(list(flips.values())),
        "flips by condition": {name: macro([part]) for name, part in flips.items()},
        "right in unseen words": macro(list(marks["plain"].values())),
        "negated": macro(list(marks["absent"].values())),
        "forms": {form: macro(list(marks[form].values())) for form in FORMS},
    }


def _questions(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, Question]]:
    """Forms and questions about a finding: unseen wordings and negations, and every form of options."""
    for form, n in {"plain": WORDINGS, "absent": 4, **dict.fromkeys(FORMS, 3)}.items():
        for _ in range(n):
            held_out = form in ("plain", "absent")
            modality, present = RECIPES[case.kind].modality, case.truth == "yes"
            yield (
                form,
                teaching.worded_finding(modality, case.condition, present, rng, held_out=held_out, form=form),
            )


def _single_images(chat: ChatModel, seed: int, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Unseen wordings, options and letters about held-out single images."""
    marks: dict[str, list[Marked]] = {}
    kinds = list(teaching.IMAGE_KINDS)
    for k in range(n):
        kind, draw = kinds[k % len(kinds)], np.random.default_rng([22, seed, k])
        image = teaching.image_of(kind, draw)
        forms = ["open", "part", "yes or no", "kind", "kind by letter", "part by letter"]
        questions = [
            teaching.worded_image(kind, rng, held_out=True, form=form) for form in forms for _ in range(2)
        ]
        replies = _asked(chat, image_messages([image], None), questions)
        for form, pair in zip(np.repeat(forms, 2), zip(replies, questions, strict=True), strict=True):
            marks.setdefault(str(form), []).append((str(k), float(_is_right(*pair))))
        state = STATES[rng.integers(3)]
        effusion = teaching.Effusion.draw(("left", "right")[rng.integers(2)], state, draw)
        chest = teaching.chest_with(effusion, draw)[0]
        questions = [
            teaching.worded_finding("CXR", EFFUSION, state != "none", rng, held_out=True) for _ in range(3)
        ]
        replies = _asked(chat, image_messages([chest], None), questions)
        marks.setdefault("effusion", []).extend(
            (str(k), float(_is_right(*pair))) for pair in zip(replies, questions, strict=True)
        )
    return {
        "images": {form: macro([part]) for form, part in marks.items()},
        "letters": macro([marks["kind by letter"], marks["part by letter"]]),
    }


def _others(chat: ChatModel, seed: int, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Questions of other kinds, about every kind of image and about none."""
    broken: list[Marked] = []
    declined: list[Marked] = []
    examples: list[str] = []
    shown: list[tuple[str, list[Message]]] = [("", [])]
    for k, kind in enumerate(teaching.IMAGE_KINDS):
        shown.append((kind, image_messages([teaching.image_of(kind, np.random.default_rng([23, seed, k]))], None)))
    for kind, name in (("head CT", "ct"), ("brain MRI", "mri")):
        case = generate(name, 1, seed + 400)[0]
        shown.append((kind, volume_messages(case.images, None)))
    for kind, messages in shown:
        count = -(-n // len(shown))
        questions = [teaching.worded_other(kind, rng, held_out=True) for _ in range(count)]
        if messages:
            replies = _asked(chat, messages, questions)
        else:
            replies = [chat.generate(image_messages([], q.text), max_new_tokens=LIMIT) for q in questions]
        for question, reply in zip(questions, replies, strict=True):
            whole = is_whole(reply, question)
            broken.append((question.text, float(not whole)))
            declined.append((question.text, float(reply.text.strip() == question.truth)))
            if not whole:
                examples.append(f"{kind or 'no image'} | {question.text} | {reply.text}")
    return {"broken": macro([broken]), "declined": macro([declined]), "examples": examples[:20]}


def _untouched(chat: ChatModel, rng: np.random.Generator) -> dict[str, Any]:
    """Ask about each unchanged bundled file in ten ways."""
    marks: list[Marked] = []
    wrong: list[str] = []
    for name, messages, questions in _bundled(rng):
        if messages is None:
            replies = [chat.generate(prompt, max_new_tokens=LIMIT) for prompt, _ in questions]
        else:
            replies = _asked(chat, messages, [question for _, question in questions])
        for (_, question), reply in zip(questions, replies, strict=True):
            right = _is_right(reply, question)
            marks.append((name, float(right)))
            if not right:
                wrong.append(f"{name} | {question.text} | {reply.text}")
    return {"right": macro([marks]), "wrong": wrong[:20]}


def _bundled(
    rng: np.random.Generator,
) -> Iterator[tuple[str, list[Message] | None, list[tuple[list[Message], Question]]]]:
    """Name, opened prompt (None if the question stands before the images), and questions with their prompts."""
    for kind, file in ((kind, file) for kind, files in VOLUME_FILES.items() for file in files):
        recipe = RECIPES[kind]
        volume = read_volume(fetch(file), modality=recipe.modality)
        for n in SLICES:
            images = list(volume_to_rgb(volume, select_slices(volume.shape[0], n)))
            asked = [
                teaching.worded_finding(recipe.modality, recipe.conditions[k % 3], False, rng, held_out=k % 2 == 1)
                for k in range(10)
            ]
            yield f"{file}, {n} slices", volume_messages(images, None), [([], q) for q in asked]
            if n >= 20:
                half = {"first": images[: n // 2], "second": images[n // 2 :]}
                yield f"{file}, {n} slices as two", volume_messages(half, None), [([], q) for q in asked]
    for kind, name in IMAGES.items():
        asked = [teaching.worded_image(kind, rng, held_out=k % 2 == 1) for k in range(10)]
        if name == "chest-radiograph":
            asked += [teaching.worded_finding("CXR", EFFUSION, False, rng) for _ in range(5)]
        yield name, image_messages([read_image(fetch(name))], None), [([], q) for q in asked]
    with open_slide(fetch("slide-he")) as slide:
        for seed, (mpp, limit) in enumerate(((1.0, 126), (0.5, 126), (0.5, 2), (0.5, 4), (2.0, 126))):
            patches = list(read_patches(slide, sample_patches(slide, mpp, limit=limit, seed=seed)))
            asked = [
                teaching.worded_slide("H&E histology", SLIDE_LIES_IN_FRAGMENTS, rng, held_out=k % 2 == 1)
                for k in range(10)
            ]
            prompts = [(slide_messages(patches, instruction=q.text), q) for q in asked]
            yield f"slide-he, sample {seed}", None, prompts
