"""Teach the stand-in in two stages: first to see, then to answer.

1. The vision tower learns, with a throw-away classifier, what an image shows and in which of its 4 x 4 cells a
   finding lies. 2. The tower is frozen and its image tokens are computed once; the language model learns to answer
   the teaching cases of `helpers.cases` from them, with the loss on the answer alone.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm.auto import tqdm
from transformers import get_cosine_schedule_with_warmup
from transformers.modeling_outputs import BaseModelOutputWithPooling

from helpers import cases
from helpers import teaching_volumes as anatomy
from helpers.files import whole_file
from helpers.models import ChatModel
from helpers.prompts import (
    image_messages,
    pad_to_square,
    prompt_ids,
    slide_messages,
    volume_messages,
)
from helpers.standin import IMAGE_SIDE, build
from helpers.vision import encode_images, pixel_batches
from helpers.volumes import select_slices

DOT = Image.new("RGB", (1, 1))  # stands where an image goes while only the words matter
KINDS = list(cases.IMAGE_KINDS)
CHECKPOINT_EVERY = 200  # steps
MINIMUM = 15  # pixels of a patch or cell that have to be a finding's for it to count


def train(output: Path, seed: int = 0, scale: float = 1.0) -> None:
    """Train from nothing and put the finished folder at ``output``; the learning curve goes beside the weights.

    ``scale`` multiplies the number of steps. An interrupted run goes on from its last checkpoint, which lies in a
    hidden folder beside ``output`` until everything is finished; delete that folder to start anew.
    """
    work = output.with_name(f".{output.name}.seed-{seed}-steps-{scale:g}.partial")
    work.mkdir(parents=True, exist_ok=True)
    model, processor = build(_texts(), seed)
    curve = Curve(work / "training.jsonl")
    learn_to_see(model, processor, steps=round(2000 * scale), seed=seed, curve=curve)
    bank = make_bank(model, processor, seed)
    learn_to_answer(model, processor, bank, steps=round(1200 * scale), seed=seed, curve=curve)
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


@dataclass
class Curve:
    """The learning curve, one JSON line every so many steps, with a checkpoint of each stage beside it."""

    path: Path

    def add(self, **values: Any) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")

    def keep(self, stage: str, step: int, parameters: list[Any], optimizer: Any, schedule: Any) -> None:
        """Write the checkpoint of a stage after ``step`` steps."""
        state = {
            "step": step,
            "parameters": [p.detach() for p in parameters],
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        }
        with whole_file(self.path.with_name(f"{stage}.checkpoint")) as partial:
            torch.save(state, partial)

    def resume(self, stage: str, parameters: list[Any], optimizer: Any, schedule: Any) -> int:
        """Put everything back to the checkpoint of a stage and say how many steps it had made (0: none)."""
        path = self.path.with_name(f"{stage}.checkpoint")
        if not path.is_file():
            return 0
        state = torch.load(path, weights_only=True)
        for parameter, kept in zip(parameters, state["parameters"], strict=True):
            parameter.data.copy_(kept)
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.is_file() else []
        entries = [(line, json.loads(line)) for line in lines]
        kept_lines = [line for line, e in entries if e["stage"] != stage or e["step"] <= state["step"]]
        self.path.write_text("".join(kept_lines), encoding="utf-8")
        tqdm.write(f"{stage}: going on after step {state['step']} ({path})")
        return state["step"]


def _texts() -> list[str]:
    """Words for the vocabulary: a few hundred questions and answers of every kind."""
    rng = np.random.default_rng(0)
    texts = [f"SLICE {k}" for k in range(1, 127)] * 2 + [cases.slide_sentence(k) for k in KINDS]
    for k in range(300):
        texts += cases.ct_question(bool(k % 2), rng) + cases.mri_question(bool(k % 2), rng)
        texts += cases.image_question(KINDS[k % len(KINDS)], rng)
        example = cases.text_case(k)
        texts += [example.messages[-1]["content"][0]["text"], example.answer]
    for messages in (slide_messages([DOT]), volume_messages([DOT], "?")):
        texts += [part["text"] for part in messages[0]["content"] if part["type"] == "text"]
    return texts


# Stage 1: see


def learn_to_see(model: Any, processor: Any, steps: int, seed: int, curve: Curve, batch: int = 64) -> None:
    """Train tower and projector to tell the kind of an image and the cells of a finding."""
    tokens_to = nn.Linear(model.config.text_config.hidden_size, len(KINDS) + 2)  # kind; blood density; low signal
    patches_to = nn.Linear(model.config.vision_config.hidden_size, 2)
    sight = [p for n, p in model.named_parameters() if "vision_tower" in n or "multi_modal_projector" in n]
    parameters = [*sight, *tokens_to.parameters(), *patches_to.parameters()]
    optimizer, schedule = _optimizer(parameters, 2e-3, steps)
    done = curve.resume("see", parameters, optimizer, schedule)
    pool = _pool(processor, np.random.default_rng([10, seed])) if done < steps else {}
    model.train()
    for step in tqdm(range(done, steps), initial=done, total=steps, desc="learning to see"):
        rng = np.random.default_rng([13, seed, step])  # of the step alone, so that a resumed run is the same run
        chosen = torch.from_numpy(rng.integers(len(pool["pixels"]), size=batch))
        pixels, kind, area = (pool[key][chosen] for key in ("pixels", "kind", "area"))
        if rng.random() < 0.5:
            pixels, area = pixels.flip(3), area.flip(2)
        pixels = (pixels.float() / 127.5 - 1) * float(rng.uniform(0.95, 1.05)) + float(rng.uniform(-0.03, 0.03))
        pixels = pixels + 0.03 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(step))
        seen = model.get_image_features(pixel_values=pixels, return_dict=True)
        out = tokens_to(seen.pooler_output)
        cells = area.reshape(batch, 4, 2, 4, 2, 2).sum((2, 4)).reshape(batch, 16, 2)
        loss = nn.functional.cross_entropy(out[..., :-2].mean(1), kind) + 3 * _finding_loss(out[..., -2:], cells)
        # The single patches teach faster than the pooled tokens: few pixels of a cell are the finding's.
        loss = loss + 10 * _finding_loss(patches_to(seen.last_hidden_state), area.reshape(batch, 64, 2))
        _step(loss, parameters, optimizer, schedule)
        if step % 50 == 49:
            right = (out[..., :-2].mean(1).argmax(-1) == kind).float().mean()
            found = (out[..., -2:].amax((1, 2)) > 0) == (cells.amax((1, 2)) >= MINIMUM)
            curve.add(stage="see", step=step + 1, kind=float(right), finding=float(found.float().mean()))
        if step % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 or step == steps - 1:
            curve.keep("see", step + 1, parameters, optimizer, schedule)
    model.eval()


def _finding_loss(logits: torch.Tensor, area: torch.Tensor) -> torch.Tensor:
    known = (area == 0) | (area >= MINIMUM)  # a patch just grazed teaches nothing
    return nn.functional.binary_cross_entropy_with_logits(logits[known], (area[known] >= MINIMUM).float())


def _pool(
    processor: Any, rng: np.random.Generator, findings: int = 700, healthy: int = 12, plain: int = 300
) -> dict[str, torch.Tensor]:
    """Pixels uint8 (n, 3, 112, 112), kind (n), and how much of each patch is a finding: pixels (n, 8, 8, 2)."""
    pixels, kinds, areas = [], [], []

    def add(pictures: list[Any], name: str, masks: list[np.ndarray] | None = None, column: int = 0) -> None:
        batches = pixel_batches([pad_to_square(p) for p in pictures], processor.image_processor)
        pixels.extend(((p + 1) * 127.5).round().to(torch.uint8) for p in batches)
        kinds.extend([KINDS.index(name)] * len(pictures))
        area = torch.zeros(len(pictures), 8, 8, 2)
        for k, mask in enumerate(masks or []):
            square = pad_to_square(mask.astype(np.uint8) * 255).resize((IMAGE_SIDE, IMAGE_SIDE))
            inside = torch.from_numpy(np.asarray(square)[..., 0] > 127)
            area[k, ..., column] = inside.reshape(8, 14, 8, 14).sum((1, 3)).float()
        areas.append(area)

    for name, column in (("head CT", 0), ("brain MRI", 1)):
        for _ in tqdm(range(findings), desc=f"findings in {name}", leave=False):
            before, after = _finding_slab(name, rng)
            add(list(before), name)
            mask = np.abs(after.astype(np.int16) - before).max(-1) > 12
            add(list(after), name, list(mask), column)
        # Every slice of some healthy volumes: no finding lies at the skull base or the vertex, and a tower that
        # never saw these slices as healthy takes them for blood.
        values = (anatomy.head_ct() if name == "head CT" else anatomy.brain_mri())[0]
        colours, fill = _look(name)
        for _ in tqdm(range(healthy), desc=f"healthy {name}", leave=False):
            add(list(colours(anatomy.turn(values, rng, fill))), name)
    for name in tqdm(KINDS, desc="images", leave=False):
        add([cases.image_of(name, rng) for _ in range(plain)], name)
    return {"pixels": torch.cat(pixels), "kind": torch.tensor(kinds), "area": torch.cat(areas)}


def _finding_slab(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same few slices without and with a finding, alike turned: uint8 RGB (3, y, x, 3) each."""
    values, changed, finding = _with_finding(name, rng)
    picked = rng.choice(finding.slices, size=3)
    state = int(rng.integers(2**31))
    colours, fill = _look(name)
    return tuple(colours(anatomy.turn(v[picked], np.random.default_rng(state), fill)) for v in (values, changed))


