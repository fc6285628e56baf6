"""Make image tokens of teaching pictures once, with the finished tower, for the training of the language model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers import teaching
from helpers.models import encode_images
from helpers.prompts import pad_to_square
from helpers.standin.sight import KINDS, VOLUMES, changed_box, ends_of
from helpers.standin.untouched import Untouched, encode_untouched
from helpers.teaching import (
    RECIPES,
    STATES,
    VENTRICLES,
    Effusion,
    Finding,
    Pose,
    Specimen,
    draw_findings,
    patches_of,
)

MOST_SLICES = 110  # the most slices of a volume in the bank; of longer volumes, every second slice


@dataclass
class TaughtVolume:
    """A turned volume: the image tokens of each slice, for every combination of its findings."""

    slices: list[int]
    touched: dict[str, set[int]]  # condition -> slices that show it
    reach: dict[str, set[int]]  # condition -> slices that it changes
    tokens: dict[tuple[int, frozenset[str]], torch.Tensor]  # slice and its findings -> (tokens, hidden size)

    def image_tokens(self, chosen: list[int], present: set[str]) -> torch.Tensor:
        """The image tokens of slices ``chosen`` with the findings ``present``: (slices, tokens, hidden size)."""
        return torch.stack([self.tokens[k, frozenset(c for c in present if k in self.reach[c])] for k in chosen])


@dataclass
class Bank:
    """The images and image tokens that lessons can ask about."""

    volumes: dict[str, list[TaughtVolume]]  # kind of volume -> volumes
    images: dict[str, torch.Tensor]  # kind of image -> (images, tokens, hidden size)
    boxes: list[tuple[torch.Tensor, str, str, list[float]]]  # image tokens, kind of image, target, box
    slides: list[tuple[torch.Tensor, Specimen]]
    chests: dict[tuple[str, str], torch.Tensor]  # side and state of an effusion -> (images, tokens, hidden size)
    untouched: Untouched


def make_bank(
    model: Any,
    processor: Any,
    seed: int,
    *,
    poses: int = 34,
    sets: int = 6,
    images: int = 300,
    boxes: int = 2400,
    slides: int = 100,
    chests: int = 120,
) -> Bank:
    """Draw pictures and encode them."""
    rng = np.random.default_rng([11, seed])

    def encode(pictures: list[Any]) -> torch.Tensor:
        padded = [pad_to_square(picture) for picture in pictures]
        return encode_images(model, processor.image_processor, padded, batch_size=32).half()

    volumes = {kind: _volumes(name, poses, sets, encode, rng) for name, kind in VOLUMES.items()}
    singles = {
        name: encode([teaching.image_of(name, rng) for _ in range(images)])
        for name in tqdm(KINDS, desc="encoding images")
    }
    drawn = [(t[0], *teaching.picture_with_box(*t, rng)) for t in teaching.BOX_TARGETS for _ in range(boxes)]
    tokens = encode([picture for _, picture, _, _ in drawn])
    boxed = [(t[None], kind, target, box) for t, (kind, _, target, box) in zip(tokens, drawn, strict=True)]
    specimens = [Specimen.draw(rng) for _ in range(slides)]
    described = [(encode(patches_of(s)), s) for s in tqdm(specimens, desc="encoding slides")]
    chested = {
        (side, state): encode(
            [teaching.chest_with(Effusion.draw(side, state, rng), rng)[0] for _ in range(chests)]
        )
        for side in ("left", "right")
        for state in tqdm(STATES, desc="encoding chests")
    }
    return Bank(volumes, singles, boxed, described, chested, encode_untouched(encode))


def _volumes(name: str, poses: int, sets: int, encode: Any, rng: np.random.Generator) -> list[TaughtVolume]:
    recipe, out = RECIPES[VOLUMES[name]], []
    for number in tqdm(range(poses), desc=f"encoding {name}"):
        source = recipe.sources[number % len(recipe.sources)]
        original, spacing = source.anatomy()
        values, ends = original.astype(np.float32), ends_of(original)
        slices = list(range(0, len(values), 1 if len(values) <= MOST_SLICES else 2))
        pose = Pose.draw(values.shape[1:], rng, source)

        def tokens_of(
            there: list[tuple[Finding, np.ndarray]],
            wanted: list[int],
            pose: Pose = pose,
            values: np.ndarray = values,
            original: np.ndarray = original,
            ends: tuple[float, float] = ends,
        ) -> torch.Tensor:
            for finding, new in there:
                values[finding.box] = new
            planes = pose.apply(values, recipe.fill, ends, wanted)
            for finding, _ in there:
                values[finding.box] = original[finding.box]
            return encode(list(teaching.colours_of(name, planes)))

        nothing: frozenset[str] = frozenset()
        base = {(k, nothing): t for k, t in zip(slices, tokens_of([], slices), strict=True)}
        # Each pose has only one pair of ventricles, because stretching and encoding take time.
        wide = [Finding.draw(VENTRICLES, spacing, rng)] if VENTRICLES in recipe.conditions else []
        for finding in wide:
            reached = [k for k in slices if finding.box[0].start <= k < finding.box[0].stop]
            new = tokens_of([changed_box(finding, values)], reached)
            base |= {(k, frozenset([VENTRICLES])): t for k, t in zip(reached, new, strict=True)}
        for _ in range(sets):
            others = draw_findings([c for c in recipe.conditions if c != VENTRICLES], spacing, rng)
            out.append(_with_choices([*wide, *others], base, slices, values, tokens_of))
    return out


def _with_choices(
    findings: list[Finding], base: dict[Any, torch.Tensor], slices: list[int], values: np.ndarray, tokens_of: Any
) -> TaughtVolume:
    touched = {f.condition: set(f.slices) & set(slices) for f in findings}
    reach = {
        f.condition: set(range(f.box[0].start, f.box[0].stop)) & set(slices)
        if f.condition == VENTRICLES
        else touched[f.condition]
        for f in findings
    }
    tokens = dict(base)
    for n in range(1, len(findings) + 1):
        for there in itertools.combinations(findings, n):
            names = frozenset(f.condition for f in there)
            wanted = sorted(set.intersection(*(reach[c] for c in names)))
            if not wanted or (wanted[0], names) in base:
                continue
            before = [values[f.box].copy() for f in there]
            for finding in there:  # one after the other, because they may overlap
                finding.put_into(values)
            boxes = [(f, values[f.box].copy()) for f in there]
            for finding, old in zip(reversed(there), reversed(before), strict=True):
                values[finding.box] = old
            tokens |= {(k, names): t for k, t in zip(wanted, tokens_of(boxes, wanted), strict=True)}
    return TaughtVolume(slices, touched, reach, tokens)
