"""What is said of a server when it is connected to."""

from __future__ import annotations

import warnings

import pytest

from helpers.endpoints import connect
from tests.endpoints.fake_endpoint import FakeServer


@pytest.mark.parametrize(
    ("owner", "version", "warned"),
    [
        ("vllm", "0.11.2", "vLLM 0.11.2"),
        ("vllm", "0.8.5.post1", "vLLM 0.8.5.post1"),
        ("vllm", "", "does not tell its version"),
        ("vllm", "words", "vLLM words"),
        ("vllm", "0.12.0", ""),
        ("vllm", "0.32.1+cu129", ""),
        ("vllm", "1.0.0rc1", ""),
        ("llamacpp", "", ""),
        ("me", "0.1.0", ""),
    ],
)
def test_a_vllm_that_cuts_images_in_two_is_warned_of(
    fake: FakeServer, owner: str, version: str, warned: str
) -> None:
    fake.models[0]["owned_by"], fake.version = owner, version
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        connect(f"endpoint:{fake.url}")
    told = [str(one.message) for one in caught if one.category is UserWarning]
    assert len(told) == bool(warned)
    assert all(warned in words and "0.12 or newer" in words for words in told)
