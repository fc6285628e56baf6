"""Find the most bytes that a part of the training holds at once, by running it on tensors without numbers.

PyTorch's fake tensors have shapes and no memory. The model's own code runs on them. Where a GPU works differently,
its way is put in: a fused attention kernel, a fused dropout, and bfloat16 products around weights of other types
(autocast).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, Gemma3Config, Gemma3ForConditionalGeneration
from transformers.initialization import no_init_weights

from helpers.finetuning.tower import through_tower
from helpers.finetuning.tuning import Tuning, to_train


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that operations made and that still exist (``live``), and the ``peak``."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Run an operation, and count its new tensors. Views and changes in place are not new."""
        given = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if torch.is_tensor(x)}
        out = operation(*args, **(kwargs or {}))
        for storage in (x.untyped_storage() for x in tree_leaves(out) if torch.is_tensor(x)):
            if storage._cdata not in given and storage._cdata not in self._held:
                self._held[storage._cdata] = storage.nbytes()
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self._let_go, storage._cdata)
        return out

    def _let_go(self, key: int) -> None:
        self.live -= self._held.pop(key, 0)


def language_peak(config: Gemma3Config, tokens: int, tuning: Tuning, dtype: torch.dtype) -> int:
    """The most bytes in one layer's forward and backward pass, without its input and the attention masks.

    Args:
        config: the configuration of the whole model.
        tokens: the number of tokens of one example.
        tuning: the settings; ``at_once`` examples are traced together.
        dtype: the type in which the model computes.
    """
    shape = (tuning.at_once, tokens, config.text_config.hidden_size)
    with fakes(shortened(config, 1), tuning, dtype) as model:
        embedded = torch.empty(shape, dtype=weights_dtype(tuning, dtype), requires_grad=True)
        mask = torch.empty(tuning.at_once, 1, tokens, tokens, dtype=torch.bool)
        inputs = {
            "inputs_embeds": embedded,
            "attention_mask": {"full_attention": mask, "sliding_attention": mask},
            "use_cache": False,
        }
        return _peak(dtype, lambda: model.model.language_model(**inputs).last_hidden_state)


def tower_peak(config: Gemma3Config, images: int, tuning: Tuning, dtype: torch.dtype) -> int:
    """The most bytes for one group of images in the vision tower, with the backward pass if it is adapted."""
    side, layers, peaks = config.vision_config.image_size, config.vision_config.num_hidden_layers, []
    for few in (1, 2):
        with fakes(shortened(config, few), tuning, dtype) as model:
            group = torch.empty(images, 3, side, side)
            peaks.append(_peak(dtype, lambda model=model, group=group: through_tower(model.model, [group])))
    return peaks[0] + (peaks[1] - peaks[0]) * (layers - 1)


def shortened(config: Gemma3Config, layers: int) -> Gemma3Config:
    """The same configuration with only ``layers`` layers in the language model and in the tower."""
    short = deepcopy(config)
    short.text_config.num_hidden_layers = short.vision_config.num_hidden_layers = layers
    short.text_config.layer_types = ["full_attention"] * layers
    return short


def on_meta(config: Gemma3Config, dtype: torch.dtype = torch.float32) -> Any:
    """A model that has only shapes and no numbers."""
    with torch.device("meta"), no_init_weights():
        model = Gemma3ForConditionalGeneration._from_config(config, dtype=dtype)
    model.tie_weights()
    return model


def weights_dtype(tuning: Tuning, dtype: torch.dtype) -> torch.dtype:
    """The type of weights and of the values between layers. In full tuning, it is always float32."""
    return dtype if tuning.rank else torch.float32


@contextmanager
def fakes(config: Gemma3Config, tuning: Tuning, dtype: torch.dtype) -> Iterator[Any]:
    """A model to train, without PEFT's wrapper, with checkpointed layers. Tensors are fake within the block."""
    model = on_meta(config, weights_dtype(tuning, dtype))
    to_train(model, tuning)
    with FakeTensorMode():
        _make_fake(model)
        model.train().set_attn_implementation("fused")
        # There are no random numbers whose state must be kept.
        model.activation_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        yield model


def _make_fake(model: Any) -> None:
    """Replace the tensors without numbers by fake tensors."""
    made: dict[torch.nn.Parameter, torch.nn.Parameter] = {}  # head and embeddings may be one tensor
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is None:
                continue
            if weight not in made:
                made[weight] = torch.nn.Parameter(
                    torch.empty(weight.shape, dtype=weight.dtype), weight.requires_grad
                )
            module._parameters[name] = made[weight]
        for name, buffer in module._buffers.items():
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
        # On a CPU, it would keep a whole number and not a byte for each value.
        if isinstance(module, torch.nn.Dropout):
            module.forward = lambda x, p=module.p: torch.native_dropout(x, p, True)[0]


def _peak(dtype: torch.dtype, forward: Callable[[], torch.Tensor]) -> int:
    with LiveBytes() as counted:
        with as_on_gpu(dtype):
            made = forward()
        if made.requires_grad:
            made.backward(torch.empty_like(made))
    return counted.peak


def as_on_gpu(dtype: torch.dtype) -> Any:
    """The autocast that training in ``dtype`` runs under."""
    return nullcontext() if dtype is torch.float32 else torch.autocast("cpu", dtype)


class _Fused(torch.autograd.Function):
    """Makes the tensors of torch's memory-efficient attention: results, a number a row, and gradients."""

    @staticmethod
    def forward(context: Any, query: Any, key: Any, value: Any, bias: Any) -> torch.Tensor:
        out, row = torch.empty_like(query), query.new_empty(query.shape[:3], dtype=torch.float32)
        context.save_for_backward(query, key, value, bias, out, row)
        return out

    @staticmethod
    def backward(context: Any, gradient: Any) -> tuple[Any, ...]:
        query, key, value, *_ = context.saved_tensors
        # Gradients of queries are added up in float32, beside one number for each row.
        workspace = (
            torch.empty_like(query, dtype=torch.float32),
            query.new_empty(query.shape[:3], dtype=torch.float32),
        )
        gradients = tuple(torch.empty_like(x) for x in (query, key, value))
        del workspace
        return *gradients, None


def _fused_attention(layer: Any, query: Any, key: Any, value: Any, mask: Any, **_: Any) -> tuple[Any, None]:
    repeats, bias = getattr(layer, "num_key_value_groups", 1), None
    if repeats > 1:
        key, value = (x.repeat_interleave(repeats, dim=1) for x in (key, value))
    if mask is not None:  # it becomes a mask of numbers, padded to multiples of eight
        bias = mask.to(query.dtype)
        bias = torch.nn.functional.pad(bias, (0, -bias.shape[-1] % 8)) if bias.shape[-1] % 8 else bias
    return _Fused.apply(query, key, value, bias).transpose(1, 2).contiguous(), None


AttentionInterface.register("fused", _fused_attention)
