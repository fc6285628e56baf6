"""Milliseconds a token: of one question and eight, packed in each way or copied; of adapters merged or beside."""

from __future__ import annotations

import copy
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache, GenerationConfig

from helpers.models import ChatModel, decoding, load_model
from tests.gpu.noise import opened, prompt
from tests.gpu.random_model import NEVER
from tests.gpu.records import Records

QUESTIONS = (1, 8)
WAITS = ("aten::_local_scalar_dense", "aten::item", "aten::nonzero")
WRITES = ("aten::cat", "aten::copy_", "aten::clone", "aten::index_copy_")


class Counted(TorchDispatchMode):
    """Counts operations for which the program waits for the device, and bytes that are only copied."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.copied = Counter(), 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        name = function._schema.name
        first = args[0] if args and isinstance(args[0], torch.Tensor) else None
        to_cpu = isinstance(out, torch.Tensor) and out.device.type == "cpu"
        if name in WAITS or (first is not None and first.device.type != "cpu" and to_cpu):
            self.waits[name] += 1
        if name in WRITES and isinstance(out, torch.Tensor):
            self.copied += out.nbytes
        return out


def _compiled(step: decoding.FixedStep) -> Callable[[], torch.Tensor]:
    """The step by torch's compiler, which makes graphs of its own: beside the recorded one, to choose by."""
    for layer in step._packed._kept.layers:
        for held in (layer.keys, layer.values):
            torch._dynamo.mark_static_address(held)
    run = torch.compile(lambda: step(), mode="reduce-overhead", dynamic=False)

    def begun() -> torch.Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return run()

    return begun


# Ways to write the tokens of a packed row: whether there is a GPU for it, and how a step is recorded, if at all.
WRITTEN: dict[str, tuple[bool, Callable[[decoding.FixedStep], Callable[[], torch.Tensor]] | None]] = {
    "eager": (False, None),
    "static shapes, not recorded": (False, lambda step: step),
    "static shapes, a CUDA graph": (True, decoding.RECORDERS["cuda"]),
    "static shapes, compiled": (True, _compiled),
}


def tokens(records: Records, chat: ChatModel) -> None:
    """64 tokens in a session by each way, in a batch with copied keys, and with transformers' static cache."""
    length, images = (64, 85) if records.on_gpu else (4, 1)
    messages = prompt(chat, images)
    with chat.session(opened(images)) as session:
        for what, (needs_gpu, recorder) in WRITTEN.items():
            for questions in QUESTIONS:
                if needs_gpu and not records.on_gpu:
                    records.note("tokens", f"{questions} questions, packed, {what}", reason="needs a GPU")
                elif recorder is _compiled and records.seconds_left < 360:  # it may take a minute or two
                    records.note("tokens", f"{questions} questions, packed, {what}", reason="time is short")
                else:
                    _packed(records, session, what, recorder, questions, length)
    for questions in QUESTIONS:
        with torch.inference_mode(), _copied(chat, messages, questions) as step:
            step()  # warm
            start = time.perf_counter()
            for _ in range(length):
                step()
            seconds = time.perf_counter() - start
            with Counted() as counted:
                for _ in range(length):
                    step()
        _note(records, f"{questions} questions, keys copied for each", seconds, length, counted)
    if records.on_gpu and records.seconds_left > 240:
        _static(records, chat, prompt(chat, 16), length)


def _packed(
    records: Records, session: Any, what: str, recorder: Callable | None, questions: int, length: int
) -> None:
    """Milliseconds a token of one way, and whether its recorded step has passed the trial."""
    asked = ["What is shown?"] * questions
    way, kind = "eager" if recorder is None else "graph", session.chat.model.device.type
    with (
        patch.object(session, "_way", way),
        patch.dict(decoding.RECORDERS, {kind: recorder}),
        patch.object(decoding.FAULTS, "known", {}),
    ):
        seconds, first = _beyond_the_first(session, asked, length)
        counted = None
        if recorder is None:
            with Counted() as counted:
                session.ask_all(asked, questions, length)
        told: dict[str, Any] = {"first_seconds": first}
        if recorder is not None:
            faults = " ".join(decoding.FAULTS.known.values())
            told |= {"passed": session.decoding == "graph", "fault": faults or "none"}
        _note(records, f"{questions} questions, packed, {what}", seconds, length, counted, **told)


