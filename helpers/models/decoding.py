"""Write the tokens of packed questions, by calls from Python or by a step that the GPU has recorded.

For each token, Python calls some thousands of operations. Most of them are small, so a GPU may wait for the calls.
A CUDA graph is called only once for all of them. It holds the same kernels as the eager step, and recording it
takes one step. A compiler would have to begin again with every new length of a prompt. How much time a graph saves
was not measured.
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

# The number of tokens that are written before a step is recorded. The recording and its trial take at least three
# steps, so for an answer of a few words they are not worth their time.
FROM = 8
# The number of tokens for which a recorded step is used. Each of these tokens looks back on as many places as the
# last one needs. With room for answers of 2,000 tokens, nearly all places would be empty at first.
SPAN = 256


def _cuda_graph(step: FixedStep) -> Callable[[], torch.Tensor]:
    graph, now = torch.cuda.CUDAGraph(), torch.cuda.current_stream(step.ids.device)
    recording = torch.cuda.graph(graph, stream=_beside(now.device), capture_error_mode="thread_local")
    with torch.cuda.stream(now), recording:  # the outer block restores the stream if the inner one fails
        logits = step()

    def replay() -> torch.Tensor:
        graph.replay()
        return logits  # every run writes into this tensor

    return replay


@functools.cache  # torch keeps memory for each stream that multiplies matrices
def _beside(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


# By type of device: a function that turns a step into another one with the same result and fewer calls.
RECORDERS: dict[str, Callable[[FixedStep], Callable[[], torch.Tensor]]] = {"cuda": _cuda_graph}


def decoding_way(device: torch.device, asked: str | None = None) -> Way:
    """The way that the tokens of a session's answers are written.

    Args:
        device: the device of the model.
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

    With a graph, the first `FROM` tokens are written eagerly. So is the next token, by a step with fixed shapes,
    which is then recorded. The token after it is written in both ways. If their logits agree, the recorded step
    writes the next tokens, else the eager step does. After `SPAN` tokens, another step is recorded for the rows
    that are left.

    Args:
        packed: questions that have been read.
        way: from `decoding_way`.
        asked: whether the caller asked for this way. If so, a failure is an error. Otherwise it is printed once.
    """

    def __init__(self, packed: PackedQuestions, way: Way, *, asked: bool = False) -> None:
        self.way: Way = "eager"  # "graph" once a recorded step has passed its trial
        self._packed, self._asked = packed, asked
        self._eager_left = FROM if way == "graph" else math.inf
        self._fixed: FixedStep | None = None
        self._rows = torch.empty(0, dtype=torch.long)  # the rows of the fixed step that go on
        self._recorded: Callable[[], torch.Tensor] | None = None
        self._records, self._passed = True, False  # whether a recording is tried, and whether one has passed

    def go_on(self, chosen: torch.Tensor, keep: Sequence[int] | None = None) -> torch.Tensor:
        """Logits after one more token of each row, as `PackedQuestions.go_on` gives them, until the next call.

        Raises `InputError` if the caller asked for a graph and it does not work.
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
        self._recorded, self._passed = None, False  # a recording holds memory
        self._fixed = self._packed.fixed(chosen, self._rows, SPAN)
        self._rows = torch.arange(len(chosen), device=chosen.device)
        logits = self._fixed()  # loads everything that must be loaded before a recording
        if self._records:
            try:
                self._recorded = RECORDERS[chosen.device.type](self._fixed)
            except Exception as error:  # from the driver, torch, or another library
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
        logits = fixed()  # writes into the same places again
        if not logits.isfinite().all():
            return logits  # the model is broken, which the caller will find
        if fault := difference(tried, logits):
            self._give_up(fixed.ids.device, fault)
        else:
            self._passed, self.way = True, "graph"
        return logits

    def _give_up(self, device: torch.device, fault: Exception | str) -> None:
        """Go on without a recording in this batch and, unless only memory was short, in all later ones."""
        self._recorded, self._records, short = None, False, None
        if isinstance(fault, Exception):
            # If memory runs out in a recording, ending the recording fails, too.
            causes = (fault, fault.__context__)
            short = next((error for error in causes if isinstance(error, torch.OutOfMemoryError)), None)
            fault = described(short or fault)
        if self._asked:
            raise _does_not_work(device, fault)
        if short is None:
            FAULTS.note(device, fault)


def difference(tried: torch.Tensor, logits: torch.Tensor) -> str:
    """The difference between the logits of a recorded and of an eager step, in one line; empty if they agree."""
    allowed = max(4 * torch.finfo(logits.dtype).eps, 1e-4)  # from the precision of the format
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
