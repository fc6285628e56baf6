"""What the tests of this folder share."""

from __future__ import annotations

import pytest
import torch

from helpers.finetuning import Tuning
from helpers.models import ChatModel, load_model
from helpers.teaching import generate

QUICK = Tuning(rank=2, alpha=4, learning_rate=1e-3, epochs=3, batch_size=4, at_once=2, save_steps=2)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """So small a model gains nothing from a second thread, and on a busy machine waits for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # for processes that tests start
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def chat() -> ChatModel:
    """A stand-in of the test's own: tuning changes it."""
    return load_model("standin", device="cpu")


def images(n: int = 8, seed: int = 0):
    return generate("image", n, seed)


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that autograd keeps for the backward pass, each storage once, the weights left out."""

    def __init__(self, model) -> None:
        self.bytes = 0
        self._storages = {p.untyped_storage()._cdata: None for p in model.parameters()}
        super().__init__(self._pack, lambda tensor: tensor)

    def __enter__(self) -> SavedBytes:
        super().__enter__()
        return self

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            self._storages[storage._cdata] = tensor  # held, so that its address is not used again
            self.bytes += storage.nbytes()
        return tensor
