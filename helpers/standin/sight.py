"""Teach the stand-in to see: its vision tower and projector, with throw-away heads on top.

The heads say what kind of image it is, in which of its 4 x 4 cells what finding or object lies, and where its box
is. Every finding is shown beside the same slice without it, and healthy slices come from everywhere, so that
nothing but the finding tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn
from tqdm.auto import tqdm

from helpers import teaching
from helpers.models import pixel_batches
from helpers.prompts import pad_to_square
from helpers.standin.curve import Curve, optimizer_of, update
from helpers.standin.model import IMAGE_SIDE, PATCHES
from helpers.teaching import EFFUSION, RECIPES, STATES, VENTRICLES, Effusion, Finding, Pose, draw_findings

KINDS = list(teaching.IMAGE_KINDS)
VOLUMES = {"head CT": "ct", "brain MRI": "mri"}  # kind of image -> kind of volume
SEEN = [c for kind in VOLUMES.values() for c in RECIPES[kind].conditions] + [
    o for o, _ in teaching.OBJECTS.values()
]
SEEN.append(EFFUSION)
CHEST = "chest radiograph"
# Whether a thing may be in a kind of image, bool (kinds, things). Objects are in every image of their kind.
_MAY_BE = torch.tensor(
    [
        [
            (k in VOLUMES and thing in RECIPES[VOLUMES[k]].conditions) or (k, thing) == (CHEST, EFFUSION)
            for thing in SEEN
        ]
        for k in KINDS
    ]
)
MINIMUM = 12  # pixels of a patch or cell that have to be a finding's for it to count
PRESENT = 10.0  # weight of a patch or cell with something in it: few have
STRETCHED = 12  # pairs of ventricles of each brain
CELLS = 4  # a side; what the projector pools the patches to
# Of a head CT, a smaller pool is learned by heart: its findings differ least from what lies around them.
SETS = {"head CT": 3500, "brain MRI": 600}
HEALTHY = {"head CT": 32, "brain MRI": 16}


def learn_to_see(model: Any, processor: Any, steps: int, seed: int, curve: Curve, batch: int = 64) -> None:
    """Train tower and projector on a pool of pictures; ``curve`` gets the AUROC of each thing to see."""
    heads = _Heads(model)
    sight = [p for n, p in model.named_parameters() if "vision_tower" in n or "multi_modal_projector" in n]
    parameters = [*sight, *heads.parameters()]
    optimizer, schedule = optimizer_of(parameters, 2e-3, steps)
    done = curve.resume("see", parameters, optimizer, schedule)
    pool = make_pool(processor, np.random.default_rng([10, seed])) if done < steps else {}
    model.train()
    shares = _shares(pool["kind"]) if pool else np.ones(1)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    halves = bool(torch.cpu.get_capabilities().get("avx512_bf16"))  # if this is faster
    for step in tqdm(range(done, steps), initial=done, total=steps, desc="learning to see"):
        rng = np.random.default_rng([13, seed, step])  # it depends only on the step, so a resumed run is the same
        chosen = torch.from_numpy(rng.choice(len(shares), size=batch, p=shares))
        shown = {key: values[chosen] for key, values in pool.items()}
        pixels = (shown["pixels"].float() / 127.5 - 1) * float(rng.uniform(0.99, 1.01)) + float(
            rng.uniform(-0.01, 0.01)
        )
        pixels = pixels + 0.02 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(step))
        with torch.autocast("cpu", torch.bfloat16, enabled=halves):
            seen = model.get_image_features(pixel_values=pixels, return_dict=True)
        seen.pooler_output, seen.last_hidden_state = seen.pooler_output.float(), seen.last_hidden_state.float()
        loss, found, there = heads(seen, shown, pixels)
        update(loss, parameters, optimizer, schedule)
        kept.append((found.detach().numpy(), there.numpy()))
        if step % 50 == 49:
            curve.add(
                stage="see",
                step=step + 1,
                loss=round(float(loss.detach()), 4),
                auroc=aurocs(*zip(*kept, strict=True)),
            )
            kept.clear()
        curve.keep("see", step + 1, steps, parameters, optimizer, schedule)
    model.eval()


def _shares(kinds: torch.Tensor) -> np.ndarray:
    """How often each picture is drawn, in all 1: those of hard kinds more often, and those of many less often.

    Chests are few beside the slices of two volumes, and an effusion looks much like what lies below the lung.
    Three of four pictures of the pool are of the head CT, and half of those that are drawn.
    """
    weights = np.ones(len(KINDS))
    weights[KINDS.index(CHEST)], weights[KINDS.index("head CT")] = 3.0, 0.4
    drawn = weights[kinds.numpy()]
    return drawn / drawn.sum()


class _Heads(nn.Module):
    """The heads that ask about patches and image tokens while the tower learns."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        width, patch_width = model.config.text_config.hidden_size, model.config.vision_config.hidden_size
        n = len(SEEN)
        self.of_patches = nn.Linear(patch_width, n)
        self.of_tokens = nn.Linear(width, 2 * n + 4 * n + len(KINDS) + 12)
        nn.init.constant_(self.of_patches.bias, -3.0)
        nn.init.constant_(self.of_tokens.bias[: 2 * n], -3.0)

    def forward(
        self, seen: Any, shown: dict[str, torch.Tensor], pixels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss, the strongest logit of each thing in each image, and whether it is there: (images, things)."""
        n, images = len(SEEN), len(pixels)
        # The lengths of tokens must not matter, because the language model normalises them, and they would grow.
        tokens = nn.functional.rms_norm(seen.pooler_output, seen.pooler_output.shape[-1:])
        sizes = [n, n, 4 * n, len(KINDS), 12]
        presence, anywhere, boxes, kind, colours = self.of_tokens(tokens).split(sizes, dim=-1)
        area = shown["area"].float()  # (images, patches a side, patches a side, things)
        k = PATCHES // CELLS
        cells = area.reshape(images, CELLS, k, CELLS, k, n).sum((2, 4)).reshape(images, -1, n)
        patches = self.of_patches(seen.last_hidden_state)
        loss = _presence_loss(presence, cells) + _presence_loss(patches, area.reshape(images, -1, n))
        loss = loss + nn.functional.cross_entropy(kind.mean(1), shown["kind"])
        there = cells >= MINIMUM
        # Every token must tell about its whole image, because a single one of a volume's 1,360 tokens is hard to
        # learn from.
        whole = torch.where(there.any(1, keepdim=True), MINIMUM, cells.sum(1, keepdim=True).clamp(max=1))
        loss = loss + _presence_loss(anywhere, whole.expand_as(anywhere))
        wanted = shown["box"].float()[:, None].expand(-1, CELLS * CELLS, -1, -1)[there]
        if len(wanted):
            loss = loss + 5 * (boxes.reshape(images, -1, n, 4)[there] - wanted).abs().mean()
        # Tokens also keep the colours of the quarters of their cell, for questions that no head asks.
        quarters = nn.functional.avg_pool2d(pixels, IMAGE_SIDE // (2 * CELLS))
        quarters = (
            quarters.reshape(images, 3, CELLS, 2, CELLS, 2).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        )
        loss = loss + (colours - quarters).abs().mean()
        # 1: there, 0: not, -1: too little of it to tell, or not of this kind of image
        looked = _MAY_BE[shown["kind"]] & (there.any(1) | (cells == 0).all(1))
        return loss, anywhere.mean(1), torch.where(looked, there.any(1).int(), -1)


def _presence_loss(logits: torch.Tensor, area: torch.Tensor) -> torch.Tensor:
    known = (area == 0) | (area >= MINIMUM)  # a patch with only a few pixels of it teaches nothing
    there = (area >= MINIMUM).float()
    each = nn.functional.binary_cross_entropy_with_logits(
        logits, there, weight=known.float(), pos_weight=torch.tensor(PRESENT), reduction="none"
    )
    # Each thing has its own mean, because a heart covers forty patches and a lesion three.
    return (each.sum((0, 1)) / (PRESENT * there.sum((0, 1)) + len(area))).sum()


def aurocs(*kept: Sequence[np.ndarray]) -> dict[str, float]:
    """For each thing of `SEEN`, from logits and truths (n, things): a truth is 1, 0, or negative if it is not
    stated.
    """
    found, there = (np.concatenate(part) for part in kept)
    known = there >= 0
    return {
        name: round(float(roc_auc_score(there[known[:, k], k], found[known[:, k], k])), 3)
        for k, name in enumerate(SEEN)
        if len(np.unique(there[known[:, k], k])) == 2
    }


def make_pool(
    processor: Any,
    rng: np.random.Generator,
    sets: Mapping[str, int] = SETS,
    healthy: Mapping[str, int] = HEALTHY,
    plain: int = 700,
) -> dict[str, torch.Tensor]:
    """Pictures of every kind and what is in them.

    ``sets`` and ``healthy`` give for each kind of volume how often findings are drawn into it, and how often all
    of its slices are shown without any. ``plain`` single images of each kind are drawn.

    Returns ``pixels`` uint8 (n, 3, side, side), ``kind`` (n), ``area`` uint8 (n, patches, patches, things): how
    many pixels of each patch a thing covers, and ``box`` float16 (n, things, 4): y0, x0, y1, x1 of 1.
    """
    pixels, kinds, areas, boxes = [], [], [], []

    def add(pictures: list[Any], name: str, masks: list[dict[str, np.ndarray]]) -> None:
        for batch in pixel_batches([pad_to_square(p) for p in pictures], processor.image_processor):
            pixels.append(((batch + 1) * 127.5).round().to(torch.uint8))
        kinds.extend([KINDS.index(name)] * len(pictures))
        area = np.zeros((len(pictures), PATCHES, PATCHES, len(SEEN)), np.uint8)
        box = np.zeros((len(pictures), len(SEEN), 4), np.float16)
        for k, things in enumerate(masks):
            for thing, mask in things.items():
                area[k, ..., SEEN.index(thing)], box[k, SEEN.index(thing)] = _measure(mask)
        areas.append(torch.from_numpy(area))
        boxes.append(torch.from_numpy(box))

    for name in VOLUMES:
        pairs = _pairs(name, sets[name], rng)
        for planes, masks in tqdm(pairs, total=sets[name], desc=f"findings in {name}", leave=False):
            add(list(teaching.colours_of(name, planes)), name, masks)
        recipe = RECIPES[VOLUMES[name]]
        for k in tqdm(range(healthy[name]), desc=f"healthy {name}", leave=False):
            source = recipe.sources[k % len(recipe.sources)]
            values = source.anatomy()[0]
            pose = Pose.draw(values.shape[1:], rng, source)
            planes = pose.apply(values, recipe.fill, ends_of(values), range(len(values)))
            add(list(teaching.colours_of(name, planes)), name, [])
    for name in tqdm(KINDS, desc="images", leave=False):
        for _ in range(plain):
            picture, where = teaching.image_with_object(name, rng)
            add([picture], name, [{teaching.OBJECTS[name][0]: np.asarray(where) > 127}] if where else [])
    for _ in tqdm(range(2 * plain), desc="chests", leave=False):
        picture, where = teaching.chest_with(Effusion.draw(*draw_state(rng), rng), rng)
        add([picture], CHEST, [{thing: np.asarray(inside) > 127 for thing, inside in where.items()}])
    return {
        "pixels": torch.cat(pixels),
        "kind": torch.tensor(kinds),
        "area": torch.cat(areas),
        "box": torch.cat(boxes),
    }


def draw_state(rng: np.random.Generator) -> tuple[str, str]:
    """A side of the chest and how much effusion there is."""
    return ("left", "right")[rng.integers(2)], STATES[rng.integers(3)]


def _measure(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each patch that a mask covers, and its box (y0, x0, y1, x1 of 1), on the padded square."""
    square = pad_to_square(mask.astype(np.uint8) * 255).resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BILINEAR)
    inside = np.asarray(square)[..., 0] > 127
    side = IMAGE_SIDE // PATCHES
    area = inside.reshape(PATCHES, side, PATCHES, side).sum((1, 3))
    if not inside.any():
        return area, np.zeros(4)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return area, np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / IMAGE_SIDE


