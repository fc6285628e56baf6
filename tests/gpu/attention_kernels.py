"""Which kernels attend, in the tower, in a prompt and in decoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch.profiler import ProfilerActivity, profile

from helpers.models import ChatModel, encode_images
from tests.gpu.noise import WAYS, opened, pictures, prompt
from tests.gpu.records import Records

NAMES = ("attention", "attn", "fmha", "flash", "flex", "softmax")  # in those of kernels, and of torch's operations


def kernels(records: Records, chat: ChatModel) -> None:
    """Names of what runs, with its share of the time."""
    _note(
        records,
        "tower, 8 images" if records.on_gpu else "tower, 1 image",
        lambda: encode_images(chat.model, chat.processor.image_processor, pictures(8 if records.on_gpu else 1)),
    )
    count = 16 if records.on_gpu else 1
    for way in WAYS if records.on_gpu else WAYS[:1]:
        asked = replace(chat, prefill=way)
        with asked.session(prompt(chat, count)):
            pass  # what is compiled is compiled
        _note(records, f"session of {count} images, {way}", lambda a=asked: a.session(prompt(chat, count)).close())
    with chat.session(opened(count)) as session:
        _note(records, "16 tokens of 8 questions", lambda: session.ask_all(["What is shown?"] * 8, 8, 16))


def _note(records: Records, what: str, work: Callable[[], Any]) -> None:
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if records.on_gpu else [])
    with profile(activities=kinds) as seen:
        work()
    time: Counter[str] = Counter()
    for event in seen.key_averages():
        time[event.key] += event.self_device_time_total if records.on_gpu else event.self_cpu_time_total
    whole = sum(time.values()) or 1
    found = [(name, spent) for name, spent in time.most_common() if any(part in name.lower() for part in NAMES)]
    shares = {name[:80]: round(spent / whole, 3) for name, spent in found[:4] if spent}
    records.note("kernels", what, kernels=shares)
