"""Ollama, llama.cpp and LM Studio: replies in the forms that their documentation gives, none of them run here.

https://docs.ollama.com/api/openai-compatibility, llama.cpp's tools/server/README.md, and
https://lmstudio.ai/docs/developer/openai-compat.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from helpers.endpoints import Limits, connect
from helpers.errors import InputError
from helpers.prompts import image_messages
from tests.endpoints.conftest import IMAGE, asking
from tests.endpoints.fake_endpoint import FakeServer

WORDS = image_messages([], "Is there a bleed?")
MADE = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_764_000_000, "model": "medgemma"}
OLLAMA_MODELS = [{"id": "medgemma:latest", "object": "model", "created": 1_764_000_000, "owned_by": "library"}]
LLAMA_CPP_MODELS = [
    {
        "id": "models/medgemma-q8.gguf",
        "object": "model",
        "created": 1_764_000_000,
        "owned_by": "llamacpp",
        "meta": {
            "vocab_type": 1,
            "n_vocab": 262_144,
            "n_ctx_train": 131_072,
            "n_embd": 2560,
            "n_params": 3_880_099_328,
        },
    }
]
LM_STUDIO_MODELS = [{"id": "medgemma-1.5-4b-it", "object": "model", "owned_by": "organization_owner"}]


def reply(message: dict[str, Any], reason: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {**MADE, "choices": [choice], **more}


USAGE = {"prompt_tokens": 291, "completion_tokens": 12, "total_tokens": 303}
TIMINGS = {"cache_n": 236, "prompt_n": 55, "prompt_ms": 30.9, "predicted_n": 12, "predicted_ms": 661.0}


@pytest.mark.parametrize(
    ("answer", "text", "thinking", "tokens", "finished"),
    [
        # Ollama: the trace in ``reasoning``.
        (
            reply(
                {"content": "Final Answer: no", "reasoning": "No bright area."},
                usage=USAGE,
                system_fingerprint="fp_ollama",
            ),
            "Final Answer: no",
            "No bright area.",
            (291, 12),
            True,
        ),
        # llama.cpp: in ``reasoning_content``, with timings; these alone tell of tokens where usage is missing.
        (
            reply({"content": "Final Answer: no", "reasoning_content": "So."}, usage=USAGE, timings=TIMINGS),
            "Final Answer: no",
            "So.",
            (291, 12),
            True,
        ),
        (reply({"content": "Final Answer: no"}, timings=TIMINGS), "Final Answer: no", "", (291, 12), True),
        (reply({"content": "Final Ans"}, "length", usage=USAGE), "Final Ans", "", (291, 12), False),
        # LM Studio: statistics beside usage, or neither.
        (
            reply({"content": "no", "tool_calls": []}, stats={"tokens_per_second": 51.4}, usage=USAGE),
            "no",
            "",
            (291, 12),
            True,
        ),
        (reply({"content": "no", "reasoning_content": ""}), "no", "", (0, 0), True),
        # MedGemma's own marks, where a server leaves them in.
        (reply({"content": "<unused94>thought\nSo.<unused95>no"}, usage=USAGE), "no", "So.", (291, 12), True),
    ],
)
def test_documented_replies_are_read(
    fake: FakeServer, answer: dict, text: str, thinking: str, tokens: tuple[int, int], finished: bool
) -> None:
    fake.fault = lambda handler, number: handler.send(200, answer) or True
    read = asking(fake).generate(WORDS)
    assert (read.text, read.thinking, read.finished) == (text, thinking, finished)
    assert (read.prompt_tokens, read.completion_tokens) == tokens


@pytest.mark.parametrize("listed", [OLLAMA_MODELS, LLAMA_CPP_MODELS, LM_STUDIO_MODELS])
def test_documented_lists_of_models_are_read(fake: FakeServer, listed: list) -> None:
    fake.models = listed
    chat = connect(f"endpoint:{fake.url}")
    assert chat.served == listed[0]["id"]
    assert chat.context == 32_768  # that which a model was trained with is not what its server has room for


NOT_FOUND = {"message": 'model "m" not found', "type": "not_found_error", "param": None, "code": None}
NO_ROOM = {"code": 400, "message": "the request exceeds the available context size, try increasing it"}
NO_ROOM |= {"type": "exceed_context_size_error", "n_prompt_tokens": 21_999, "n_ctx": 4096}
OVERFLOW = "Trying to keep the first 21999 tokens when context the overflows. However, the model is loaded with "
OVERFLOW += "context length of only 4096 tokens, which is not enough."
NO_PROJECTOR = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
UNREAD = {"code": 400, "message": "Failed to load image or audio file", "type": "invalid_request_error"}


@pytest.mark.parametrize(
    ("status", "told", "said"),
    [
        (404, {"error": NOT_FOUND}, r'model "m" not found\)\. .*lists these models'),  # Ollama
        (500, {"error": {"message": "this model is missing data required for image input"}}, "image input"),
        (400, {"error": NO_ROOM}, "room for more tokens"),  # llama.cpp
        (500, {"error": {"code": 500, "message": NO_PROJECTOR}}, "takes no images with this model .*--mmproj"),
        (400, {"error": UNREAD}, 'image_format="png"'),
        (400, {"error": OVERFLOW}, "room for more tokens"),  # LM Studio
        (400, {"error": "Model does not support images. Please use a model that does."}, "takes no images"),
    ],
)
def test_documented_errors_are_told_with_what_helps(fake: FakeServer, status: int, told: dict, said: str) -> None:
    fake.fault = lambda handler, number: handler.send(status, told) or True
    with pytest.raises(InputError, match=said):
        asking(fake, attempts=1).generate(image_messages([IMAGE], "What?"))


def test_a_model_that_is_being_loaded_is_waited_for(fake: FakeServer) -> None:
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    fake.fault = lambda handler, number: number < 2 and (handler.send(503, loading) or True)
    assert asking(fake).generate(WORDS).finished


@pytest.mark.parametrize(("read", "warned"), [(4096, True), (21_760 + 400, False), (0, False)])
def test_a_prompt_that_a_server_cuts_without_a_word_is_warned_of(
    fake: FakeServer, read: int, warned: bool
) -> None:
    usage = {"prompt_tokens": read, "completion_tokens": 5, "total_tokens": read + 5}
    fake.fault = lambda handler, number: handler.send(200, reply({"content": "no"}, usage=usage)) or True
    prompt = image_messages([IMAGE] * 85, "What?")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asking(fake).generate(prompt)
        asking(fake, limits=Limits(image_tokens=16)).generate(prompt)  # of another model
    told = [str(one.message) for one in caught if one.category is UserWarning]
    assert len(told) == warned
    assert all("read 4,096 tokens" in words and "OLLAMA_CONTEXT_LENGTH" in words for words in told)
