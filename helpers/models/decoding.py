"""How the tokens of packed questions are written: by Python's calls, or by a step that the GPU has recorded.

For each token Python calls some thousands of operations, most of them small, and a GPU may wait for the calls. A
CUDA graph is called once. It holds the kernels of the eager step and no others, and takes one step to record; a
compiler would begin anew with every new length of a prompt. We have not measured what it gains, because we had no
GPU.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch

from helpers.errors import InputError
from helpers.models.faults import Faults, described
from helpers.models.packed import FixedStep, PackedQuestions

Way = Literal["eager", "graph"]
FAULTS = Faults("The model writes tokens without a CUDA graph, because the graph does not work")

# Tokens that are written before a step is recorded. That and its trial take three steps and more, which an answer
# of a few words would not get back.
FROM = 8
# Tokens that a recorded step serves. Each looks back on as many places as the last of them needs, which with room
# for answers of 2,000 tokens would be nearly all empty at first.
SPAN = 256


def _cuda_graph(step: FixedStep) -> Callable[[], torch.Tensor]:
    graph, now = torch.cuda.CUDAGraph(), torch.cuda.current_stream(step.ids.device)
    recording = torch.cuda.graph(graph, stream=_beside(now.device), capture_error_mode="thread_local")
    with torch.cuda.stream(now), recording:  # the outer block takes the stream back where the inner one fails
        logits = step()

    def replay() -> torch.Tensor:
        graph.replay()
        return logits  # each run writes into the same

    return replay


@functools.cache  # torch keeps memory for each stream that has multiplied matrices
def _beside(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


# By type of device: what makes of a step that has run once another that gives the same with fewer calls.
RECORDERS: dict[str, Callable[[FixedStep], Callable[[], torch.Tensor]]] = {"cuda": _cuda_graph}


def decoding_way(device: torch.device, asked: str | None = None) -> Way:
    """The way that the tokens of a session's answers are written.

    Args:
        device: of the model.
        asked: "graph" for a recorded step or "eager" for calls from Python; None takes the best that works.

    Raises:
        InputError: the way does not exist, or a graph was asked for but does not work on the device.
    """
    if asked is not None and asked not in get_args(Way):
        raise InputError(f"{asked!r} is not a way to write tokens.", remedy=f"Use one of {get_args(Way)}.")
    if asked == "eager" or (asked is None and device.type not in RECORDERS):
        return "eager"
    if device.type not in RECORDERS:
        raise InputError(f"CUDA graphs do not work on {device}.", remedy="Use decoding=None, the default.")
    fault = FAULTS.on(device)
    if fault and asked is not None:
        raise _does_not_work(device, fault)
    return "eager" if fault else "graph"


class Steps:
    """The steps of one batch, after its questions were read.

    With a graph the first `FROM` tokens are written eagerly, and so is the next one, by a step whose shapes stay,
    which is then recorded. The token after that is written both ways. Where their logits agree the recorded step
    goes on from there, else the eager one. After `SPAN` tokens another is recorded, for the rows that are left.

    Args:
        packed: questions that have been read.
        way: from `decoding_way`.
        asked: whether somebody asked for that way. Then it is an error that it fails; else it is told, once.
    """

    def __init__(self, packed: PackedQuestions, way: Way, *, asked: bool = False) -> None:
        self.way: Way = "eager"  # "graph" once a recorded step has passed its trial
        self._packed, self._asked = packed, asked
        self._eager_left = FROM if way == "graph" else math.inf
        self._fixed: FixedStep | None = None
        self._rows = torch.empty(0, dtype=torch.long)  # of the fixed step's, those that go on
        self._recorded: Callable[[], torch.Tensor] | None = None
        self._records, self._passed = True, False  # whether it is tried, and whether it has passed

    def go_on(self, chosen: torch.Tensor, keep: Sequence[int] | None = None) -> torch.Tensor:
        """Logits after one more token of each row, as `PackedQuestions.go_on` gives them, until the next call.

        Raises `InputError` where a graph was asked for and does not work.
        """
        if self._eager_left > 0:
            self._eager_left -= 1
            return self._packed.go_on(chosen, keep)
        if self._fixed is None:
            self._rows = torch.arange(len(chosen), device=chosen.device)
        if keep is not None:
            index = self._packed.to_device(keep)
            chosen, self._rows = chosen[index], self._rows[index]
        if self._fixed is None or not self._fixed.left:
            return self._start(chosen)
        self._fixed.advance(chosen, self._rows)
        logits = self._run(self._fixed)
        return logits if len(self._rows) == len(logits) else logits[self._rows]

    def _start(self, chosen: torch.Tensor) -> torch.Tensor:
        self._recorded, self._passed = None, False  # what was recorded holds memory
        self._fixed = self._packed.fixed(chosen, self._rows, SPAN)
        self._rows = torch.arange(len(chosen), device=chosen.device)
        logits = self._fixed()  # loads what a recording must find loaded
        if self._records:
            try:
                self._recorded = RECORDERS[chosen.device.type](self._fixed)
            except Exception as error:  # of the driver, of torch, or of a library that computes in the model
                self._give_up(chosen.device, error)
        return logits

    def _run(self, fixed: FixedStep) -> torch.Tensor:
        if self._recorded is None:
            return fixed()
        if self._passed:
            return self._recorded()
        try:
            tried = self._recorded().clone()
        except Exception as error:
            self._give_up(fixed.ids.device, error)
            return fixed()
        logits = fixed()  # writes the same places once more
        if not logits.isfinite().all():
            return logits  # of a model that is broken: whoever asked will find it
        if fault := difference(tried, logits):
            self._give_up(fixed.ids.device, fault)
        else:
            self._passed, self.way = True, "graph"
        return logits

    def _give_up(self, device: torch.device, fault: Exception | str) -> None:
        """Go on without a recording: in this batch and, unless it was memory that was short, in all that come."""
        self._recorded, self._records, short = None, False, None
        if isinstance(fault, Exception):
            # A recording in which memory runs out fails once more as it is ended.
            causes = (fault, fault.__context__)
            short = next((error for error in causes if isinstance(error, torch.OutOfMemoryError)), None)
            fault = described(short or fault)
        if self._asked:
            raise _does_not_work(device, fault)
        if short is None:
            FAULTS.note(device, fault)


def difference(tried: torch.Tensor, logits: torch.Tensor) -> str:
    """The difference between the logits of a recorded and of an eager step, in one line; empty if they agree."""
    allowed = max(4 * torch.finfo(logits.dtype).eps, 1e-4)  # by the digits of the format
    apart, largest = float((tried.float() - logits.float()).abs().max()), float(logits.float().abs().max())
    if apart <= allowed * largest:
        return ""
    share = apart / largest if largest else math.inf
    return f"its logits differ by {share:.1%} from the logits without the graph."


def _does_not_work(device: torch.device, fault: str) -> InputError:
    return InputError(
        f"Writing tokens with a CUDA graph does not work on {device}: {fault}",
        remedy="Use decoding=None, the default.",
    )