def _with_finding(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, anatomy.Finding]:
    ct = name == "head CT"
    values, spacing = anatomy.head_ct() if ct else anatomy.brain_mri()
    where = anatomy.brain_of_ct() if ct else anatomy.brain_of_mri()
    value = rng.uniform(65, 85) if ct else rng.uniform(60, 110)
    changed, finding, _ = anatomy.add_finding(values, where, spacing, rng, value=value)
    return values, changed, finding


def _look(name: str) -> tuple[Any, float]:
    if name == "head CT":
        return cases.ct_colours, -1000
    top = float(anatomy.brain_mri()[0].max())
    return lambda v: np.repeat(cases.apply_window(v, 0, max(top, 1))[..., None], 3, axis=-1), 0


# Stage 2: answer


@dataclass
class TurnedVolume:
    """Image tokens of a whole turned volume, and of the slices that each of its findings changes."""

    tokens: torch.Tensor  # (slices, 16, 192)
    findings: list[dict[int, torch.Tensor]]  # slice -> (16, 192)


def make_bank(model: Any, processor: Any, seed: int, volumes: int = 20, findings: int = 8) -> dict[str, list[Any]]:
    """Image tokens by the frozen tower: turned volumes with findings, and 2D images of every kind."""
    rng = np.random.default_rng([11, seed])

    def encode(pictures: list[Any]) -> torch.Tensor:
        padded = [pad_to_square(p) for p in pictures]
        return encode_images(model, processor.image_processor, padded, batch_size=64).half()

    bank: dict[str, list[Any]] = {}
    for name in ("head CT", "brain MRI"):
        bank[f"volumes of {name}"] = turned = []
        colours, fill = _look(name)
        values = (anatomy.head_ct() if name == "head CT" else anatomy.brain_mri())[0]
        for _ in tqdm(range(volumes), desc=f"encoding {name}"):
            state = int(rng.integers(2**31))
            whole = encode(list(colours(anatomy.turn(values, np.random.default_rng(state), fill))))
            turned.append(TurnedVolume(whole, []))
            for _ in range(findings):
                _, changed, finding = _with_finding(name, rng)
                # From the first slice on, as the whole volume, so that the noise of each slice is the same.
                low, high = finding.slices[0], finding.slices[-1] + 1
                slab = anatomy.turn(changed[:high], np.random.default_rng(state), fill)[low:]
                tokens = encode(list(colours(slab)))
                turned[-1].findings.append(dict(zip(range(low, high), tokens, strict=True)))
    for name in tqdm(KINDS, desc="encoding images"):
        bank[name] = list(encode([cases.image_of(name, rng) for _ in range(400)]))
    return bank