def _pairs(
    name: str, sets: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, list[dict[str, np.ndarray]]]]:
    """Turned slices (n, y, x) with findings and the same without, and the masks of what is in each."""
    recipe = RECIPES[VOLUMES[name]]
    others = [c for c in recipe.conditions if c != VENTRICLES]
    # Stretching takes its time, so few are made.
    stretched = [
        [changed_box(Finding.draw(VENTRICLES, spacing, rng), values.astype(np.float32)) for _ in range(STRETCHED)]
        for values, spacing in (source.anatomy() for source in recipe.sources)
        if VENTRICLES in recipe.conditions
    ]
    for number in range(sets):
        which = number % len(recipe.sources)
        source = recipe.sources[which]
        original, spacing = source.anatomy()
        values, ends = original.astype(np.float32), ends_of(original)
        pose = Pose.draw(values.shape[1:], rng, source)
        wide = [stretched[which][rng.integers(STRETCHED)]] if stretched else []
        findings = [finding for finding, _ in wide] + draw_findings(others, spacing, rng)
        planes, masks = [], []
        for there in [[finding] for finding in findings] + [findings]:
            touched = there[rng.integers(len(there))].slices
            picked = rng.choice(touched, size=min(3, len(touched)), replace=False)
            if len(there) == 1:
                planes.append(pose.apply(values, recipe.fill, ends, picked))
                masks += [{} for _ in picked]
            for finding in there:  # ventricles are first: their box holds all others
                if wide and finding is wide[0][0]:
                    values[finding.box] = wide[0][1]
                else:
                    finding.put_into(values)
            planes.append(pose.apply(values, recipe.fill, ends, picked))
            for finding in there:
                values[finding.box] = original[finding.box]
            inside = {finding.condition: pose.mask(finding, values.shape, picked) for finding in there}
            masks += [{c: mask[k] for c, mask in inside.items()} for k in range(len(picked))]
        yield np.concatenate(planes), masks


def changed_box(finding: Finding, values: np.ndarray) -> tuple[Finding, np.ndarray]:
    """A finding and what is in its box with it."""
    box = values[finding.box].copy()
    finding.put_into(values)
    new = values[finding.box].copy()
    values[finding.box] = box
    return finding, new


def ends_of(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value."""
    return float(values.min()), float(values.max())
