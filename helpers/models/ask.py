"""A question about a path of your own: what it holds, the prompt, its cost, and the answer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.images import VOLUME_KINDS, HashedFiles, Part, Reading, Study, find_study, part_volume, read_image
from helpers.models.adapter_files import read_adapter
from helpers.models.context import check_context
from helpers.prompts import (
    MAX_NEW_TOKENS,
    MAX_PATCHES,
    MAX_SLICES,
    Message,
    check_max_new_tokens,
    check_options,
    closed_question,
    image_messages,
    images_of,
    parse_final_answer,
    slide_messages,
    volume_messages,
)
from helpers.slides import open_slide, patch_notes, read_patches, sample_slides, tissue_mask, tissue_shown
from helpers.volumes import NothingMatchesError, Volume, prompt_names, share_slices, volume_to_rgb

YES_NO = ("yes", "no")


def ask_path(
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
    image_format: str | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    vision_batch: int = 8,
    limit: int | None = None,
    context: int | None = None,
) -> dict[str, Any]:
    """Ask a model about the images at a path; print what is there and what it costs, and return the answer.

    Args:
        path: what `helpers.images.find_study` takes, as ``modality`` and ``series``.
        question: in your words. Of a slide it goes before the patches, of everything else after the images.
        model: as for `helpers.models.load_model`. It is loaded when the prompt is whole.
        adapter: folder of an adapter for that model.
        options: what can be answered, e.g. "yes", "no": the question is put into the report's form for that.
        only, uniform, offset, reformat: how a volume is read, as for `helpers.volumes.read_volume`; ``only`` also
            as words such as "EchoTime=20". Volumes that it does not match are left out.
        mpp: microns per pixel of a slide's level 0, for one that does not say it or says it wrongly.
        magnification: of a slide's patches: 5, 10 (the default) or 20.
        icc: whether colours become sRGB by an ICC profile; by default those of slides do, those of pictures not.
        page: of a picture with several pages or frames, from 0.
        may_leave: why images may go to a model on another machine; else their headers must name nobody.
        image_format: in which a server gets them: "png", "webp" or "jpeg".
        max_new_tokens: of the answer.
        vision_batch: images that pass the vision tower at once; half as many wherever memory runs out.
        limit: slices of all volumes, patches of all slides, or images, at most; by default 85 and 126.
        context: tokens of the prompt, at most, as for `helpers.models.load_model`; 85 slices fit into the default.

    Returns:
        ``answer`` (text), ``final_answer`` (one of ``options``, by default yes or no; None where the answer ends
        on none of them), ``finished``, ``thinking``, ``question``, ``kind``, ``images``, ``prompt_tokens``,
        ``completion_tokens``, ``seconds``, ``model``, ``is_standin``, ``files``, ``notes``,
        ``tissue_shown`` (the share of slides' tissue that the patches show; None of all else) and ``passed_over``.

    Raises:
        InputError: an empty question; what `find_study` and the readers refuse, e.g. slices that are not axial; a
            prompt over the budget; images that may not leave; an adapter that does not fit.
    """
    if not question.strip():
        raise InputError("The question is empty.", remedy="Write what you want to know about the images.")
    if options:
        check_options(options)
    check_max_new_tokens(max_new_tokens)
    check_context(context)
    if adapter is not None:
        read_adapter(adapter)  # a mistake in it shows before images are read
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
    # Hashed before they are read, so that what is sent is of the very files whose headers are checked.
    to_send = model.startswith(ENDPOINT_PREFIX) and not may_leave
    sources = [HashedFiles(file) for file in study.files] if to_send else study.files
    facts = Facts()
    asked = closed_question(question, options) if options else question
    messages = study_messages(study, asked, reading, facts, limit)
    print("".join(f"{note}\n" for note in facts.notes), end="")
    from helpers.models.opening import load_model

    chat = load_model(
        model,
        adapter=adapter,
        vision_batch=vision_batch,
        context=context,
        sources=sources,
        may_leave=may_leave,
        image_format=image_format,
    )
    print(f"{chat.count_tokens(messages)}, of {chat.context:,}", flush=True)
    reply = chat.generate(messages, max_new_tokens=max_new_tokens)
    return {
        "question": question,
        "answer": reply.text,
        "final_answer": reply.read(lambda text: parse_final_answer(text, options or YES_NO)),
        "finished": reply.finished,
        "thinking": reply.thinking,
        "kind": study.kind,
        "images": len(images_of(messages)),
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": round(reply.seconds, 3),
        "model": chat.name,
        "is_standin": chat.is_standin,
        "files": list(map(str, study.files)),
        "notes": facts.notes,
        "tissue_shown": facts.tissue_shown,
        "passed_over": [str(one.path) for one in study.passed_over],
    }


@dataclass
class Facts:
    """What is to be said of the images of a prompt."""

    notes: list[str] = field(default_factory=list)  # what was estimated, turned or left out
    tissue_shown: float | None = None  # of slides: the share of their tissue that is in the patches, 0 to 1


def study_messages(
    study: Study,
    question: str,
    reading: Reading | None = None,
    facts: Facts | None = None,
    limit: int | None = None,
) -> list[Message]:
    """The prompt of a study, in the protocol's order and within its limits; reads the pixels.

    At most ``limit`` slices of all volumes, patches of all slides, or images; by default 85, 126 and 126. What was
    done to them, or left out, is added to ``facts``.
    """
    if limit is not None and limit < 1:
        raise InputError(f"{limit} images cannot be shown.", remedy="Give a limit of 1 or more.")
    reading, facts = reading or Reading(), facts or Facts()
    reading.check(study.kind, study.files[0])
    if study.kind == "slide":
        patches = _patches(study, reading, facts, limit or MAX_PATCHES)
        if len(patches) > 1:
            question += f"\n\nThere are {len(patches)} slides; the number of each stands before its patches."
        return slide_messages(patches, instruction=question, limit=limit or MAX_PATCHES)
    if study.kind in VOLUME_KINDS:
        volumes = _volumes(study, reading, facts.notes)
        for name, volume in volumes.items():
            for note in volume.notes:
                facts.notes.append(f"{name}: {note}" if len(volumes) > 1 else note)
        shared = share_slices(volumes, limit or MAX_SLICES)
        slices = {name: volume_to_rgb(volumes[name], chosen) for name, chosen in shared.items()}
        return volume_messages(slices, question, limit=limit or MAX_SLICES)
    if len(study.parts) > (limit or MAX_PATCHES):
        raise InputError(
            f"{len(study.parts)} images are over the limit of {limit or MAX_PATCHES} for one prompt.",
            path=study.files[0].parent,
            remedy=f"Give fewer images, or a limit of {len(study.parts)} and the context for it.",
        )
    images = [read_image(part.files[0], **reading.of_image) for part in study.parts]
    return image_messages(images, question)


def _patches(study: Study, reading: Reading, facts: Facts, limit: int) -> list[list[Image.Image]]:
    """The patches of each slide of a study."""
    mpp = reading.patch_mpp
    with ExitStack() as opened:
        slides = [opened.enter_context(open_slide(part.files[0], **reading.of_slide)) for part in study.parts]
        for slide in slides:
            slide.best_level(mpp)  # fail before a mask is read
        masks = [tissue_mask(slide) for slide in slides]
        chosen = sample_slides(slides, mpp, limit, masks=masks)
        for slide, mask, patches in zip(slides, masks, chosen, strict=True):
            name = f"{slide.path.name}: " if len(slides) > 1 else ""
            facts.notes += [f"{name}{note}" for note in patch_notes(slide, mask, patches, mpp)]
        areas = [mask.tissue.sum() * mask.mpp**2 for mask in masks]
        shown = [tissue_shown(mask, patches) for mask, patches in zip(masks, chosen, strict=True)]
        facts.tissue_shown = round(float(np.average(shown, weights=areas)), 4)
        return [list(read_patches(slide, patches)) for slide, patches in zip(slides, chosen, strict=True)]


def _volumes(study: Study, reading: Reading, notes: list[str]) -> dict[str, Volume]:
    """The volumes of a study by the names that they get in the prompt; one error for all that cannot be read."""
    names = prompt_names([part.description for part in study.parts])
    volumes: dict[str, Volume] = {}
    problems: list[tuple[Part, InputError]] = []
    unmatched: list[InputError] = []
    for name, part in zip(names, study.parts, strict=True):
        try:
            volumes[name] = part_volume(part, reading)
        except NothingMatchesError as error:
            unmatched.append(error)
            notes.append(f"Left out, since nothing in it is what was chosen: {part}.")
        except InputError as error:
            problems.append((part, error))
    if unmatched and not volumes and not problems:
        raise unmatched[0]
    if len(study.parts) == 1 and problems:
        raise problems[0][1]
    if problems:
        usable = [part.series for part in study.parts if part.series and part not in [p for p, _ in problems]]
        listed = "".join(f"\n  {part}: {error.problem}" for part, error in problems)
        raise InputError(
            f"Not all of the volumes can be read:{listed}\n",
            path=study.files[0].parent,
            remedy=f"Leave them out: --series {' '.join(usable)}." if usable else problems[0][1].remedy,
        )
    return volumes
