"""A recorded step on a real GPU: it passes its trial, and writes what Python's calls write."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.models import load_model
from helpers.prompts import volume_messages
from tests.gpu.noise import pictures


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graph_writes_what_is_written_without_it() -> None:
    chat, found = load_model("standin", device="cuda", dtype=torch.float32), []
    questions = ["What is it?", "Why?", 'Is there "intracranial haemorrhage" in the CT volume?']
    for way in ("eager", "graph"):
        with replace(chat, decoding=way).session(volume_messages(pictures(5), None)) as session:
            found.append([reply.text for reply in session.ask_all(questions, max_new_tokens=64)])
            assert session.decoding == way
    assert found[0] == found[1]
