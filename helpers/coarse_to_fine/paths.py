"""Search through a file or folder of your own; tell what it holds, what the search costs and what it finds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from helpers.coarse_to_fine.blocks import BEST, BLOCK
from helpers.coarse_to_fine.costs import slide_cost, volume_cost
from helpers.coarse_to_fine.reading import YES_NO, Block
from helpers.coarse_to_fine.searches import COARSE, FINE, find_in_slide, find_in_volume
from helpers.errors import InputError
from helpers.images import VOLUME_KINDS, Reading, Study, find_study, part_volume
from helpers.models import check_context, load_model, read_adapter
from helpers.prompts import (
    MAX_NEW_TOKENS,
    MAX_PATCHES,
    MAX_SLICES,
    check_max_new_tokens,
    closed_question,
)
from helpers.slides import open_slide, tissue_mask


def find_path(
    path: str | os.PathLike[str],
    question: str,
    *,
    model: str = "standin",
    adapter: str | os.PathLike[str] | None = None,
    modality: str | None = None,
    series: Sequence[str] = (),
    options: Sequence[str] = (),
    only: Mapping[str, Any] | Sequence[str] = (),
    uniform: bool = True,
    offset: float | None = None,
    reformat: str | None = None,
    mpp: float | None = None,
    magnification: int | None = None,
    icc: bool | None = None,
    page: int | None = None,
    may_leave: str = "",
    max_new_tokens: int = MAX_NEW_TOKENS,
    vision_batch: int = 8,
    limit: int | None = None,
    context: int | None = None,
    image_format: str | None = None,
    block: int = BLOCK,
    best: int = BEST,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Search the volume or slide at a path with a yes-or-no question. Print what it is and what the search costs.

    The arguments are those of `helpers.models.ask_path`, and ``block``, ``best`` and ``threshold`` those of
    `find_in_volume`. The path must hold one volume or one slide, and ``options`` can only be yes and no.
    ``magnification`` is that of the second pass over a slide, by default 20x. The first pass is at 5x.

    Returns:
        ``answer`` (text), ``final_answer``, ``finished``, ``p_yes``, ``threshold``, ``question``, ``kind``,
        ``scan`` and ``again`` (for each prompt ``p_yes``, ``answer`` and its place, which is the first and last of
        its ``slices``, counted from 1, or its ``patch``), ``where`` (the place of the last prompt),
        ``prompt_tokens`` (of all prompts), ``seconds``, ``model``, ``is_standin``, ``files``, ``notes`` and
        ``passed_over``.

    Raises:
        InputError: the question is empty, or the path holds several volumes or slides, or 2D images. Also as
            `find_in_volume`, `find_in_slide` and `helpers.models.ask_path` raise it.
    """
    if not question.strip():
        raise InputError("The question is empty.", remedy="Write what you want to find.")
    if options and set(options) != set(YES_NO):
        raise InputError(
            f"A search asks for yes or no, not for {', '.join(options)}.", remedy="Leave out --options."
        )
    check_max_new_tokens(max_new_tokens)
    check_context(context)
    if adapter is not None:
        read_adapter(adapter)
    reading = Reading.of(
        only,
        uniform=uniform,
        offset=offset,
        reformat=reformat,
        mpp=mpp,
        magnification=magnification,
        icc=icc,
        page=page,
    )
    study = find_study(path, modality=modality, series=series, mpp=mpp)
    print(study)
    _check_study(study, reading)
    asked = closed_question(question, YES_NO)

    def load() -> Any:
        return load_model(
            model,
            adapter=adapter,
            vision_batch=vision_batch,
            context=context,
            sources=study.files,
            may_leave=may_leave,
            image_format=image_format,
        )

    how = {"best": best, "threshold": threshold, "max_new_tokens": max_new_tokens}
    (part,) = study.parts
    if study.kind in VOLUME_KINDS:
        volume = part_volume(part, reading)
        _tell(volume.notes)
        chat, sizes = load(), {"block": block, "limit": MAX_SLICES if limit is None else limit}
        print(volume_cost(chat, volume.shape[0], asked, best=best, **sizes), flush=True)
        found, notes = find_in_volume(chat, volume, asked, **sizes, **how), volume.notes
    else:
        with open_slide(part.files[0], **reading.of_slide) as slide:
            fine = FINE if magnification is None else magnification
            most = MAX_PATCHES if limit is None else limit
            sizes = {"coarse": COARSE, "fine": fine, "limit": most, "mask": tissue_mask(slide)}
            _tell(slide.notes)
            chat = load()
            print(slide_cost(chat, slide, asked, best=best, **sizes), flush=True)
            found, notes = find_in_slide(chat, slide, asked, **sizes, **how), slide.notes
    _tell(found.notes)
    return {
        "question": question,
        "answer": found.last.text,
        "final_answer": found.final_answer,
        "finished": found.last.finished,
        "p_yes": found.last.p_yes,
        "threshold": threshold,
        "kind": study.kind,
        "scan": [_told(one) for one in found.scan],
        "again": [_told(one) for one in found.fine],
        "where": _where(found.last),
        "prompt_tokens": found.tokens,
        "seconds": round(found.seconds, 3),
        "model": chat.name,
        "is_standin": chat.is_standin,
        "files": list(map(str, study.files)),
        "notes": [*notes, *found.notes],
        "passed_over": [str(one.path) for one in study.passed_over],
    }


def _check_study(study: Study, reading: Reading) -> None:
    """Raise `InputError` for 2D images, and for more than one volume or slide."""
    reading.check(study.kind, study.files[0])
    if study.kind not in (*VOLUME_KINDS, "slide"):
        raise InputError(
            "The model sees a 2D image as a whole, so there is nothing to search.",
            path=study.files[0],
            remedy="Ask without --find.",
        )
    if len(study.parts) > 1:
        series = [part.series for part in study.parts if part.series]
        remedy = f"Choose one, e.g. --series {series[0]}." if series else "Give the path of one of them."
        what = "slides" if study.kind == "slide" else "volumes"
        raise InputError(
            f"A search goes through one volume or slide, but the path holds {len(study.parts)} {what}.",
            path=study.files[0].parent,
            remedy=remedy,
        )


def _tell(notes: Sequence[str]) -> None:
    print("".join(f"{note}\n" for note in notes), end="")


def _told(block: Block) -> dict[str, Any]:
    """One prompt of a search, as it is written to JSON."""
    return {**_where(block), "p_yes": block.p_yes, "answer": block.answer}


def _where(block: Block) -> dict[str, Any]:
    if isinstance(block.where, tuple):
        return {"slices": [block.where[0] + 1, block.where[-1] + 1]}
    return {"patch": {name: getattr(block.where, name) for name in ("x", "y", "size", "mpp")}}