def _beyond_the_first(session: Any, questions: list[str], length: int) -> tuple[float, float]:
    """Seconds of ``length`` tokens of each question after the first ones, and those of the first answer."""
    spent, before = [], decoding.FROM + 3
    for limit in (before, before, before + length):  # the first is to warm up
        start = time.perf_counter()
        session.ask_all(questions, len(questions), limit)
        spent.append(time.perf_counter() - start)
    return spent[2] - spent[1], spent[0]


def _note(records: Records, what: str, seconds: float, length: int, counted: Counted | None, **told: Any) -> None:
    records.note(
        "tokens",
        what,
        ms_a_token=1000 * seconds / length,
        waits_a_token=sum(counted.waits.values()) / length if counted and records.on_gpu else None,
        copied_gb_a_token=counted.copied / length / 1e9 if counted else None,
        **told,
    )


@contextmanager
def _copied(chat: ChatModel, messages: Any, questions: int) -> Iterator[Any]:
    """A step of a batch in which every question has its own copy of keys and values, in transformers' cache."""
    inputs, language = chat.inputs(messages), chat.model.model.language_model
    cache = DynamicCache(config=copy.deepcopy(language.config))
    shared = {name: inputs[name] for name in ("input_ids", "token_type_ids", "mm_encoder_outputs")}
    chat.model.model(**shared, past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(questions)
    ids = torch.full((questions, 1), 7, device=chat.model.device)

    def step() -> None:
        hidden = language(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
        ids.copy_(chat.model.lm_head(hidden[:, -1]).argmax(-1, keepdim=True))
        ids.cpu()  # a program looks at each token, whether it ends the answer

    yield step


def _static(records: Records, chat: ChatModel, messages: Any, length: int) -> None:
    """transformers' own generate with a static cache, which it compiles, beside its usual one."""
    for kind in (None, "static"):
        inputs = chat.inputs(messages)
        spent = []
        for limit in (2, 2, length + 2):
            settings = GenerationConfig(
                do_sample=False,
                max_new_tokens=limit,
                pad_token_id=0,
                eos_token_id=NEVER,
                cache_implementation=kind,
            )
            start = time.perf_counter()
            with torch.inference_mode():
                chat.model.generate(**inputs, generation_config=settings)
            spent.append(time.perf_counter() - start)
        what = f"1 question, 16 images, generate with {kind or 'its usual'} cache"
        records.note("tokens", what, ms_a_token=1000 * (spent[2] - spent[1]) / length, first_seconds=spent[0])


def adapters(records: Records, chat: ChatModel) -> None:
    """An adapter of rank 16 in the weights and beside them."""
    from peft import get_peft_model

    from helpers.finetuning import Tuning
    from helpers.finetuning.tuning import lora_config

    length, images = (64, 16) if records.on_gpu else (4, 1)
    folder = chat.name
    with tempfile.TemporaryDirectory() as scratch:
        other = load_model(folder, device=records.device)
        torch.manual_seed(0)
        peft = get_peft_model(other.model, lora_config(Tuning(rank=16)))
        for name, weight in peft.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.01)
        peft.save_pretrained(str(Path(scratch, "adapter")))
        del peft, other
        for merge in (True, False):
            adapted, seconds, peak = records.measured(
                lambda merge=merge: load_model(
                    folder, adapter=Path(scratch, "adapter"), merge=merge, device=records.device
                )
            )
            with adapted.session(opened(images)) as session:
                spent = 1000 * _beyond_the_first(session, ["What is shown?"], length)[0] / length
            what = "merged" if merge else "beside the weights"
            records.note("adapters", what, ms_a_token=spent, load_seconds=seconds, load_peak_gb=peak)
            del adapted
