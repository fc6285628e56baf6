"""A recorded step: of shapes that stay, traced once, and never another answer than the eager one's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from helpers.errors import InputError
from helpers.models import ChatModel, decoding
from helpers.models.decoding import decoding_way, difference
from helpers.models.kept_keys import KeptLayer
from helpers.prompts import Message, Reply, volume_messages, with_question
from tests.models.conftest import noise

QUESTIONS = ["Is there haemorrhage?", "?", "Where is it? " * 30, "What is shown in the left half?", "Why?"]
LENGTH = 12


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], None]:
    """Sets what stands for CUDA's graphs on the CPU; steps are recorded after two tokens."""
    monkeypatch.setattr(decoding, "FROM", 2)
    monkeypatch.setattr(decoding.FAULTS, "known", {})
    return lambda record: monkeypatch.setitem(decoding.RECORDERS, "cpu", record)


@pytest.fixture(scope="module")
def written(wide_chat: ChatModel) -> tuple[list[list[Message]], list[int], list[Reply]]:
    """Questions, tokens that end their answers at different places, and the eager answers with these ends."""
    opened, seen = volume_messages(noise(2), None), []
    prompts = [with_question(opened, question) for question in QUESTIONS]
    go_on = decoding.Steps.go_on

    def noted(self: decoding.Steps, chosen: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(chosen.tolist())
        return go_on(self, chosen, *rest)

    with pytest.MonkeyPatch.context() as patch, wide_chat.session(opened) as session:
        patch.setattr(decoding.Steps, "go_on", noted)
        patch.setattr(wide_chat.model.generation_config, "eos_token_id", [-2])
        session.generate_all(prompts, max_new_tokens=LENGTH)
        rows = list(zip(*seen, strict=True))

        def lengths(ends: Sequence[int]) -> list[int]:
            return [next((k + 1 for k, token in enumerate(row) if token in ends), LENGTH) for row in rows]

        pairs = itertools.combinations(sorted({token for row in rows for token in row[4:]}), 2)
        ends = list(max(pairs, key=lambda pair: (min(lengths(pair)) > 4, len(set(lengths(pair))))))
        assert min(lengths(ends)) > 4 and len(set(lengths(ends))) >= 3, lengths(ends)
        patch.setattr(wide_chat.model.generation_config, "eos_token_id", ends)
        replies = session.generate_all(prompts, max_new_tokens=LENGTH)
        assert session.decoding == "eager"
        assert [reply.completion_tokens for reply in replies] == lengths(ends)
    return prompts, ends, replies


@pytest.fixture
def asked(
    written: tuple[list[list[Message]], list[int], list[Reply]],
    wide_chat: ChatModel,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[list[Message]], list[Reply]]:
    prompts, ends, replies = written
    monkeypatch.setattr(wide_chat.model.generation_config, "eos_token_id", ends)
    return prompts, replies


def answers(replies: list[Reply]) -> list[tuple[str, int, bool]]:
    return [(reply.text, reply.completion_tokens, reply.finished) for reply in replies]


@pytest.mark.parametrize(("span", "batch_size"), [(256, 8), (3, 8), (3, 2), (1, 8)])
def test_answers_are_the_eager_ones(wide_chat, asked, recorder, monkeypatch, span: int, batch_size: int) -> None:
    prompts, eager = asked
    rows: list[int] = []
    recorder(lambda step: rows.append(len(step.ids)) or step)
    monkeypatch.setattr(decoding, "SPAN", span)
    with wide_chat.session(prompts[0]) as session:
        assert answers(session.generate_all(prompts, batch_size, LENGTH)) == answers(eager)
        assert session.decoding == ("eager" if span == 1 else "graph")  # a span of one token has no trial
        again = session.generate_all(prompts[-1:], max_new_tokens=LENGTH)  # in the room that is there
    assert answers(again) == answers(eager[-1:])
    if batch_size == 8 and span == 3:  # each is of the rows that are left; the last is of the question asked again
        assert rows[:-1] == sorted(rows[:-1], reverse=True) and rows[0] > rows[-2]


def test_one_trace_serves_a_whole_answer(wide_chat: ChatModel, asked, recorder) -> None:
    prompts, eager = asked
    traces: list[torch.fx.GraphModule] = []

    def traced(module: torch.fx.GraphModule, _: Any) -> Callable:
        traces.append(module)
        return module.forward

    torch._dynamo.reset()
    recorder(lambda step: torch.compile(lambda: step(), backend=traced, fullgraph=True, dynamic=False))
    with wide_chat.session(prompts[0]) as session:
        assert answers(session.generate_all(prompts, max_new_tokens=LENGTH)) == answers(eager)
        assert session.decoding == "graph" and len(traces) == 1


def wrong(step: decoding.FixedStep) -> Callable[[], torch.Tensor]:
    """Writes no numbers among the keys, and gives logits that are off by a tenth."""

    def run() -> torch.Tensor:
        logits = step()
        for layer in step._packed._kept.layers:
            layer.keys.index_fill_(2, layer.prefix + step.slots, torch.nan)
        return 1.1 * logits

    return run


def refuses(step: decoding.FixedStep) -> Callable[[], torch.Tensor]:
    raise RuntimeError("operation not permitted when stream is capturing\nCompile with TORCH_USE_CUDA_DSA")


def breaks(step: decoding.FixedStep) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        raise ValueError("graph cannot be launched")

    return run


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (wrong, "its logits differ by 10.0% from the logits without the graph."),
        (refuses, "RuntimeError: operation not permitted when stream is capturing"),
        (breaks, "ValueError: graph cannot be launched"),
    ],
)
def test_what_does_not_work_is_told_once_and_left(wide_chat, asked, recorder, capsys, record, said: str) -> None:
    prompts, eager = asked
    recorder(record)
    for _ in range(2):
        with wide_chat.session(prompts[0]) as session:
            assert answers(session.generate_all(prompts, max_new_tokens=LENGTH)) == answers(eager)
            assert session.decoding == "eager"
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"The model writes tokens without a CUDA graph, because the graph does not work on cpu: {said}"
    with pytest.raises(InputError, match=r"does not work on cpu.*decoding=None"):
        replace(wide_chat, decoding="graph").session(prompts[0])
    decoding.FAULTS.known.clear()
    with (
        replace(wide_chat, decoding="graph").session(prompts[0]) as session,
        pytest.raises(InputError, match=r"does not work on cpu.*decoding=None"),
    ):
        session.generate_all(prompts, max_new_tokens=LENGTH)


