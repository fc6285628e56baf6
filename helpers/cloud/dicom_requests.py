"""Write prompts whose images the model's server fetches from a DICOMweb store, so this machine sees no pixels.

For Model Garden's DICOM-aware MedGemma (`helpers.cloud.model_garden.DICOM_MODEL`). The form of a request is that
of Google-Health/medgemma: notebooks/high_dimensional_ct_model_garden.ipynb and
notebooks/high_dimensional_pathology_model_garden.ipynb, and what python/serving/predictor.py reads of it.

That container shows a CT in other colours than the report and the notebooks do, as its source stands at commit
04b60ac: `CT_WARNING`, and docs/upstream/medgemma_ct_windows.md with what it makes of the bundled head CT.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from helpers.cloud.vertex import Secret
from helpers.errors import InputError
from helpers.prompts import MAX_PATCHES, MAX_SLICES, PATCH_SIDE

CT_WARNING = (
    "The official container shows a CT that it fetches in other colours than MedGemma 1.5 was trained on: green "
    "is 135 to 215 HU and not -135 to 215, and where a file stores its pixels unsigned, all below 0 HU is white. "
    "Do not compare its answers with those to slices of ct_to_rgb. Send those slices instead, or fetch MR, "
    'radiographs and slides, and say so with modality="MR" (or CR, DX, SM).'
)
_SOURCE = re.compile(r"https://[^/@?#]+/[^?#]*studies/[0-9.]+/series/[0-9.]+(?P<instance>/instances/[0-9.]+)?")


def image_dicom_request(
    sources: str | Sequence[str],
    question: str,
    *,
    instruction: str = "",
    patches: Iterable[tuple[int, int]] | None = None,
    token: str | None = None,
    max_tokens: int = 500,
    modality: str | None = None,
) -> dict[str, Any]:
    """Body of a chat completion: the instruction, the images, the question last; greedy.

    Args:
        sources: https DICOMweb addresses: one series, or instances in the order of their slices (at most 85). The
            server windows CT and scales MR itself, and writes ``SLICE n`` after each. With ``patches`` one
            instance of a slide: the level to look at.
        question: the question after the images.
        instruction: the words before the images.
        patches: upper left corners (x, y) of patches of 896 x 896 pixels of that instance, at most 126.
        token: the caller's short-lived token, with which the server reads the images; None for a public store.
        max_tokens: of the answer.
        modality: of the images, by DICOM's letters, where you know it: of a CT, and where it is not given, a
            warning says what the container does to a CT (`CT_WARNING`). Patches are of a slide.

    Returns a dictionary ready for JSON. The token in it is sent but never shown (`helpers.cloud.vertex.Secret`).
    Raises `InputError` for an address that is not https or has another form, too many images, or none.
    """
    several = [sources] if isinstance(sources, str) else list(sources)
    found = [_checked(source) for source in several]
    if not several:
        raise InputError("The request names no images.", remedy="Give a series or instances.")
    image: dict[str, Any] = {"dicom_source": several}
    if token:
        image["access_credential"] = Secret(token)
    if patches is not None:
        if len(several) != 1 or not found[0]:
            raise InputError(
                "A request with patches needs the address of one DICOM instance, which holds one "
                "level of a slide.",
                remedy="Give that address alone.",
            )
        side = {"width": PATCH_SIDE, "height": PATCH_SIDE}
        corners = [{"x_origin": int(x), "y_origin": int(y), **side} for x, y in patches]
        _check_number(len(corners), MAX_PATCHES, "patches")
        if any(min(c["x_origin"], c["y_origin"]) < 0 for c in corners):
            raise InputError("A patch lies outside the slide.", path=several[0], remedy="Count from 0.")
        image |= {"dicom_source": several[0], "patch_coordinates_list": corners}
    elif len(several) == 1:
        image["dicom_source"] = several[0]
    elif not all(found):
        raise InputError(
            "One of several sources is a series, but several sources must be instances.",
            remedy="Give one series, or only instances.",
        )
    else:
        _check_number(len(several), MAX_SLICES, "slices")
    if patches is None and (modality or "CT").strip().upper() == "CT":
        warnings.warn(CT_WARNING, stacklevel=2)
    content: list[dict[str, Any]] = [{"type": "text", "text": instruction}] if instruction else []
    content += [{"type": "image_dicom", "image_dicom": image}, {"type": "text", "text": question}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens, "temperature": 0}


def _checked(source: str) -> bool:
    """Whether an address is that of an instance, and not of a series."""
    match = _SOURCE.fullmatch(source)
    if not match:
        shown = urlsplit(source)
        raise InputError(
            "This is not an https address of a DICOMweb series or instance.",
            path=f"{shown.scheme}://{shown.netloc.rpartition('@')[2]}{shown.path}",
            remedy="Give https://HOST/.../studies/UID/series/UID, and add /instances/UID for one instance.",
        )
    return match["instance"] is not None


def _check_number(n: int, most: int, what: str) -> None:
    if not 1 <= n <= most:
        raise InputError(
            f"The request has {n} {what}, but the model takes 1 to {most}.", remedy="Choose fewer, evenly spaced."
        )
