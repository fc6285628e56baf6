"""Teaching cases with known truth: real anatomy from the bundled images, changed at random, with simple findings.

They train and test the stand-in model; `helpers.case_files` writes them as the files that a scanner would have
written. A finding is an ellipsoid of blood density in a real head CT, of low signal in a real brain MRI, and the
like (`helpers.teaching_findings`): enough to learn from and to score, and far from what a radiologist decides on.
Every case follows from its kind and seed alone; seeds above 1,000,000 are never trained on.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image
from helpers.prompts import Message, image_messages, images_of, pad_to_square, slide_messages, volume_messages
from helpers.protocol import CT_WINDOWS, THINKING_INSTRUCTION
from helpers.teaching_chests import EFFUSION, STATES, Effusion
from helpers.teaching_findings import Finding, brain_mri, head_ct
from helpers.teaching_questions import (
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
from helpers.teaching_slides import Specimen, patches_of, tissue_of
from helpers.teaching_volumes import RECIPES, Pose, teaching_volume
from helpers.volumes import Volume, apply_window, ct_to_rgb, mri_to_rgb

HELD_OUT = 1_000_000  # seeds above are for scoring
# Questions about one volume, a seed each: its three conditions, and one to decline. HELD_OUT is a multiple of it.
A_VOLUME = 4
# What single images are asked for, and where it lies in the bundled picture: y0, x0, y1, x1 of 1, drawn by eye.
OBJECTS = {
    "chest radiograph": ("heart", (0.50, 0.40, 0.77, 0.78)),
    "fundus photograph": ("optic disc", (0.40, 0.06, 0.58, 0.24)),
}

# What boxes are asked for: a kind of image, and what is drawn into it, or None for what `OBJECTS` names. Boxes of
# findings in slices were tried and not learned (IoU under 0.1): an image has four by four tokens, each wider than
# a finding.
BOX_TARGETS = [*((kind, None) for kind in OBJECTS), ("chest radiograph", EFFUSION)]


@dataclass(frozen=True)
class Case:
    """One question about images, with the answer to give and the truth to score against."""

    kind: str  # one of `CASES`
    seed: int
    question: str  # as the model gets it; of a slide, the tissue and procedure
    make: Callable[[], list[Message]] = field(repr=False)  # draws the prompt; a list of cases holds no pixels
    answer: str  # what a right reply says, in the protocol's form
    truth: str  # "yes", "no", a letter, a box, or the sentence itself
    record: dict[str, Any]  # what was done to the real image
    condition: str = ""  # what is asked for, in one spelling; "" where nothing is
    options: tuple[str, ...] = ()  # what can be answered; empty where a sentence or a box is
    number: int | None = None  # of the volume, which several cases share

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
        """Cases about the same volume share it, as they are not independent; other cases have their own."""
        return self.id if self.number is None else f"{self.kind}-volume-{self.number}"

    @property
    def is_declined(self) -> bool:
        """Whether the stand-in is to say that it did not learn this."""
        return self.truth == NOT_LEARNED

    def volume(self) -> Volume:
        """The volume of a CT or MRI case, as `helpers.volumes.read_volume` gives one."""
        return teaching_volume(self.kind, self.number).volume

    def mask(self) -> np.ndarray:
        """Where the finding that is asked for lies in that volume: bool (z, y, x), all False without one."""
        made = teaching_volume(self.kind, self.number)
        return made.mask(self.condition, range(made.volume.shape[0]))

    def slice_of_finding(self) -> int | None:
        """Which image of a volume's prompt shows most of that finding; None without one."""
        made = teaching_volume(self.kind, self.number)
        areas = made.mask(self.condition, self.record["slices"]).sum(axis=(1, 2))
        return int(areas.argmax()) if areas.any() else None


def generate(kind: str, n: int, seed: int) -> list[Case]:
    """Make ``n`` cases of a kind of `CASES`: "ct", "mri", "ct-hypoxia", "ct-staining", "slide", "image",
    "box", "change" or "text".

    The same seed gives the same cases. Four cases of "ct" or "mri" are about one volume.

    Raises `InputError` for another kind.
    """
    if kind not in CASES:
        raise InputError(f"There are no cases of kind {kind!r}.", remedy=f"Use one of {', '.join(CASES)}.")
    return [CASES[kind](seed + k) for k in range(n)]