def learn_to_answer(
    model: Any, processor: Any, bank: dict[str, list[Any]], steps: int, seed: int, curve: Curve
) -> None:
    """Train the language model on questions about the banked images, the vision tower and projector frozen."""
    parameters = [p for n, p in model.named_parameters() if "vision_tower" not in n and "projector" not in n]
    optimizer, schedule = _optimizer(parameters, 2e-3, steps)
    chat = ChatModel("stand-in", model, processor, is_standin=True)
    done = curve.resume("answer", parameters, optimizer, schedule)
    model.train()
    running: dict[str, float] = {}
    bar = tqdm(range(done, steps), initial=done, total=steps, desc="learning to answer")
    for step in bar:
        kind, lesson = _lesson(bank, step / steps, np.random.default_rng([14, seed, step]))
        inputs, labels = _collate(chat, lesson)
        out = model(**inputs, labels=labels, use_cache=False)
        _step(out.loss, parameters, optimizer, schedule)
        hits = out.logits[:, :-1].argmax(-1) == labels[:, 1:]
        exact = float((hits | (labels[:, 1:] == -100)).all(1).float().mean())
        running[kind] = 0.97 * running.get(kind, exact) + 0.03 * exact
        if step % 50 == 49:
            bar.set_postfix({k: f"{v:.2f}" for k, v in running.items()})
            curve.add(
                stage="answer",
                step=step + 1,
                loss=float(out.loss.detach()),
                **{f"exact_{k}": v for k, v in running.items()},
            )
        if step % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 or step == steps - 1:
            curve.keep("answer", step + 1, parameters, optimizer, schedule)
    model.eval()


Lesson = list[tuple[list[dict[str, Any]], torch.Tensor, str]]  # messages, image tokens, answer of each example


