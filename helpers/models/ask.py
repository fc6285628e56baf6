"""A question about a path of your own: what it holds, the prompt, its cost, and the answer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from helpers.errors import InputError
from helpers.images import VOLUME_KINDS, Part, Reading, Study, find_study, part_volume, read_image
from helpers.prompts import (
    CONTEXT_BUDGET,
    MAX_PATCHES,
    Message,
    closed_question,
    image_messages,
    images_of,
    parse_final_answer,
    slide_messages,
    volume_messages,
)
from helpers.slides import open_slide, read_patches, sample_slides
from helpers.volumes import NothingMatchesError, Volume, prompt_names, share_slices, volume_to_rgb

YES_NO = ("yes", "no")


def ask_path(
    path: str | os.PathLike[str],
    question: str,
    *,
    model: str = "standin",
    modality: str | None = None,
    series: Sequence[str] = (),
    options: Sequence[str] = (),
    only: Mapping[str, Any] | Sequence[str] = (),
    uniform: bool = True,
    offset: float | None = None,
    reformat: str | None = None,
    may_leave: str = "",
    max_new_tokens: int = 512,
) -> dict[str, Any]:
    """Ask a model about the images at a path; print what is there and what it costs, and return the answer.

    Args:
        path: what `helpers.images.find_study` takes, as ``modality`` and ``series``.
        question: in your words. Of a slide it goes before the patches, of everything else after the images.
        model: as for `helpers.models.load_model`. It is loaded when the prompt is whole.
        options: what can be answered, e.g. "yes", "no": the question is put into the report's form for that.
        only, uniform, offset, reformat: how a volume is read, as for `helpers.volumes.read_volume`; ``only`` also
            as words such as "EchoTime=20". Volumes that it does not match are left out.
        may_leave: why images may go to a model on another machine; else their headers must name nobody.
        max_new_tokens: of the answer.

    Returns:
        ``answer`` (text), ``final_answer`` (one of ``options``, by default yes or no; None where the answer ends
        on none of them), ``finished``, ``thinking``, ``question``, ``kind``, ``images``, ``prompt_tokens``,
        ``completion_tokens``, ``seconds``, ``model``, ``is_standin``, ``files``, ``notes`` and
        ``passed_over``.

    Raises:
        InputError: an empty question; what `find_study` and the readers refuse, e.g. slices that are not axial; a
            prompt over the budget; images that may not leave.
    """
    if not question.strip():
        raise InputError("The question is empty.", remedy="Write what you want to know about the images.")
    study = find_study(path, modality=modality, series=series)
    print(study)
    reading = Reading.of(only, uniform=uniform, offset=offset, reformat=reformat)
    notes: list[str] = []
    asked = closed_question(question, options) if options else question
    messages = study_messages(study, asked, reading, notes)
    print("".join(f"{note}\n" for note in notes), end="")
    from helpers.models.loading import load_model  # torch, which a mistake in the path need not wait for

    chat = load_model(model, sources=study.files, may_leave=may_leave)
    print(f"{chat.count_tokens(messages)}, of {CONTEXT_BUDGET:,}", flush=True)
    reply = chat.generate(messages, max_new_tokens=max_new_tokens)
    return {
        "question": question,
        "answer": reply.text,
        "final_answer": parse_final_answer(reply.text, options or YES_NO),
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
        "notes": notes,
        "passed_over": [str(one.path) for one in study.passed_over],
    }


def study_messages(
    study: Study, question: str, reading: Reading | None = None, notes: list[str] | None = None
) -> list[Message]:
    """The prompt of a study, in the protocol's order and within its limits; reads the pixels.

    At most 85 slices of all volumes, 126 patches at 10x of all slides, or all images. What was done to volumes, or
    left out, is added to ``notes``.
    """
    if study.kind not in VOLUME_KINDS and reading not in (None, Reading()):
        raise InputError(
            "These choices are of how a CT or MR volume is read, and here is none.",
            path=study.files[0],
            remedy="Leave out only, uniform, offset and reformat (--only, --uneven, --offset, --reformat).",
        )
    if study.kind == "slide":
        with ExitStack() as opened:
            slides = [opened.enter_context(open_slide(part.files[0])) for part in study.parts]
            chosen = sample_slides(slides)
            patches = [list(read_patches(slide, each)) for slide, each in zip(slides, chosen, strict=True)]
        if len(slides) > 1:
            question += f"\n\nThere are {len(slides)} slides; the number of each stands before its patches."
        return slide_messages(patches, instruction=question)
    if study.kind in VOLUME_KINDS:
        volumes = _volumes(study, reading or Reading(), found := [] if notes is None else notes)
        for name, volume in volumes.items():
            for note in volume.notes:
                found.append(f"{name}: {note}" if len(volumes) > 1 else note)
        slices = {name: volume_to_rgb(volumes[name], chosen) for name, chosen in share_slices(volumes).items()}
        return volume_messages(slices, question)
    if len(study.parts) > MAX_PATCHES:
        raise InputError(
            f"{len(study.parts)} images are over the limit of {MAX_PATCHES} for one prompt.",
            path=study.files[0].parent,
            remedy="Give fewer images.",
        )
    return image_messages([read_image(part.files[0]) for part in study.parts], question)


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
