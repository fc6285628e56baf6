"""Check the choice of an engine, without loading one."""

from __future__ import annotations

import os
import shlex

from helpers.errors import InputError
from helpers.models.batch_size import VISION_BATCH
from helpers.models.hub import is_standin


def check_engine(
    engine: str | None,
    name: str,
    adapter: str | os.PathLike[str] | None = None,
    vision_batch: int = VISION_BATCH,
) -> None:
    """Raise `InputError` for an unknown engine, and for a choice that vLLM cannot load. Nothing is loaded.

    In vLLM this program loads neither adapters nor the stand-in, and uses only the default ``vision_batch``.
    """
    if engine not in (None, "transformers", "vllm"):
        raise InputError(f"{engine!r} is not an engine.", remedy="Give transformers or vllm.")
    if engine != "vllm":
        return
    if adapter is not None:
        words = ("medgemma-tutorials", "merge", "--model", name, "--adapter", os.fspath(adapter))
        raise InputError(
            "This program does not load adapters into vLLM.",
            path=adapter,
            remedy=f"Use transformers, or run {shlex.join(words)} --output DIR, and give DIR as the model.",
        )
    if is_standin(name):
        raise InputError(
            "This program does not load the stand-in into vLLM.", path=name, remedy="Use transformers."
        )
    if vision_batch != VISION_BATCH:
        raise InputError(
            "vLLM makes its own batches of images.",
            path=name,
            remedy="Leave out vision_batch (--vision-batch), or use transformers.",
        )