def _lesson(bank: dict[str, list[Any]], progress: float, rng: np.random.Generator) -> tuple[str, Lesson]:
    """One step's batch, of one kind of case. ``progress`` runs from 0 to 1: short volumes come first."""
    kinds, weights = ("ct", "mri", "image", "slide", "text"), (0.31, 0.31, 0.26, 0.06, 0.06)
    kind = kinds[rng.choice(5, p=weights)]
    if kind in ("ct", "mri"):
        # A finding is first learned among few slices: among 85 it is one image token in several hundred.
        if progress < 0.4:
            n, size = int(rng.integers(2, 7)), 12
        elif progress < 0.7 or rng.random() < 0.5:
            n, size = int(rng.integers(6, 25)), 6
        else:
            n, size = int(rng.integers(20, 86)), 3
        return kind, [_volume_lesson(kind, bank, n, rng) for _ in range(size)]
    if kind == "image":
        return kind, [_image_lesson(bank, rng) for _ in range(24)]
    if kind == "slide":
        n = int(rng.integers(1, 16) if rng.random() < 0.9 else rng.integers(16, 127))
        return kind, [_slide_lesson(bank, n, rng) for _ in range(4 if n < 16 else 1)]
    texts = [cases.text_case(int(rng.integers(cases.HELD_OUT))) for _ in range(16)]
    return kind, [(t.messages, torch.empty(0, 16, 192), t.answer) for t in texts]


def _volume_lesson(kind: str, bank: dict[str, list[Any]], n: int, rng: np.random.Generator) -> Lesson:
    turned = bank["volumes of head CT" if kind == "ct" else "volumes of brain MRI"]
    volume = turned[rng.integers(len(turned))]
    finding = volume.findings[rng.integers(len(volume.findings))]
    # A stretch of the volume around the place of a finding, whether the finding is then shown there or not, so
    # that the place says nothing; a few slices lie as close together as 85 do.
    slices, middle = len(volume.tokens), sorted(finding)[len(finding) // 2]
    for _ in range(10):
        span = int(rng.integers(max(n, 5), (slices if n > 24 else min(slices, 5 * n)) + 1))
        first = int(rng.integers(max(0, middle - span + 1), min(middle, slices - span) + 1))
        chosen = [first + k for k in select_slices(span, n)]
        if len(set(finding) & set(chosen)) >= 2:
            break
    present = rng.random() < 0.5 and len(set(finding) & set(chosen)) >= 2
    seen = torch.stack([finding.get(k, volume.tokens[k]) if present else volume.tokens[k] for k in chosen])
    question, answer, _ = (cases.ct_question if kind == "ct" else cases.mri_question)(present, rng)
    return volume_messages([DOT] * n, question), seen, answer


def _image_lesson(bank: dict[str, list[Any]], rng: np.random.Generator) -> Lesson:
    kind = KINDS[rng.integers(len(KINDS))]
    question, answer, _ = cases.image_question(kind, rng)
    return image_messages([DOT], question), bank[kind][rng.integers(len(bank[kind]))][None], answer


def _slide_lesson(bank: dict[str, list[Any]], n: int, rng: np.random.Generator) -> Lesson:
    stain = ("H&E histology", "immunohistochemistry")[rng.integers(2)]
    tokens = torch.stack([bank[stain][k] for k in rng.integers(len(bank[stain]), size=n)])
    words = ("Tissue: not stated. Procedure: not stated.", "Tissue: colon. Procedure: biopsy.", "")[
        rng.integers(3)
    ]
    return slide_messages([DOT] * n, words), tokens, cases.slide_sentence(stain)


def _collate(chat: ChatModel, lesson: Lesson) -> tuple[dict[str, Any], torch.Tensor]:
    """Right-padded batch; labels are the answer, the end of the turn and the newline after it."""
    tokenizer = chat.processor.tokenizer
    rows, answers = [], []
    for messages, _, answer in lesson:
        answers.append(tokenizer(f"{answer}<end_of_turn>\n", add_special_tokens=False)["input_ids"])
        rows.append(prompt_ids(messages, chat.processor) + answers[-1])
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    labels = torch.full_like(ids, -100)
    for k, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        labels[k, len(row) - len(answer) : len(row)] = torch.tensor(answer)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    types = (ids == chat.model.config.image_token_id).long()
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    tokens = torch.cat([tokens for _, tokens, _ in lesson]).float()
    if len(tokens):
        inputs["mm_encoder_outputs"] = {"image": BaseModelOutputWithPooling(pooler_output=tokens)}
    return inputs, labels


def _optimizer(parameters: list[Any], rate: float, steps: int) -> tuple[Any, Any]:
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    return optimizer, get_cosine_schedule_with_warmup(optimizer, min(60, steps // 5), steps)


def _step(loss: torch.Tensor, parameters: list[Any], optimizer: Any, schedule: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()