def test_without_memory_to_record_the_answer_goes_on_and_the_next_tries_again(wide_chat, asked, recorder) -> None:
    prompts, eager = asked
    tried: list[int] = []

    def short(step: decoding.FixedStep) -> Callable[[], torch.Tensor]:
        tried.append(1)
        if len(tried) > 1:
            return step
        try:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        finally:
            raise RuntimeError("the recording was ended")  # as torch does, which hides the first error

    recorder(short)
    with wide_chat.session(prompts[0]) as session:
        for way in ("eager", "graph"):
            assert answers(session.generate_all(prompts, max_new_tokens=LENGTH)) == answers(eager)
            assert session.decoding == way
        tried.clear()
    assert not decoding.FAULTS.known
    with (
        replace(wide_chat, decoding="graph").session(prompts[0]) as session,
        pytest.raises(InputError, match=r"OutOfMemoryError: CUDA out of memory.*decoding=None"),
    ):
        session.generate_all(prompts, max_new_tokens=LENGTH)
    assert not decoding.FAULTS.known


def test_fewer_are_asked_where_memory_runs_out_in_a_step(wide_chat, asked, recorder, monkeypatch) -> None:
    prompts, eager = asked
    recorder(lambda step: step)
    update, most = KeptLayer.update, 2

    def short(self: KeptLayer, key: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        if self.slots is not None and key.shape[2] > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return update(self, key, *rest)

    monkeypatch.setattr(KeptLayer, "update", short)
    with wide_chat.session(prompts[0]) as session:
        assert answers(session.generate_all(prompts, max_new_tokens=LENGTH)) == answers(eager)
        assert session._kept.room < sum(len(session._question_ids(one)) + LENGTH for one in prompts)


def test_a_model_that_breaks_within_a_recording_is_found(wide_chat, asked, recorder, monkeypatch) -> None:
    prompts, _ = asked
    recorder(lambda step: step)
    call = decoding.FixedStep.__call__
    monkeypatch.setattr(decoding.FixedStep, "__call__", lambda self: call(self) * torch.nan)
    with wide_chat.session(prompts[0]) as session, pytest.raises(InputError, match="results are not numbers"):
        session.generate_all(prompts, max_new_tokens=LENGTH)
    assert not decoding.FAULTS.known


def test_a_cpu_writes_eagerly_and_has_no_graphs(recorder) -> None:
    cpu = torch.device("cpu")
    assert decoding_way(cpu) == decoding_way(cpu, "eager") == "eager"
    assert decoding_way(torch.device("cuda")) == "graph"
    with pytest.raises(InputError, match=r"CUDA graphs do not work on cpu\. Use decoding=None"):
        decoding_way(cpu, "graph")
    with pytest.raises(InputError, match="'compiled' is not a way to write tokens"):
        decoding_way(cpu, "compiled")
    decoding.FAULTS.known[("cuda", 0)] = "too old a driver"
    assert decoding_way(torch.device("cuda:0")) == "eager" and decoding_way(torch.device("cuda:1")) == "graph"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_may_differ_by_their_formats_rounding_and_no_more(dtype: torch.dtype) -> None:
    logits = torch.randn(3, 100, generator=torch.Generator().manual_seed(0)).to(dtype)
    rounding = 1 + torch.finfo(dtype).eps
    assert difference(logits, logits) == difference((logits.float() * rounding).to(dtype), logits) == ""
    assert difference(torch.zeros_like(logits), torch.zeros_like(logits)) == ""
    assert "differ by inf%" in difference(logits, torch.zeros_like(logits))
    for other in (logits.roll(1, 0), logits * 1.05, torch.full_like(logits, torch.nan)):
        assert "differ by" in difference(other, logits)
