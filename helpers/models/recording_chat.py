"""Record the replies of a model in the notebooks that ``medgemma-tutorials record`` runs."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil
import torch

from helpers.models.adapters import fingerprint
from helpers.models.chat import ChatModel
from helpers.models.hub import STANDIN
from helpers.models.recordings import RECORD_TO, About, Recorder
from helpers.models.sessions import Session
from helpers.prompts import MAX_NEW_TOKENS, Message, Reply

_VERSIONS_OF = ("medgemma-tutorials", "torch", "transformers")


@dataclass(frozen=True)
class RecordingModel(ChatModel):
    """A `ChatModel` that writes its replies into a folder, also those of its sessions."""

    recorder: Recorder | None = None

    def generate(self, messages: Sequence[Message], max_new_tokens: int = MAX_NEW_TOKENS, **how: Any) -> Reply:
        """Answer as `ChatModel.generate` does, and record the reply."""
        reply = super().generate(messages, max_new_tokens, **how)
        self.keep([messages], [reply], max_new_tokens)
        return reply

    def session(self, messages: Sequence[Message], *, cache_limit: float | None = None) -> Session:
        """Open a session as `ChatModel.session` does, and record its replies."""
        return _RecordingSession(self, messages, cache_limit=cache_limit)

    def keep(self, prompts: Sequence[Sequence[Message]], replies: Sequence[Reply], max_new_tokens: int) -> None:
        """Record replies, and the memory that they took."""
        for messages, reply in zip(prompts, replies, strict=True):
            self.recorder.keep(messages, max_new_tokens, reply)
        self.recorder.note_memory(_megabytes(self.model.device))

    def keep_likelihoods(
        self, messages: Sequence[Message], max_new_tokens: int, likelihoods: Mapping[str, float | None]
    ) -> None:
        """Record likelihoods that an evaluation computed of a reply."""
        self.recorder.keep_likelihoods(messages, max_new_tokens, likelihoods)


class _RecordingSession(Session):
    """A session whose replies are recorded under their whole prompts."""

    chat: RecordingModel

    def generate_all(
        self, prompts: Sequence[Sequence[Message]], batch_size: int = 16, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> list[Reply]:
        replies = super().generate_all(prompts, batch_size, max_new_tokens)
        self.chat.keep(prompts, replies, max_new_tokens)
        return replies


def recorded_if_asked(loaded: ChatModel, folder: Path, precision: str) -> ChatModel:
    """The model itself, or one that records its replies if the environment asks for a recording of this model.

    The model's weights are in ``folder``, and ``precision`` says in which number format they were loaded. Raises
    `InputError` as `Recorder` does.
    """
    target, _, name = os.environ.get(RECORD_TO, "").rpartition("#")
    if not target or name != loaded.name:
        return loaded
    tokenizer, images = loaded.processor.tokenizer, loaded.processor.full_image_sequence
    around = len(tokenizer(images, add_special_tokens=False)["input_ids"]) - loaded.processor.image_seq_length
    about = About(
        model=loaded.name if loaded.name == STANDIN or folder != Path(loaded.name) else folder.name,
        revision=_revision(folder, loaded.model),
        is_standin=loaded.is_standin,
        dtype=precision,
        device=_device(loaded.model.device),
        context=loaded.context,
        image_tokens=loaded.processor.image_seq_length,
        wrapper_tokens=around,
        versions={name: importlib.metadata.version(name) for name in _VERSIONS_OF},
        date=time.strftime("%Y-%m-%d"),
    )
    given = {each.name: getattr(loaded, each.name) for each in fields(loaded)}
    print(f"Its replies are recorded in {target}.")
    return RecordingModel(**given, recorder=Recorder(target, about))


def _revision(folder: Path, model: Any) -> str:
    """The commit in the name of a folder in Hugging Face's cache, or a hash of the weights of another folder."""
    return folder.name if folder.parent.name == "snapshots" else fingerprint(model)


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _megabytes(device: torch.device) -> int:
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    return round(psutil.Process().memory_info().rss / 1e6)
