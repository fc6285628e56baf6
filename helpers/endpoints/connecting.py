"""Connect to a served model: read the server's list of models and their limits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from helpers.endpoints.addresses import ENDPOINT_PREFIX
from helpers.endpoints.client import EndpointModel
from helpers.endpoints.limits import limits_within
from helpers.errors import InputError
from helpers.images import ImageSource

# In older versions, vLLM's engine lets the tokens of an image see only earlier tokens (vllm-project/vllm #27938,
# of November 2025; #14660 describes the older way).
SEES_WHOLE_IMAGES = (0, 12)


def connect(
    name: str,
    *,
    sources: Sequence[ImageSource] | None = None,
    may_leave: str = "",
    context: int | None = None,
    **settings: Any,
) -> EndpointModel:
    """The model of ``endpoint:URL#MODEL``, or of ``endpoint:URL`` if the server lists exactly one model.

    This asks the server for its list, which may state the length of the context. ``context`` sets how many tokens
    a prompt may have, if it is to be fewer, or if the list states nothing and the server is known to take more
    than 32,768. ``settings`` are those of `EndpointModel`.

    Raises `InputError` if the server cannot be reached, refuses the token, or does not list exactly one model and
    no name was given; also for a context above the stated one.
    """
    url, _, served = name.removeprefix(ENDPOINT_PREFIX).strip().partition("#")
    chat = EndpointModel(url.rstrip("/"), served, sources=sources, may_leave=may_leave, **settings)
    listed = {entry["id"]: entry for entry in chat.models(needed=not served) or []}
    if not served:
        if len(listed) != 1:
            known = f"lists {len(listed)} models: {', '.join(listed)}" if listed else "lists no models"
            raise InputError(
                f"The server {known}.", path=url, remedy=f"Name one model: {ENDPOINT_PREFIX}{url}#MODEL"
            )
        served = next(iter(listed))
        chat = replace(chat, served=served, name="")
    length = listed.get(served, {}).get("max_model_len")  # vLLM states it
    if not isinstance(length, int) or length is True or length < 1:  # other servers may write anything there
        length = None
    if length and "limits" not in settings:
        chat = replace(chat, limits=replace(chat.limits, context_tokens=length))
    if context is not None:
        chat = replace(chat, limits=limits_within(chat.limits, context, length, url))
    if any(entry.get("owned_by") == "vllm" for entry in listed.values()):
        warn_of_old_vllm(vllm_version(chat), chat.url)
    line = f"{chat.name}: served at {chat.url}, images as {chat.image_format}, {chat.at_once} requests at once."
    if chat.is_standin:
        line += " This is not MedGemma: a stand-in for trying the code, not for medicine."
    print(line)
    return chat


def vllm_version(chat: EndpointModel) -> str:
    """The version that a vLLM server states at ``/version``, beside ``/v1``; "" if it states none."""
    try:
        told = chat._client.get(
            f"{chat.url.removesuffix('/v1')}/version", cast_to=object, options={"timeout": 10.0}
        )
        return str(told["version"])
    except Exception:  # many kinds: a gateway may lack this address, or ask for a token
        return ""


def warn_of_old_vllm(version: str, url: str) -> None:
    """Warn of a vLLM that is too old for images, or that does not state its version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) >= SEES_WHOLE_IMAGES:
        return
    which = f"vLLM {version}" if version else "vLLM, and does not tell its version"
    least = ".".join(map(str, SEES_WHOLE_IMAGES))
    warnings.warn(
        f"{url}: This server is {which}. Before {least} vLLM let the tokens of an image see only those before "
        f"them, which changes answers about images without an error. Use {least} or newer, and compare it with "
        "the same weights in transformers (helpers.models.check_image_attention).",
        stacklevel=3,
    )
