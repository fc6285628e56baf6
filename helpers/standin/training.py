"""Teach the stand-in: first to see (`helpers.standin.sight`), then to answer, in the stages `STAGES`.

After the first stage the tower is frozen and its image tokens are made once (`helpers.standin.bank`). From these
tokens, the language model learns to answer questions in the words of the protocol (`helpers.standin.lessons`) and
in other words (`helpers.standin.worded`, `helpers.standin.words`). The loss is only on answers. From the stage
`PRACTICE` on, most questions are put together from parts (`helpers.teaching.phrases`), so that the model learns
which words decide. `SETTLE` runs twice. From the mean of both ends, `DENY` teaches to tell plain questions from
negated ones. It runs twice as well. The mean of its ends answers best, but mixes up the left and the right end of
boxes, so `POINT` goes on from there with many boxes. `LOOK_UP` teaches to find the letter of an option, with
guided attention (`helpers.standin.lookups`), and `LAST` goes through everything once more.
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from helpers import teaching
from helpers.prompts import slide_messages, volume_messages
from helpers.standin.bank import Bank, make_bank
from helpers.standin.curve import Curve, optimizer_of, update
from helpers.standin.hints import DEPTHS, Hints
from helpers.standin.lessons import DOT, Lesson, collate, draw_lessons, forward
from helpers.standin.lookups import Guide
from helpers.standin.model import build
from helpers.standin.sight import KINDS, aurocs, learn_to_see
from helpers.standin.worded import PROCEDURES, Mix, draw_worded
from helpers.standin.words import both_ways_lesson, letters_lesson, words_lesson
from helpers.teaching import RECIPES, STATES

SEE_STEPS = 15_000
RARE = 8  # a word that occurs this often gets tokens of its own
MOST_WORDED = 0.85  # share of the last steps with other words than the protocol's
HINTED = 1.0  # weight of the hints' loss
GUIDED = 0.5  # weight of the guide's loss
# Kinds of volumes whose words get tokens of their own. Words that are taught later are spelled letter by letter,
# like a user's own conditions.
WORDS_OF = ("ct", "mri")
# Words that begin as a denial does, and deny nothing. In pieces ("not", "ic", "e") they would be read as one.
WHOLE = ("notice", "noticed", "noticeable", "notable", "note", "noted", "notes")


@dataclass(frozen=True)
class Stage:
    """A stage of learning to answer."""

    name: str
    steps: int
    rate: float  # the highest learning rate
    shares: dict[str, float]  # the share of the steps for each kind of lesson
    stream: int  # of random numbers
    mix: Mix
    begins: tuple[str, ...] = ()  # stages from the mean of whose ends it begins; by default where the last ended


ANSWER = Stage(
    "answer",
    7000,
    2e-3,
    {"ct": 0.18, "mri": 0.18, "image": 0.19, "box": 0.08, "change": 0.06, "slide": 0.05, "words": 0.26},
    stream=14,
    mix=Mix(),
)
PRACTICE = Stage(
    "practice",
    2000,
    1e-3,
    {"ct": 0.22, "mri": 0.13, "image": 0.2, "box": 0.12, "change": 0.1, "slide": 0.03, "words": 0.2},
    stream=16,
    mix=Mix(composed=0.6),
)
SETTLE = Stage(
    "settle",
    2000,
    7e-4,
    {"ct": 0.24, "mri": 0.18, "image": 0.22, "box": 0.08, "change": 0.08, "slide": 0.05, "words": 0.15},
    stream=18,
    mix=Mix(composed=0.6, untouched=0.4),
    begins=("answer", "practice"),
)
DENY = Stage(
    "deny",
    2000,
    5e-4,
    {
        **{"ct": 0.27, "mri": 0.12, "image": 0.18, "box": 0.1, "change": 0.06, "slide": 0.05, "words": 0.1},
        "both ways": 0.12,
    },
    stream=20,
    mix=Mix(composed=0.7, untouched=0.4, paired=0.5),
    begins=("settle", "settle again"),
)
POINT = replace(
    DENY,
    name="point",
    steps=700,
    rate=8e-4,
    shares={
        **{"ct": 0.17, "mri": 0.09, "image": 0.17, "box": 0.38, "change": 0.05, "slide": 0.07, "words": 0.02},
        "both ways": 0.05,
    },
    stream=22,
    begins=("deny", "deny again"),
)
LOOK_UP = Stage("look up", 600, 1e-3, {"letters": 1.0}, stream=24, mix=Mix())
LAST = replace(
    DENY,
    name="last",
    steps=1300,
    rate=7e-4,
    shares={
        **{"ct": 0.22, "mri": 0.07, "image": 0.13, "box": 0.38, "change": 0.05, "slide": 0.05, "words": 0.04},
        **{"both ways": 0.04, "letters": 0.02},
    },
    mix=replace(DENY.mix, by_letter=0.3),
    stream=26,
    begins=(),
)
STAGES = (
    *(ANSWER, PRACTICE, SETTLE, replace(SETTLE, name="settle again", stream=19)),
    *(DENY, replace(DENY, name="deny again", stream=21)),
    *(POINT, LOOK_UP, LAST),
)


def train(output: Path, seed: int = 0, scale: float = 1.0) -> None:
    """Train from nothing and put the finished folder at ``output``; the learning curve goes beside the weights.

    ``scale`` multiplies the number of steps. An interrupted run continues from its last checkpoint, which lies in
    a hidden folder beside ``output`` until everything is finished. Delete that folder to start from the beginning.
    """
    work = output.with_name(f".{output.name}.seed-{seed}-steps-{scale:g}.partial")
    work.mkdir(parents=True, exist_ok=True)
    model, processor = build(texts(), seed)
    curve = Curve(work / "training.jsonl")
    learn_to_see(model, processor, steps=round(SEE_STEPS * scale), seed=seed, curve=curve)
    bank = functools.cache(functools.partial(make_bank, model, processor, seed))  # a resumed run may not need it
    for stage in STAGES:
        learn_to_answer(model, processor, bank, stage, steps=round(stage.steps * scale), seed=seed, curve=curve)
    model.half().save_pretrained(work)
    processor.save_pretrained(work)
    for checkpoint in work.glob("*.checkpoint"):
        checkpoint.unlink()
    for file in work.iterdir():
        file.chmod(0o644)
    replaced = output.with_name(f".{output.name}.old.partial")
    if output.is_dir():
        if (output / "README.md").is_file():
            shutil.copy(output / "README.md", work)
        output.rename(replaced)
    work.rename(output)
    shutil.rmtree(replaced, ignore_errors=True)


def texts() -> list[str]:
    """Words for the vocabulary: thousands of questions and answers of every kind, without the held-out words.

    Rare words, most of which are typing errors, are left out and will be spelled letter by letter.
    """
    rng = np.random.default_rng(0)
    out: list[str] = []
    numbers = list(range(0, 1001, teaching.BOX_STEP))
    for k in range(300):
        box = [numbers[(k + part) % len(numbers)] / 1000 for part in (0, 13, 26, 39)]
        prior, current, kind = STATES[k % 3], STATES[k // 3 % 3], KINDS[k % len(KINDS)]
        stain, torn = teaching.STAINS[k % 2], bool(k // 2 % 2)
        questions = [teaching.box_question("heart", box), teaching.text_question(rng)]
        questions += [teaching.change_question(prior, current), teaching.worded_change(prior, current, rng)]
        for name in WORDS_OF:
            recipe = RECIPES[name]
            for condition in recipe.conditions:
                questions.append(teaching.finding_question(recipe.modality, condition, bool(k % 2), rng))
                questions.append(teaching.worded_finding(recipe.modality, condition, bool(k % 2), rng))
            questions.append(teaching.declined_question(name, recipe.modality, rng))
        questions += [teaching.image_question(kind, form, rng) for form in teaching.IMAGE_FORMS]
        questions += [teaching.worded_image(kind, rng), teaching.worded_slide(stain, torn, rng)]
        questions += [teaching.worded_definition(rng), teaching.worded_box("optic disc", box, rng)]
        questions += [teaching.worded_other(kind, rng) for _ in range(4)]
        out += [text for question in questions for text in (question.text, question.answer)]
        out.append(teaching.slide_sentence(stain, torn))
    for messages in (*(slide_messages([DOT], words) for words in PROCEDURES), volume_messages([DOT], "?")):
        out += RARE * [part["text"] for part in messages[0]["content"] if part["type"] == "text"]
    out += RARE * [f"is {word}" for word in WHOLE]
    counted = Counter(word for text in out for word in text.split(" "))
    common = [" ".join(word for word in text.split(" ") if counted[word] >= RARE) for text in out]
    return [*common, *(f"SLICE {k}" for k in range(1, 127) for _ in range(2))]


def spoken_by(model: Any) -> list[Any]:
    """The parameters of the language model."""
    return [p for n, p in model.named_parameters() if "vision_tower" not in n and "projector" not in n]


def learn_to_answer(
    model: Any, processor: Any, bank: Callable[[], Bank], stage: Stage, steps: int, seed: int, curve: Curve
) -> None:
    """Train the language model with frozen tower and projector. ``curve`` gets the share of exact answers."""
    torch.manual_seed(seed)
    hints = Hints(model.config.text_config.hidden_size)
    spoken = spoken_by(model)
    parameters = [*spoken, *hints.parameters()]
    optimizer, schedule = optimizer_of(parameters, stage.rate, steps)
    if stage.begins:
        curve.average(stage.begins, spoken)
    done = curve.resume(stage.name, parameters, optimizer, schedule)
    if done == steps:
        return
    taught, guide = bank(), Guide(model)
    model.train()
    halves = bool(torch.cpu.get_capabilities().get("avx512_bf16"))  # if this is faster (by a quarter)
    exact: dict[str, float] = {}
    known: dict[str, list[Any]] = {}
    bar = tqdm(range(done, steps), initial=done, total=steps, desc=f"learning to answer: {stage.name}")
    for step in bar:
        rng = np.random.default_rng([stage.stream, seed, step])
        kind = list(stage.shares)[rng.choice(len(stage.shares), p=list(stage.shares.values()))]
        lessons = _lessons(taught, kind, stage, step / steps, rng)
        batch = collate(lessons, model, processor)
        with torch.autocast("cpu", torch.bfloat16, enabled=halves):
            logits, wanted, question, layers = forward(model, batch, DEPTHS)
            answers = nn.functional.cross_entropy(logits.float(), wanted)
            loss = answers + GUIDED * guide.loss(batch)
            if batch.hints:
                hinted, told = hints(layers, batch.hints)
                loss = loss + HINTED * hinted
                known.setdefault(kind, []).append(told)
        update(loss, parameters, optimizer, schedule)
        wrong = question[logits.argmax(-1) != wanted].unique()
        share = 1 - len(wrong) / len(question.unique())
        exact[kind] = 0.95 * exact.get(kind, share) + 0.05 * share
        if step % 100 == 99:
            bar.set_postfix({k: f"{v:.2f}" for k, v in exact.items()})
            told = {
                k: v
                for kind in RECIPES
                if kind in known
                for k, v in aurocs(*zip(*known[kind], strict=True)).items()
            }
            entry = {"loss": round(float(answers.detach()), 4), "exact": _rounded(exact), "auroc": told}
            curve.add(stage=stage.name, step=step + 1, **entry)
            known.clear()
        curve.keep(stage.name, step + 1, steps, parameters, optimizer, schedule)
    guide.close()
    model.eval()


def _lessons(taught: Bank, kind: str, stage: Stage, progress: float, rng: np.random.Generator) -> list[Lesson]:
    """A step's lessons: first in the words of the protocol, then ever more in any words.

    A finding in a volume is harder to learn than the kind of a single image. So for volumes, other words come
    later. In the practice, the other words come from the start.
    """
    if kind == "both ways":
        return [both_ways_lesson(rng, 20) for _ in range(2)]
    if kind == "letters":
        return [letters_lesson(rng, 3) for _ in range(8)]  # short rows, as each token sees the whole row
    if kind == "words":
        return [words_lesson(rng, 8, stage.mix.composed) for _ in range(2)]
    progress = 1.0 if stage.mix.composed else progress
    start, end = (0.2, 0.5) if kind in taught.volumes else (-0.4, 0.4)
    worded = MOST_WORDED * min(max((progress - start) / (end - start), 0), 1)
    if rng.random() < worded:
        return draw_worded(taught, kind, rng, stage.mix)
    return draw_lessons(taught, kind, progress, rng)


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 3) for name, share in shares.items()}
