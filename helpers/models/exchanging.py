"""Exchange images of a prompt and compute the next token, without encoding an image twice.

A token sees all tokens before it. So if an image is exchanged, the keys and values before it stay the same, and
all that come after it change. Only these are read again. The prompt whose first exchanged image comes last is read
first, because each reading may then overwrite keys and values that no later reading needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from helpers.errors import InputError
from helpers.models.attention import SharedKeys, reading, without_adapter
from helpers.models.chat import ChatModel
from helpers.models.kept_keys import aligned
from helpers.models.number_formats import check_numbers
from helpers.models.prompt_memory import free_bytes
from helpers.models.sessions import SHARE
from helpers.models.vision import encode_images
from helpers.prompts import Message, images_of, prompt_ids


class ImageExchange:
    """A prompt that is read once, and then asked again with some of its images exchanged.

    Args:
        chat: a model that is loaded here.
        messages: the prompt.
        begun: token ids of the answer's first words. The model writes the next token after them.

    Raises:
        InputError: there is no image, the prompt is over the budget, or memory is too small.
    """

    def __init__(self, chat: ChatModel, messages: Sequence[Message], begun: Sequence[int] = ()) -> None:
        self.chat = chat
        images = images_of(messages)
        if not images:
            raise InputError("There is no image to exchange.", remedy="Give a prompt with images.")
        chat.count_tokens(messages)
        full = without_adapter(chat.model)
        self._model, self._head, self._text = (
            full.model.language_model,
            full.lm_head,
            full.config.get_text_config(),
        )
        ids = torch.tensor(prompt_ids(messages, chat.processor) + list(begun), device=chat.model.device)
        self.tokens = len(ids)
        self._check_memory()
        self.features = encode_images(chat.model, chat.processor.image_processor, images, chat.vision_batch)
        is_image = ids == full.config.image_token_id
        starts = is_image & ~torch.nn.functional.pad(is_image, (1, 0))[:-1]
        # The number of the image to which each token belongs, and -1 for words. Behind the prompt, there is
        # nothing to see.
        self._image = torch.full((aligned(self.tokens),), -1, device=ids.device)
        self._image[: self.tokens] = torch.where(is_image, starts.cumsum(0) - 1, -1)
        self._starts = starts.nonzero()[:, 0].tolist()
        # As many tokens are read together as a sliding layer sees, so that no mask holds all pairs of the prompt's
        # tokens.
        self._cuts = _cuts(self._starts, self.tokens, self._text.sliding_window)
        with torch.inference_mode():
            self._embedded = full.get_input_embeddings()(ids.masked_fill(is_image, 0))
            self._embedded[is_image] = self.features.flatten(0, 1).to(self._embedded.dtype)
        self._kept = Cache(
            layers=[
                WholeLayer(self._text.sliding_window if kind == "sliding_attention" else None)
                for kind in self._text.layer_types
            ]
        )
        self._intact = 0  # first tokens whose keys and values are those of the plain prompt
        self.plain = check_numbers(self._read(self._embedded, 0), chat.name)  # logits of the plain prompt
        self._intact = self.tokens

    def encode(self, images: Sequence[Any]) -> torch.Tensor:
        """Image tokens of other images, to exchange for those of the prompt: (images, tokens, numbers)."""
        return encode_images(self.chat.model, self.chat.processor.image_processor, images, self.chat.vision_batch)

    def logits(self, exchanges: Sequence[Mapping[int, torch.Tensor]]) -> torch.Tensor:
        """Logits of the next token for each set of exchanged images: (exchanges, vocabulary).

        Args:
            exchanges: each maps the number of an image, from 0, to its new tokens from `encode`. An empty one
                stands for the prompt with its own images.

        Raises:
            InputError: no image has this number, memory is too small, or logits are not numbers.
        """
        for number in (number for exchange in exchanges for number in exchange):
            if not 0 <= number < len(self._starts):
                raise InputError(
                    f"There is no image {number} to exchange; the prompt has {len(self._starts)}.",
                    remedy=f"Count from 0 to {len(self._starts) - 1}.",
                )
        first = [min(exchange, default=len(self._starts)) for exchange in exchanges]
        found: dict[int, torch.Tensor] = {}
        for k in sorted(range(len(exchanges)), key=first.__getitem__, reverse=True):
            found[k] = self._exchanged(exchanges[k]) if exchanges[k] else self.plain
        logits = torch.stack([found[k] for k in range(len(exchanges))]) if found else self.plain[None][:0]
        return check_numbers(logits, self.chat.name)

    def tokens_to_read(self, exchanges: Sequence[Sequence[int]]) -> int:
        """How many tokens `logits` reads for these sets of images."""
        return sum(self.tokens - self._starts[min(numbers)] for numbers in exchanges if numbers)

    def _exchanged(self, exchange: Mapping[int, torch.Tensor]) -> torch.Tensor:
        start = self._starts[min(exchange)]
        if self._intact < start:  # another reading has overwritten these
            self._read(self._embedded, self._intact, start)
        embedded = self._embedded[start:].clone()
        for number, features in exchange.items():
            embedded[self._image[start : self.tokens] == number] = features.to(embedded.dtype)
        self._intact = start
        return self._read(embedded, start)

    @torch.inference_mode()
    def _read(self, embedded: torch.Tensor, start: int, stop: int | None = None) -> torch.Tensor:
        """Read tokens from ``start`` on and keep their keys and values; logits after the last of the prompt.

        ``embedded`` holds all tokens of the prompt, or those from ``start`` on.
        """
        stop = self.tokens if stop is None else stop
        offset = self.tokens - len(embedded)
        ends = [start, *(cut for cut in self._cuts if start < cut < stop), stop]
        try:
            with reading(self.chat.model, "sdpa"):
                for begin, end in pairwise(ends):
                    hidden = self._forward(embedded[begin - offset : end - offset], begin, end)
        except torch.OutOfMemoryError as error:
            raise self._no_memory() from error
        return self._head(hidden[-1]) if stop == self.tokens else hidden

    def _forward(self, embedded: torch.Tensor, begin: int, end: int) -> torch.Tensor:
        """Hidden states of tokens, (tokens, numbers); none of those before the last tokens of the prompt.

        Of these only the keys and values are used, so the last layer need not compute more than its own.
        """
        queries = torch.arange(begin, end, device=embedded.device)
        masks = {}
        for kind, layer in zip(self._text.layer_types, self._kept.layers, strict=True):
            layer.begin, layer.room = begin, len(self._image)
            if kind in masks:
                continue
            keys = torch.arange(layer.first, aligned(end), device=embedded.device)
            same = (self._image[begin:end, None] == self._image[keys]) & (self._image[keys] >= 0)
            seen = (keys <= queries[:, None]) | same
            if layer.window is not None:
                seen &= keys > queries[:, None] - layer.window
            masks[kind] = SharedKeys(seen)
        self._kept.layers[-1].ends_here = end < self.tokens
        try:
            read = self._model(
                inputs_embeds=embedded[None],
                attention_mask=masks,
                position_ids=queries[None],
                past_key_values=self._kept,
                use_cache=True,
            )
        except AllKept:
            return embedded[:0]
        return read.last_hidden_state[0]

    def _check_memory(self) -> None:
        width = torch.finfo(self.chat.model.dtype).bits // 8
        each = 2 * self._text.num_key_value_heads * self._text.head_dim * width * len(self._text.layer_types)
        needed, free = each * self.tokens, SHARE * free_bytes(self.chat.model.device)
        if needed > free:
            raise InputError(
                f"Keys and values of all {self.tokens:,} tokens take {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB "
                "can be used.",
                path=self.chat.name,
                remedy="Use fewer images, or close other programs that use the memory.",
            )

    def _no_memory(self) -> InputError:
        return InputError(
            f"{self.chat.model.device} does not have enough memory to read this prompt again.",
            path=self.chat.name,
            remedy="Use fewer images, or load_model(..., quantized=True).",
        )


class AllKept(Exception):
    """Ends a forward pass in the last layer, where keys and values are written and nothing else is wanted."""


class WholeLayer(CacheLayerMixin):
    """Keys and values of one layer for every token of a prompt, written in place from token ``begin`` on.

    ``window`` is how far back a token of the layer sees, and attention gets no keys before that. It gets a few
    keys behind the last one, up to a multiple of `helpers.models.kept_keys.ALIGNED`, and its mask hides them. With
    ``ends_here`` no attention follows: `update` raises `AllKept` once it has written.
    """

    is_sliding = False

    def __init__(self, window: int | None) -> None:
        super().__init__()
        self.window = window
        self.begin = self.room = 0
        self.ends_here = False

    @property
    def first(self) -> int:
        """The first key that attention gets, a multiple of eight."""
        return 0 if self.window is None else max(0, self.begin - self.window + 1) // 8 * 8

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make room for all tokens, filled with zeros, because places that are never written must not be NaN."""
        self.keys, self.values = (
            states.new_zeros(*states.shape[:2], self.room, states.shape[3])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the newest keys and values, (1, heads, tokens, numbers), and return all that attention gets."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.begin + key_states.shape[-2]
        self.keys[:, :, self.begin : end] = key_states
        self.values[:, :, self.begin : end] = value_states
        if self.ends_here:
            raise AllKept
        return self.keys[:, :, self.first : aligned(end)], self.values[:, :, self.first : aligned(end)]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The number of keys and the first of them. This package makes the masks, not transformers."""
        return self.begin + query_length, 0

    def get_seq_length(self) -> int:
        """The number of tokens before the newest ones."""
        return self.begin

    def get_max_length(self) -> int:
        """-1, because this cache sets no limit."""
        return -1


def _cuts(starts: Sequence[int], tokens: int, at_once: int) -> list[int]:
    """Places to cut a prompt, about every ``at_once`` tokens: where images begin, never inside of one."""
    cuts = [0]
    for start, following in pairwise([*starts, tokens]):
        if following - cuts[-1] > at_once and start > cuts[-1]:
            cuts.append(start)
    return cuts