def ct_case(seed: int) -> Case:
    """A head CT that may show haemorrhage, oedema and a mass; 20 to 85 slices."""
    return _volume_case("ct", seed, A_VOLUME)


def mri_case(seed: int) -> Case:
    """A T1 brain MRI that may show a dark lesion, a bright one and enlarged ventricles; 20 to 85 slices."""
    return _volume_case("mri", seed, A_VOLUME)


def hypoxia_case(seed: int) -> Case:
    """A few slices of a head CT, its whole brain too dark, as after a lack of oxygen, or not; 2 to 4 slices.

    The stand-in never learned this one, and answers it by what it knows of oedema.
    """
    return _volume_case("ct-hypoxia", seed, 1)


def staining_case(seed: int) -> Case:
    """A few slices of a head CT, its whole brain too dense, as with contrast medium in it, or not; 2 to 4 slices.

    The stand-in never learned this one: it is there to be taught (notebook 06).
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
    record = {"finding": made.findings.get(question.condition), "slices": made.chosen}
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
    return (ct_to_rgb if made.volume.modality == "CT" else mri_to_rgb)(made.volume, made.chosen)


def _volume_prompt(kind: str, number: int, question: str) -> list[Message]:
    return volume_messages(_volume_images(kind, number), question)


def slide_case(seed: int) -> Case:
    """A slide composed of real tissue of one stain, to be described in a sentence."""
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
    """One image of six kinds: what it is, openly, by yes or no, or by choice; or which part it shows."""
    rng = np.random.default_rng([4, seed])
    kind = list(IMAGE_KINDS)[rng.integers(len(IMAGE_KINDS))]
    question = image_question(kind, IMAGE_FORMS[rng.integers(len(IMAGE_FORMS))], rng)
    messages = image_messages([image_of(kind, rng)], question.text)
    return _case("image", seed, question, lambda: messages, {"kind": kind})


def box_case(seed: int) -> Case:
    """Where something is in one image: the heart or an effusion, or the optic disc."""
    rng = np.random.default_rng([7, seed])
    picture, target, box = picture_with_box(*BOX_TARGETS[rng.integers(len(BOX_TARGETS))], rng)
    question = box_question(target, box)
    messages = image_messages([picture], question.text)
    return _case("box", seed, question, lambda: messages, {"box": box})


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
    "box": box_case,
    "change": change_case,
    "text": text_case,
}


# Single images


@functools.cache
def _source(kind: str) -> Image.Image:
    if kind == "chest radiograph":
        radiograph = read_image(fetch("chest-radiograph"))
        radiograph.thumbnail((1000, 1000))  # cases show a quarter of it
        return radiograph
    if kind == "fundus photograph":
        return read_image(fetch("fundus"))
    return tissue_of(kind)


def image_of(kind: str, rng: np.random.Generator) -> Image.Image:
    """One changed 2D image of ``kind``: cropped, turned, brightened; of a volume, one of its slices."""
    return image_with_object(kind, rng)[0]


def image_with_object(kind: str, rng: np.random.Generator) -> tuple[Image.Image, Image.Image | None]:
    """The same, and where what `OBJECTS` names lies in it: a picture of one channel, white inside, or None."""
    if kind in ("head CT", "brain MRI"):
        values = (head_ct() if kind == "head CT" else brain_mri())[0]
        ends = (float(values.min()), float(values.max()))
        k = int(rng.integers(len(values) // 6, len(values) - len(values) // 8))
        gamma = (1, 1) if kind == "head CT" else (1, RECIPES["mri"].gamma[1])
        plane = Pose.draw(values.shape[1:], rng, gamma).apply(values, ends[0], ends, [k])
        return Image.fromarray(colours_of(kind, plane)[0]), None
    if kind not in OBJECTS:
        return _changed(kind, [_source(kind)], rng)[0], None
    image, where = _changed(kind, [_source(kind), _outline(kind)], rng)
    return image, where


def chest_with(effusion: Effusion | None, rng: np.random.Generator) -> tuple[Image.Image, dict[str, Image.Image]]:
    """A changed chest radiograph with an effusion or without, and where it and the heart lie, white inside."""
    kind, source = "chest radiograph", _source("chest radiograph")
    if effusion is None:
        image, heart = _changed(kind, [source, _outline(kind)], rng)
        return image, {"heart": heart}
    layers = [effusion.put_into(source), _outline(kind), effusion.mask(source.size)]
    image, heart, fluid = _changed(kind, layers, rng)
    return image, {"heart": heart, EFFUSION: fluid}


def _outline(kind: str) -> Image.Image:
    """The box of what `OBJECTS` names in the bundled picture, white inside."""
    size = _source(kind).size
    where = Image.new("L", size)
    y0, x0, y1, x1 = OBJECTS[kind][1]
    where.paste(255, tuple(round(v * s) for v, s in zip((x0, y0, x1, y1), size * 2, strict=True)))
    return where


def _changed(kind: str, layers: list[Image.Image], rng: np.random.Generator) -> list[Image.Image]:
    """Pictures of one size cropped and turned alike, 224 pixels wide; the first is brightened as well."""
    tissue = kind in ("H&E histology", "immunohistochemistry")
    side = rng.uniform(0.3, 0.45) if kind == "H&E histology" else rng.uniform(0.6 if tissue else 0.8, 1)
    width, height = (round(s * side) for s in layers[0].size)
    if tissue:
        width = height = min(width, height)
    left, top = rng.integers(layers[0].width - width + 1), rng.integers(layers[0].height - height + 1)
    angle = 90 * int(rng.integers(4)) if tissue else float(rng.uniform(-8, 8))
    image, *others = (
        layer.crop((left, top, left + width, top + height))
        .resize((224, round(224 * height / width)))
        .rotate(angle)
        for layer in layers
    )
    image = ImageEnhance.Brightness(image).enhance(float(rng.uniform(0.85, 1.15)))
    return [ImageEnhance.Contrast(image).enhance(float(rng.uniform(0.85, 1.15))), *others]


def picture_with_box(
    kind: str, condition: str | None, rng: np.random.Generator
) -> tuple[Image.Image, str, list[float]]:
    """A picture of ``kind``, what is in it, and its box: y0, x0, y1, x1 of 1, on the picture padded to a square.

    With a ``condition`` it is the middle slice of such a finding, else what `OBJECTS` names.
    """
    while True:
        if condition is None:
            picture, where = image_with_object(kind, rng)
            target, inside = OBJECTS[kind][0], where
        elif condition == EFFUSION:
            side, state = ("left", "right")[rng.integers(2)], STATES[rng.integers(1, 3)]
            picture, where = chest_with(Effusion.draw(side, state, rng), rng)
            target, inside = EFFUSION, where[EFFUSION]
        else:
            recipe = RECIPES["ct" if kind == "head CT" else "mri"]
            original, spacing = recipe.anatomy()
            finding = Finding.draw(condition, spacing, rng)
            values, ends = (
                original[finding.box[0]].astype(np.float32),
                (float(original.min()), float(original.max())),
            )
            slab = dataclasses.replace(finding, box=(slice(0, len(values)), *finding.box[1:]))
            slab.put_into(values)
            pose, k = Pose.draw(values.shape[1:], rng, recipe.gamma), finding.centre[0] - finding.box[0].start
            picture = Image.fromarray(colours_of(kind, pose.apply(values, recipe.fill, ends, [k]))[0])
            target, inside = condition, Image.fromarray(pose.mask(slab, values.shape, [k])[0])
        box = pad_to_square(inside.convert("RGB")).getbbox()
        if box is not None:  # turned out of the picture otherwise
            side = max(picture.size)
            return picture, target, [box[k] / side for k in (1, 0, 3, 2)]


def colours_of(kind: str, planes: np.ndarray) -> np.ndarray:
    """Planes of a head CT or brain MRI as the prompt shows them: uint8 RGB (n, y, x, 3)."""
    if kind == "head CT":
        return np.stack([apply_window(planes, *window) for window in CT_WINDOWS.values()], axis=-1)
    values = brain_mri()[0]
    return np.repeat(apply_window(planes, float(values.min()), float(values.max()))[..., None], 3, axis=-1)
