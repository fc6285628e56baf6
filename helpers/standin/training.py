"""Teach the stand-in in three stages: to see (`helpers.standin.sight`), to answer, and to answer in other words.

After the first stage the tower is frozen and its image tokens are made once (`helpers.standin.bank`); the language
model learns to answer the teaching questions from them (`helpers.standin.lessons`), the loss on answers alone.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
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
from helpers.standin.lessons import DOT, TYPES, collate, draw_lessons, forward
from helpers.standin.model import build
from helpers.standin.sight import KINDS, aurocs, learn_to_see
from helpers.teaching import RECIPES, STATES

SEE_STEPS = 3000
HINTED = 1.0  # weight of the hints' loss
# Volumes whose words get tokens of their own; what is taught later is spelled, as a user's own conditions are.
WORDS_OF = ("ct", "mri", "ct-hypoxia")


@dataclass(frozen=True)
class Stage:
    """One stage of learning to answer."""

    name: str
    steps: int
    rate: float  # the highest
    stream: int  # of random numbers
    widely: bool  # see `draw_lessons`


ANSWER = Stage("answer", 4500, 2e-3, 14, widely=False)
# After the protocol's words alone any others would be answered at random.
REFINE = Stage("refine", 1200, 7e-4, 15, widely=True)
# What share of the steps is about what.
SHARES = {"ct": 0.4, "mri": 0.22, "image": 0.12, "box": 0.08, "change": 0.08, "slide": 0.05, "words": 0.05}


def train(output: Path, seed: int = 0, scale: float = 1.0) -> None:
    """Train from nothing and put the finished folder at ``output``; the learning curve goes beside the weights.

    ``scale`` multiplies the number of steps. An interrupted run goes on from its last checkpoint, which lies in a
    hidden folder beside ``output`` until everything is finished; delete that folder to start anew.
    """
    work = output.with_name(f".{output.name}.seed-{seed}-steps-{scale:g}.partial")
    work.mkdir(parents=True, exist_ok=True)
    model, processor = build(texts(), seed)
    curve = Curve(work / "training.jsonl")
    learn_to_see(model, processor, steps=round(SEE_STEPS * scale), seed=seed, curve=curve)
    bank = functools.cache(functools.partial(make_bank, model, processor, seed))  # a resumed run may not need it
    for stage in (ANSWER, REFINE):
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
    """Words for the vocabulary: a few hundred questions and answers of every kind."""
    rng = np.random.default_rng(0)
    out = [f"SLICE {k}" for k in range(1, 127)] * 2
    numbers = list(range(0, 1001, teaching.BOX_STEP))
    for k in range(300):
        box = [numbers[(k + part) % len(numbers)] for part in (0, 13, 26, 39)]
        questions = [teaching.box_question("heart", [v / 1000 for v in box]), teaching.text_question(rng)]
        questions.append(teaching.change_question(STATES[k % 3], STATES[k // 3 % 3]))
        for kind in WORDS_OF:
            recipe = RECIPES[kind]
            for condition in recipe.conditions:
                questions.append(teaching.finding_question(recipe.modality, condition, bool(k % 2), rng))
            if kind in teaching.DECLINED:
                questions.append(teaching.declined_question(kind, recipe.modality, rng))
        questions += [teaching.image_question(KINDS[k % len(KINDS)], form, rng) for form in teaching.IMAGE_FORMS]
        out += [text for question in questions for text in (question.text, question.answer)]
        out.append(teaching.slide_sentence(KINDS[k % len(KINDS)], bool(k % 2)))
    for messages in (*(slide_messages([DOT], words) for words in TYPES), volume_messages([DOT], "?")):
        out += [part["text"] for part in messages[0]["content"] if part["type"] == "text"]
    return out


def learn_to_answer(
    model: Any, processor: Any, bank: Callable[[], Bank], stage: Stage, steps: int, seed: int, curve: Curve
) -> None:
    """Train the language model, vision tower and projector frozen; ``curve`` gets the share of exact answers."""
    torch.manual_seed(seed)
    hints = Hints(model.config.text_config.hidden_size)
    spoken = [p for n, p in model.named_parameters() if "vision_tower" not in n and "projector" not in n]
    parameters = [*spoken, *hints.parameters()]
    optimizer, schedule = optimizer_of(parameters, stage.rate, steps)
    done = curve.resume(stage.name, parameters, optimizer, schedule)
    if done == steps:
        return
    taught = bank()
    model.train()
    exact: dict[str, float] = {}
    known: dict[str, list[Any]] = {}
    bar = tqdm(range(done, steps), initial=done, total=steps, desc=f"learning to {stage.name}")
    for step in bar:
        rng = np.random.default_rng([stage.stream, seed, step])
        lessons = draw_lessons(taught, 1.0 if stage.widely else step / steps, SHARES, rng, stage.widely)
        batch = collate(lessons, model, processor)
        logits, wanted, question, layers = forward(model, batch, DEPTHS)
        loss = answers = nn.functional.cross_entropy(logits, wanted)
        kind = lessons[0].name
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
    model.eval()


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 3) for name, share in shares.items()}
