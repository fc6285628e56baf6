"""Volumes and models whose answers are known exactly: a finding is a slice that is bright in its middle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.prompts import Message, Reply, TokenCount, images_of
from helpers.volumes import Volume


def volume_with(bright: set[int], n: int = 40) -> Volume:
    """An MR of ``n`` slices; those of ``bright`` hold a bright square."""
    values = np.full((n, 16, 16), 50, np.int16)
    values[:, 0, 0] = 0
    values[:, 0, 1] = 200  # in every slice, so that the scale is the same with a finding and without
    for k in bright:
        values[k, 4:12, 4:12] = 200
    return Volume(
        path=Path("made"),
        modality="MR",
        units=None,
        shape=values.shape,
        spacing=(1.0, 1.0, 1.0),
        affine=np.eye(4),
        description="",
        _decode=lambda indices: values[list(indices)],
    )


def is_bright(messages: list[Message]) -> list[bool]:
    """Whether the middle of each image is bright."""
    return [np.asarray(image.convert("L").crop(_middle(image.size))).mean() > 128 for image in images_of(messages)]


def _middle(size: tuple[int, int]) -> tuple[int, int, int, int]:
    w, h = size
    return w * 3 // 8, h * 3 // 8, w * 5 // 8, h * 5 // 8


@dataclass
class Server:
    """A model that only writes: yes where an image of the prompt is bright, or what it is told to say."""

    says: str | None = None
    fails: bool = False
    name: str = "server"
    is_standin: bool = False
    context: int = 100_000
    prompts: list[list[Message]] = field(default_factory=list)

    def count_tokens(self, messages: list[Message]) -> TokenCount:
        n = len(images_of(messages))
        return TokenCount(n, 10 * n, 0, 5)

    def generate(self, messages: list[Message], max_new_tokens: int = 10) -> Reply:
        if self.fails:
            raise RuntimeError("the server is gone")
        self.prompts.append(messages)
        said = self.says or f"Final Answer: {'yes' if any(is_bright(messages)) else 'no'}"
        return Reply(said, "", self.count_tokens(messages).total, 4, 0.0, finished=True)
