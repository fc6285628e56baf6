"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.endpoints import EndpointModel
from helpers.prompts import Message, image_messages
from tests.endpoints.fake_endpoint import FakeServer, fake_server

IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


def asking(fake: FakeServer, **settings: Any) -> EndpointModel:
    return EndpointModel(fake.url, "fake", **{"first_wait": 0.001, "timeout": 20.0, **settings})


@dataclass(frozen=True)
class Question:
    """A question about words."""

    id: str
    messages: list[Message]
    group: str = "g"
    kind: str = "image"
    condition: str = ""
    options: tuple[str, ...] = ("yes", "no")
    truth: str = "yes"


def questions(n: int) -> list[Question]:
    return [Question(f"q{k}", image_messages([], f"question {k}")) for k in range(n)]
