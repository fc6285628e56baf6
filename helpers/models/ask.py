"""Ask a question about a path of your own: find images, write the prompt, count its cost, get the answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from helpers.ehr import read_history
from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError, check_count
from helpers.images import VOLUME_KINDS, HashedFiles, Part, Reading, Study, find_study, part_images, part_volume
from helpers.models.adapter_files import read_adapter
from helpers.models.context import check_context
from helpers.prompts import (
    MAX_NEW_TOKENS,
    MAX_PATCHES,
    MAX_SLICES,
    WITH_HISTORY,
    Message,
    Reply,
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

if TYPE_CHECKING:
    from helpers.endpoints import EndpointModel
    from helpers.models.chat import ChatModel
    from helpers.models.recorded_chat import RecordedModel

YES_NO = ("yes", "no")
HISTORY_TOKENS = 2_000  # tokens of a patient's history; 85 slices have about 22,000


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
    afterwards: Callable[[Any, list[Message], str], Mapping[str, Any]] | None = None,
    history: str | os.PathLike[str] | None = None,
    history_tokens: int = HISTORY_TOKENS,
) -> dict[str, Any]:
    """Ask a model about the images at a path; print the images and the cost of the prompt, and return the answer.

    Args:
        path: as for `helpers.images.find_study`, like ``modality`` and ``series``.
        question: the question in your own words. For a slide it goes before the patches, for all others after the
            images.
        model: as for `helpers.models.load_model`. The model is loaded when the prompt is complete.
        adapter: folder of an adapter for that model.
        options: the possible answers, e.g. "yes", "no". The question is put into the report's form for them.
        only, uniform, offset, reformat: how a volume is read, as for `helpers.volumes.read_volume`; ``only`` may
            also hold words such as "EchoTime=20". Volumes that do not match it are left out.
        mpp: microns per pixel of a slide's level 0, for a slide that does not state them or states them wrongly.
        magnification: the magnification of a slide's patches: 5, 10 (the default) or 20.
        icc: whether colours are converted to sRGB with the ICC profile; by default for slides, but not for
            pictures.
        page: the page or frame of a picture, counted from 0.
        may_leave: the reason why images may go to a model on another machine. Without it, their headers must not
            name a patient.
        image_format: the format in which a server gets images: "png", "webp" or "jpeg".
        max_new_tokens: the largest number of tokens of the answer.
        vision_batch: the number of images that the vision tower encodes at once; it is halved if memory runs out.
        limit: the largest number of slices of all volumes, patches of all slides, or images; by default 85 and
            126.
        context: the largest number of tokens of the prompt, as for `helpers.models.load_model`; the default has
            room for 85 slices.
        afterwards: a function that is called after the answer with the model, the prompt and the kind of images;
            its result is added to the answer.
        history: a patient's record, as for `helpers.ehr.read_history`. Its text goes before the question.
        history_tokens: the largest number of tokens of the history; the oldest entries are left out.

    Returns:
        ``answer`` (text), ``final_answer`` (one of ``options``, by default yes or no; None where the answer ends
        on none of them), ``finished``, ``thinking``, ``question``, ``kind``, ``images``, ``prompt_tokens``,
        ``completion_tokens``, ``seconds``, ``model``, ``is_standin``, ``files``, ``notes``, ``history`` (what the
        record told; empty without one), ``tissue_shown`` (the share of slides' tissue that the patches show; None
        of all else) and ``passed_over``.

    Raises:
        InputError: the question is empty, `find_study` or a reader refuses the images (e.g. slices that are not
            axial), the prompt is over the budget, the images may not leave this machine, or the adapter does not
            fit.
    """
    if not question.strip():
        raise InputError("The question is empty.", remedy="Write what you want to know about the images.")
    if options:
        check_options(options)
    check_max_new_tokens(max_new_tokens)
    check_context(context)
    check_count(history_tokens, f"{history_tokens} tokens are no history.", remedy="Give 1 or more.")
    if adapter is not None:
        read_adapter(adapter)  # so that its faults show before images are read
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
    # Files are hashed before they are read, so that the images come from the same files whose headers are checked.
    to_send = model.startswith(ENDPOINT_PREFIX) and not may_leave
    sources = [HashedFiles(file) for file in study.files] if to_send else study.files
    facts = Facts()
    record = None if history is None else read_history(history)
    asked = closed_question(question, options) if options else question

    def load() -> ChatModel | EndpointModel | RecordedModel:
        from helpers.models.opening import load_model

        return load_model(
            model,
            adapter=adapter,
            vision_batch=vision_batch,
            context=context,
            sources=[*sources, *([] if record is None else [record.path])],
            may_leave=may_leave,
            image_format=image_format,
        )

    chat, told = None, ""
    if record is not None:  # the model counts its tokens
        chat = load()
        told = record.text(history_tokens, count=lambda text: chat.count_tokens(_text_alone(text)).total)
        facts.notes += record.notes
        asked = WITH_HISTORY.format(history=told, question=asked)
    messages = study_messages(study, asked, reading, facts, limit)
    print("".join(f"{note}\n" for note in facts.notes), end="")
    chat = chat or load()
    print(f"{chat.count_tokens(messages)}, of {chat.context:,}", flush=True)
    reply = chat.generate(messages, max_new_tokens=max_new_tokens)
    more = _after(reply, lambda: afterwards(chat, messages, study.kind) if afterwards else {})
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
        "history": told,
        "tissue_shown": facts.tissue_shown,
        "passed_over": [str(one.path) for one in study.passed_over],
        **more,
    }


def _text_alone(text: str) -> list[Message]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


@dataclass
class Facts:
    """Facts about the images of a prompt, for the user."""

    notes: list[str] = field(default_factory=list)  # sentences about anything estimated, turned or left out
    tissue_shown: float | None = None  # for slides: the share of the tissue that the patches show, 0 to 1


def study_messages(
    study: Study,
    question: str,
    reading: Reading | None = None,
    facts: Facts | None = None,
    limit: int | None = None,
) -> list[Message]:
    """The prompt of a study, in the protocol's order and within its limits; reads the pixels.

    The prompt has at most ``limit`` slices of all volumes, patches of all slides, or images; by default 85, 126
    and 126. Notes about them and about files that were left out are added to ``facts``.
    """
    if limit is not None and limit < 1:
        raise InputError(
            f"The limit is {limit} images, which is less than 1.", remedy="Give a limit of 1 or more."
        )
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
            f"{len(study.parts)} images are more than the limit of {limit or MAX_PATCHES} for one prompt.",
            path=study.files[0].parent,
            remedy=f"Give fewer images, or raise the limit to {len(study.parts)} and the context with it.",
        )
    pages = (part_images(part, limit, reading=reading, notes=facts.notes) for part in study.parts)
    images = [image for part in pages for image, _ in part]
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
    """The volumes of a study by their names in the prompt. One error lists all volumes that cannot be read."""
    names = prompt_names([part.description for part in study.parts])
    volumes: dict[str, Volume] = {}
    problems: list[tuple[Part, InputError]] = []
    unmatched: list[InputError] = []
    for name, part in zip(names, study.parts, strict=True):
        try:
            volumes[name] = part_volume(part, reading)
        except NothingMatchesError as error:
            unmatched.append(error)
            notes.append(f"This part was left out, because nothing in it matches the choice: {part}.")
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
            f"Some of the volumes cannot be read:{listed}\n",
            path=study.files[0].parent,
            remedy=f"Ask about the other series only: --series {' '.join(usable)}."
            if usable
            else problems[0][1].remedy,
        )
    return volumes


def _after(reply: Reply, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of ``work``. If it fails, the error also tells the answer that the model has already given."""
    try:
        return work()
    except InputError as error:
        said = f"{error.problem} The model had answered: {reply.text}"
        raise InputError(said, path=error.path, remedy=error.remedy) from error
