"""Ask many questions about the same images for the price of one.

What comes before the question (the images and their labels) is the same for every question about a volume, and is
nearly all of the prompt: 85 slices are about 22,000 tokens, a question is 60. A session encodes the images and
reads that prefix once, keeps the keys and values, and continues from a copy of them for each question. The answers
are those of `ChatModel.generate`, token for token.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from helpers.errors import InputError
from helpers.models.number_formats import check_numbers, not_numbers
from helpers.models.prompt_memory import check_prompt_memory
from helpers.prompts import Decoder, Message, Reply, check_budget, images_of, prompt_ids, reply_from, with_question

# A batch of questions of different lengths leaves gaps before the shorter ones, and the layers with a sliding
# window have to keep as many keys more. Questions that differ by more are asked in batches of their own.
SLACK = 128  # tokens


class Reader(Decoder, Protocol):
    """A loaded model that a session asks: `helpers.models.ChatModel`."""

    name: str

    @property
    def model(self) -> Any:
        """As transformers loads it."""

    def inputs(self, messages: Sequence[Message]) -> dict[str, Any]:
        """Arguments for the model's forward: token ids, types and encoded images."""


class Session:
    """Images that were read once, ready for questions; use it in a ``with`` block, which frees the memory.

    Args:
        chat: the model.
        messages: a prompt with images, with a question or (`volume_messages` and `image_messages` without one) up
            to it. What comes after the last image is not kept.
        cache_limit: bytes that keys and values may take, those of a batch included.

    Raises:
        InputError: there is no image, the prompt is over the budget, or its keys and values over ``cache_limit``.
    """

    def __init__(self, chat: Reader, messages: Sequence[Message], *, cache_limit: float = 8e9) -> None:
        self.messages = list(messages)
        self.chat, self._limit = chat, cache_limit
        full = chat.model.get_base_model() if hasattr(chat.model, "get_base_model") else chat.model
        self._model, self._head = full.model, full.lm_head
        self._images = images_of(messages)
        if not self._images:
            raise InputError("There is no image to keep in a session.", remedy="Use generate for words alone.")
        check_prompt_memory(chat.model, check_budget(messages, chat.processor).total, chat.name)
        ids = prompt_ids(messages, chat.processor)
        self._prefix = ids[: _end_of_images(ids, chat)]
        text = full.config.get_text_config()
        self._window = text.sliding_window
        self._layers = copy.deepcopy(text)
        self._layers.sliding_window += SLACK
        self._allow(1)
        start = time.perf_counter()
        self._cache: DynamicCache | None = DynamicCache(config=self._layers)
        with torch.inference_mode():
            inputs = chat.inputs(messages)
            shared = {name: inputs[name][:, : len(self._prefix)] for name in ("input_ids", "token_type_ids")}
            self._model(
                **shared,
                mm_encoder_outputs=inputs["mm_encoder_outputs"],
                past_key_values=self._cache,
                use_cache=True,
            )
        self.seconds = time.perf_counter() - start  # for reading the images, once

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the keys and values. The session answers no more."""
        self._cache = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def cache_bytes(self) -> int:
        """Memory of the keys and values for one question."""
        text, length = self._layers, len(self._prefix)
        each = 2 * text.num_key_value_heads * text.head_dim * self._head.weight.element_size()
        kept = (
            length if kind == "full_attention" else min(length, text.sliding_window) for kind in text.layer_types
        )
        return sum(each * tokens for tokens in kept)

    def ask(self, question: str, max_new_tokens: int = 512) -> Reply:
        """Answer one question about the images, as ``chat.generate`` would."""
        return self.ask_all([question], max_new_tokens=max_new_tokens)[0]

    def ask_all(self, questions: Sequence[str], batch_size: int = 8, max_new_tokens: int = 512) -> list[Reply]:
        """Answer questions about the images, ``batch_size`` at a time, each as if it were asked alone."""
        prompts = [with_question(self.messages, question) for question in questions]
        return self.generate_all(prompts, batch_size=batch_size, max_new_tokens=max_new_tokens)

    def generate_all(
        self, prompts: Sequence[Sequence[Message]], batch_size: int = 8, max_new_tokens: int = 512
    ) -> list[Reply]:
        """Answer whole prompts that begin with this session's: the same images with the same words between them.

        Raises `InputError` for a prompt that does not, where the batch would pass the session's limit, and for
        logits that are no numbers.
        """
        rows = [self._question_ids(prompt) for prompt in prompts]
        self._allow(1 + min(batch_size, len(rows)))
        replies: dict[int, Reply] = {}
        for batch in _batches([len(row) for row in rows], batch_size):
            start = time.perf_counter()
            outputs = self._continue([rows[k] for k in batch], max_new_tokens)
            seconds = (time.perf_counter() - start) / len(batch)
            for k, ids in zip(batch, outputs, strict=True):
                replies[k] = reply_from(ids, len(self._prefix) + len(rows[k]), seconds, self.chat)
        return [replies[k] for k in range(len(rows))]

    @torch.inference_mode()
    def next_token(
        self,
        prompts: Sequence[Sequence[Message]],
        begun: str | Sequence[str],
        among: Sequence[int] | None = None,
        batch_size: int = 8,
    ) -> torch.Tensor:
        """Logits of what follows each prompt and ``begun``, its answer's first words: (prompts, tokens).

        ``begun`` is the same for all, or one for each prompt. Of the tokens ``among``, by default of the whole
        vocabulary.
        """
        begun = [begun] * len(prompts) if isinstance(begun, str) else begun
        words = [self.chat.processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in begun]
        rows = [self._question_ids(prompt) + ids for prompt, ids in zip(prompts, words, strict=True)]
        out: dict[int, torch.Tensor] = {}
        for batch in _batches([len(row) for row in rows], batch_size):
            step = _Step(self, [rows[k] for k in batch])
            out.update(zip(batch, step.logits(step.ids), strict=True))
        logits = check_numbers(torch.stack([out[k] for k in range(len(rows))]), self.chat.name)
        return logits if among is None else logits[:, list(among)]

    def fits(self, prompt: Sequence[Message]) -> bool:
        """Whether a prompt begins with this session's images and the words between them."""
        return self._after_prefix(prompt) is not None

    def _question_ids(self, prompt: Sequence[Message]) -> list[int]:
        """The tokens of a prompt after this session's prefix."""
        ids = self._after_prefix(prompt)
        if ids is None:
            raise InputError(
                "This prompt has other images, or other words between them, than the session.",
                remedy="Start a session of its own for it.",
            )
        check_budget(prompt, self.chat.processor)
        return ids

    def _after_prefix(self, prompt: Sequence[Message]) -> list[int] | None:
        images, n = images_of(prompt), len(self._prefix)
        same = len(images) == len(self._images) and all(
            a is b or (a.size == b.size and a.tobytes() == b.tobytes())
            for a, b in zip(images, self._images, strict=True)
        )
        ids = prompt_ids(prompt, self.chat.processor) if same else []
        return ids[n:] if same and ids[:n] == self._prefix else None

    def _allow(self, copies: int) -> None:
        needed = copies * self.cache_bytes
        if needed > self._limit:
            fits = int(self._limit // self.cache_bytes) - 1
            raise InputError(
                f"Keys and values of {len(self._prefix):,} tokens take {self.cache_bytes / 1e9:.2f} GB, "
                f"{copies} copies {needed / 1e9:.2f} GB: over the limit of {self._limit / 1e9:.2f} GB.",
                remedy=f"Use batch_size={fits} or less."
                if fits > 0
                else "Use fewer images, or a higher cache_limit.",
            )

    @torch.inference_mode()
    def _continue(self, rows: list[list[int]], limit: int) -> list[list[int]]:
        """Greedy tokens after each row, its end token included."""
        ends = torch.tensor(sorted(self.chat.end_tokens))
        step, outputs = _Step(self, rows), [[] for _ in rows]
        ids, going = step.ids, torch.ones(len(rows), dtype=torch.bool)
        for _ in range(limit):
            logits = step.logits(ids)
            # One transfer a token: a row whose logits are no numbers chooses -1.
            chosen = torch.where(torch.isfinite(logits).all(-1), logits.argmax(-1), -1).cpu()
            if (chosen[going] < 0).any():
                raise not_numbers(self.chat.name, logits.dtype)
            for k in going.nonzero()[:, 0].tolist():
                outputs[k].append(int(chosen[k]))
            going &= ~torch.isin(chosen, ends)
            if not going.any():
                break
            ids = chosen[:, None].to(ids.device)
            step.append()
        return outputs


class _Step:
    """A batch of rows that continue the prefix: right-aligned, with gaps before the shorter ones.

    Positions, not indices, say what is seen, so that a gap neither counts nor is looked at: a key is seen from its
    own position on, in layers with a sliding window for so many positions.
    """

    def __init__(self, session: Session, rows: list[list[int]]) -> None:
        if session._cache is None:
            raise InputError("The session is closed.", remedy="Start another one.")
        self.session, self.cache = session, copy.deepcopy(session._cache)
        if len(rows) > 1:
            self.cache.batch_repeat_interleave(len(rows))
        n, longest, device = len(session._prefix), max(map(len, rows)), session._head.weight.device
        self.ids = torch.zeros(len(rows), longest, dtype=torch.long)
        self.positions = torch.full((len(rows), n + longest), -1)  # -1: nothing is there
        self.positions[:, :n] = torch.arange(n)
        for row, ids, position in zip(rows, self.ids, self.positions, strict=True):
            ids[longest - len(row) :] = torch.tensor(row)
            position[n + longest - len(row) :] = n + torch.arange(len(row))
        self.ids, self.positions = self.ids.to(device), self.positions.to(device)

    def append(self) -> None:
        """Make room for the next token of every row."""
        self.positions = torch.cat([self.positions, self.positions[:, -1:] + 1], dim=1)

    def logits(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits after the newest tokens ``ids``, (rows, vocabulary)."""
        session, n = self.session, ids.shape[1]
        # What fills a gap looks from the end of the prefix; nobody looks at it.
        at = self.positions[:, -n:].clamp(min=len(session._prefix))
        kept = min(self.positions.shape[1], session._layers.sliding_window - 1 + n)
        queries, keys = at[:, None, :, None], self.positions[:, None, None, :]
        seen = (keys >= 0) & (keys <= queries)
        near = (seen & (keys > queries - session._window))[..., -kept:]
        masks = {"full_attention": seen, "sliding_attention": near}
        hidden = session._model.language_model(
            input_ids=ids, attention_mask=masks, position_ids=at, past_key_values=self.cache, use_cache=True
        )
        return session._head(hidden.last_hidden_state[:, -1])


def _batches(lengths: list[int], batch_size: int) -> list[list[int]]:
    """Numbers of rows that go together: of like length, at most ``batch_size``."""
    out: list[list[int]] = []
    for k in sorted(range(len(lengths)), key=lengths.__getitem__):
        if out and len(out[-1]) < batch_size and lengths[k] - lengths[out[-1][0]] <= SLACK:
            out[-1].append(k)
        else:
            out.append([k])
    return out


def _end_of_images(ids: list[int], chat: Reader) -> int:
    """How many tokens there are up to the end of the last image."""
    end = chat.model.config.eoi_token_index
    return len(ids) - ids[::-1].index(end)
