"""Draw small pictures of a case's images again, and show them only if they are exactly what the model saw.

An answer keeps the hash of its prompt, with words and pixels. A picture is shown only if the prompt that is made
again has the same hash, so no page shows another slice, window or patch than the model saw. Teaching cases are
made from public images, and are always shown. The images of a user's own table are images of patients, so they go
into a page only if the user asks for it.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.errors import InputError
from helpers.evaluation import Answer, LabelledCase
from helpers.prompts import images_of, prompt_key
from helpers.teaching import CASES, generate
from helpers.viewers import contact_sheet

SIDE = 256  # pixels
PATCHES = 16  # patches of a slide that are shown
_TEACHING = re.compile(r"([a-z-]+)-(\d+)")
NOT_ASKED_FOR = (
    "Pictures of your own data are left out. With --pictures (in Python pictures=True) they become part of this "
    "page."
)
NOT_THE_SAME = (
    "The picture is left out, because it would not be the picture that the model saw. The file may "
    "have changed, the table may say how to read it, or another version of this package may have "
    "drawn it."
)


@dataclass(frozen=True)
class CasePicture:
    """A picture for a page, or the reason why it is left out."""

    data: str  # a data: address; empty without a picture
    caption: str
    square: bool = False  # whether it is the whole image, on which boxes can be drawn
    teaching: bool = False


def case_picture(answer: Answer, *, own: bool) -> CasePicture:
    """The picture of an answer's case; ``own`` allows those of the user's own data.

    A fault of a file does not end the report. The page shows the fault in place of the picture.
    """
    case, teaching = _teaching_case(answer), True
    if case is None and "path" in answer:
        case, teaching = _own_case(answer), False
        if not own:
            return CasePicture("", NOT_ASKED_FOR)
        if not Path(answer["path"]).exists():
            return CasePicture("", "The picture is left out, because its file no longer exists.")
    if case is None:
        return CasePicture("", "")
    try:
        messages = case.messages
    except (InputError, OSError) as error:
        why = getattr(error, "problem", None) or getattr(error, "strerror", None) or type(error).__name__
        return CasePicture("", f"The picture is left out, because its file cannot be read ({why}).")
    except Exception as error:  # a decoder's error on a changed file must not stop the report
        return CasePicture(
            "", f"The picture is left out, because its file cannot be read ({type(error).__name__})."
        )
    if prompt_key(messages) != answer.get("prompt"):
        return CasePicture("", NOT_THE_SAME)
    images = images_of(messages)
    return _drawn(images, case, answer["kind"], teaching) if images else CasePicture("", "")


def _teaching_case(answer: Answer) -> Any:
    found = _TEACHING.fullmatch(answer["id"])
    if not found or found[1] not in CASES or "path" in answer or len(found[2]) > 15:
        return None
    return generate(found[1], 1, int(found[2]))[0]


def _own_case(answer: Answer) -> LabelledCase:
    words = (answer["kind"], answer.get("question", ""), answer["condition"])
    return LabelledCase(Path(answer["path"]), *words, "", tuple(answer["options"]), answer["group"], answer["id"])


def _drawn(images: list[Image.Image], case: Any, kind: str, teaching: bool) -> CasePicture:
    if kind == "slide" and len(images) > 1:
        shown = images[:PATCHES]
        data = contact_sheet(shown, width=SIDE, columns=4).data
        caption = f"{len(shown)} of {len(images)} patches, in the order of the prompt"
        return CasePicture(_address(data), caption, teaching=teaching)
    if len(images) == 1:
        return CasePicture(_address(_small(images)), "The image, as the model saw it", True, teaching)
    if len(images) == 2:
        return CasePicture(_address(_small(images)), "The prior image, and the current one", teaching=teaching)
    finding = case.slice_of_finding() if teaching and case.condition else None
    k = len(images) // 2 if finding is None else finding
    which = "the middle one" if finding is None else "the one that shows most of the finding"
    caption = f"Slice {k + 1} of {len(images)}, {which}"
    return CasePicture(_address(_small([images[k]])), caption, teaching=teaching)


def _small(images: list[Image.Image]) -> bytes:
    """Images side by side as a JPEG, each of `SIDE` pixels."""
    sheet = Image.new("RGB", (SIDE * len(images), SIDE))
    for k, image in enumerate(images):
        sheet.paste(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (SIDE * k, 0))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
