"""Ask many questions about the same images for the price of one.

The part before the question (the images and their labels) is the same for every question about a volume, and it is
most of the prompt: 85 slices are about 22,000 tokens, a question is 60. A session encodes the images and reads
that prefix once, keeps its keys and values, and goes on from them with several questions in one row
(`helpers.models.packed`). The answers are those of `ChatModel.generate`, token for token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch

from helpers.errors import InputError, check_count
from helpers.models.attention import reading, without_adapter
from helpers.models.context import window_of
from helpers.models.decoding import Steps, Way, decoding_way
from helpers.models.kept_keys import KeptKeys, kept_bytes
from helpers.models.number_formats import check_numbers, not_numbers
from helpers.models.packed import PackedQuestions
from helpers.models.prefill import prefill_attention
from helpers.models.prompt_memory import check_prompt_memory, free_bytes
from helpers.prompts import (
    MAX_NEW_TOKENS,
    Decoder,
    Message,
    Reply,
    TokenCount,
    check_max_new_tokens,
    images_of,
    prompt_ids,
    reply_from,
    same_pixels,
    with_question,
)

# The share of the free memory that keys and values may take. The rest is for results while tokens are read.
SHARE = 0.8

Row = list[int]  # token ids after the prefix
Result = TypeVar("Result")


class Reader(Decoder, Protocol):
    """The methods of a loaded model that a session needs. `helpers.models.ChatModel` has them."""

    name: str
    prefill: str | None
    decoding: str | None

    @property
    def model(self) -> Any:
        """The model as transformers loads it."""

    def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """Tokens of a prompt; raises `InputError` when they are over the budget."""

    def inputs(self, messages: Sequence[Message]) -> dict[str, Any]:
        """Arguments for the model's forward: token ids, types and encoded images."""


class Session:
    """Images that were read once, for many questions. Use a session in a ``with`` block, which frees the memory.

    Args:
        chat: the model.
        messages: a prompt with images. `ask` needs one without a question (`volume_messages` and
            `image_messages` can leave it out), and raises `InputError` otherwise.
        cache_limit: the bytes that keys and values may take, including those of the questions asked together; by
            default four fifths of the free memory of the device.

    Raises:
        InputError: the prompt has no image or is over the budget, its keys and values are over ``cache_limit``, or
            memory is too small.
    """

    def __init__(self, chat: Reader, messages: Sequence[Message], *, cache_limit: float | None = None) -> None:
        self.messages = list(messages)
        self.chat, self._limit = chat, cache_limit
        full = without_adapter(chat.model)
        self._model, self._head = full.model, full.lm_head
        self._text, self._width = full.config.get_text_config(), torch.finfo(full.dtype).bits // 8
        self._window = window_of(self._text)
        self._way = decoding_way(chat.model.device, chat.decoding)
        self.decoding: Way = "eager"  # how the newest answers were written; "graph" if a graph passed its trial
        self._images = images_of(messages)
        if not self._images:
            raise InputError(
                "The session has no image to keep.", remedy="Use generate for a prompt without images."
            )
        tokens = chat.count_tokens(messages).total
        way = prefill_attention(chat.model, tokens, chat.prefill)
        check_prompt_memory(chat.model, tokens, chat.name, way)
        ids = prompt_ids(messages, chat.processor)
        self._prefix = ids[: _end_of_images(ids, chat)]
        self._kept: KeptKeys | None = None
        self._check_room(0)
        start = time.perf_counter()
        kept = KeptKeys(self._text)
        try:
            with torch.inference_mode(), reading(chat.model, way):
                inputs = chat.inputs(messages)
                shared = {name: inputs[name][:, : len(self._prefix)] for name in ("input_ids", "token_type_ids")}
                self._model(
                    **shared,
                    mm_encoder_outputs=inputs["mm_encoder_outputs"],
                    past_key_values=kept,
                    use_cache=True,
                )
        except torch.OutOfMemoryError as error:
            raise self._no_memory("to read these images", "Use fewer images") from error
        self._kept = kept
        self.seconds = time.perf_counter() - start  # seconds to read the images once

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the keys and values. After this, the session cannot answer any more."""
        self._kept = None
        _release()

    @property
    def cache_bytes(self) -> int:
        """Bytes that the keys and values of the images take."""
        return kept_bytes(self._text, self._width, len(self._prefix))

    def ask(self, question: str, max_new_tokens: int = MAX_NEW_TOKENS) -> Reply:
        """Answer one question about the images, as ``chat.generate`` would; raises as `generate_all` does."""
        return self.ask_all([question], max_new_tokens=max_new_tokens)[0]

    def ask_all(
        self, questions: Sequence[str], batch_size: int = 16, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> list[Reply]:
        """Answer questions about the images, up to ``batch_size`` at a time, each as if it were asked alone."""
        prompts = [with_question(self.messages, question) for question in questions]
        return self.generate_all(prompts, batch_size=batch_size, max_new_tokens=max_new_tokens)

    def generate_all(
        self, prompts: Sequence[Sequence[Message]], batch_size: int = 16, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> list[Reply]:
        """Answer whole prompts that begin with this session's: the same images with the same words between them.

        Up to ``batch_size`` prompts are asked together, and fewer if memory or the session's limit has less room.
        Raises `InputError` for a prompt with another beginning, if there is no room even for one prompt, and for
        logits that are not numbers.
        """
        check_max_new_tokens(max_new_tokens)
        rows = [self._question_ids(prompt) for prompt in prompts]
        more, replies = min(max_new_tokens, self._window - len(self._prefix)), []
        for batch, outputs, seconds in self._together(
            rows, batch_size, more, lambda packed, batch: self._continue(packed, batch, more)
        ):
            replies += [
                reply_from(ids, len(self._prefix) + len(row), seconds / len(batch), self.chat)
                for row, ids in zip(batch, outputs, strict=True)
            ]
        return replies

    def next_token(
        self,
        prompts: Sequence[Sequence[Message]],
        begun: str | Sequence[str],
        among: Sequence[int] | None = None,
        batch_size: int = 16,
    ) -> torch.Tensor:
        """The logits of the next token after each prompt and ``begun``, its answer's first words: (prompts,
        tokens).

        ``begun`` is the same for all, or one for each prompt. The logits are those of the tokens ``among``, by
        default of the whole vocabulary. Raises as `generate_all` does.
        """
        begun = [begun] * len(prompts) if isinstance(begun, str) else list(begun)
        if len(begun) != len(prompts):
            raise InputError(
                f"There are {len(prompts)} prompts, but {len(begun)} beginnings of answers.",
                remedy="Give one beginning for each prompt, or one string for all.",
            )
        words = [self.chat.processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in begun]
        rows = [self._question_ids(prompt) + ids for prompt, ids in zip(prompts, words, strict=True)]
        parts = [logits for _, logits, _ in self._together(rows, batch_size, 0, PackedQuestions.read_once)]
        logits = torch.cat(parts) if parts else torch.empty(0, self._head.out_features)
        check_numbers(logits, self.chat.name)
        return logits if among is None else logits[:, list(among)]

    def fits(self, prompt: Sequence[Message]) -> bool:
        """Whether a prompt begins with this session's images and the words between them."""
        return self._after_prefix(prompt) is not None

    def _question_ids(self, prompt: Sequence[Message]) -> Row:
        """The tokens of a prompt after this session's prefix."""
        ids = self._after_prefix(prompt)
        if ids is None:
            raise InputError(
                "The images of this prompt, or the words between them, are not those of the session.",
                remedy="Start another session for this prompt.",
            )
        self.chat.count_tokens(prompt)
        return ids

    def _after_prefix(self, prompt: Sequence[Message]) -> Row | None:
        images, n = images_of(prompt), len(self._prefix)
        same = len(images) == len(self._images) and all(map(same_pixels, images, self._images))
        ids = prompt_ids(prompt, self.chat.processor) if same else []
        return ids[n:] if same and ids[:n] == self._prefix else None

    def _together(
        self, rows: Sequence[Row], batch_size: int, more: int, work: Callable[[PackedQuestions, list[Row]], Result]
    ) -> Iterator[tuple[list[Row], Result, float]]:
        """Yield batches of rows in order, with the result of ``work`` and its seconds.

        A batch takes as many rows as there is room for, each with ``more`` tokens to come. If memory runs out,
        batches have half as many.
        """
        check_count(
            batch_size,
            f"batch_size is {batch_size!r}, which is not a whole number of 1 or more.",
            remedy="Use batch_size=1 or more.",
        )
        done, tight = 0, False
        while done < len(rows):
            batch = self._first_that_fit(rows[done : done + batch_size], more)
            start = time.perf_counter()
            result = self._try(batch, more, tight, work)
            if result is not None:
                yield batch, result, time.perf_counter() - start
                done += len(batch)
                continue
            if len(batch) == 1:
                raise self._no_memory("for one question", "Use fewer images, a smaller max_new_tokens")
            batch_size, tight = len(batch) // 2, True

    def _try(
        self, batch: list[Row], more: int, tight: bool, work: Callable[[PackedQuestions, list[Row]], Result]
    ) -> Result | None:
        """The result of ``work`` for a batch; None if memory runs out."""
        if self._kept is None:
            raise InputError("The session is closed.", remedy="Start another one.")
        try:
            with torch.inference_mode(), reading(self.chat.model, "sdpa"):
                self._kept.make_room(_room(batch, more), exactly=tight)
                packed = PackedQuestions(self._model.language_model, self._head, self._kept, len(self._prefix))
                return work(packed, batch)
        except torch.OutOfMemoryError:
            pass  # the error also frees the results so far
        _release()
        return None

    def _continue(self, packed: PackedQuestions, rows: Sequence[Row], limit: int) -> list[Row]:
        """The greedy tokens after each row, with its end token, up to the end of the model's window."""
        ends, outputs, going = self.chat.end_tokens, [[] for _ in rows], list(range(len(rows)))
        logits, steps = packed.read(rows), Steps(packed, self._way, asked=self.chat.decoding is not None)
        for left in reversed(range(limit)):
            # This is the only wait for the device for each token. A row whose logits are not numbers gets -1.
            chosen = torch.where(torch.isfinite(logits).all(-1), logits.argmax(-1), -1)
            tokens = chosen.tolist()
            if min(tokens) < 0:
                raise not_numbers(self.chat.name, logits.dtype)
            for k, token in zip(going, tokens, strict=True):
                outputs[k].append(token)
            full = [len(self._prefix) + len(rows[k]) + len(outputs[k]) >= self._window for k in going]
            keep = [i for i, token in enumerate(tokens) if token not in ends and not full[i]]
            if not keep or not left:
                break
            going = [going[i] for i in keep]
            logits = steps.go_on(chosen, keep if len(keep) < len(tokens) else None)
        self.decoding = steps.way
        return outputs

    def _first_that_fit(self, rows: Sequence[Row], more: int) -> list[Row]:
        """As many of the first rows, at least one, as have room for their keys and values together."""
        limit, n = self._allowed(), len(rows)
        while n > 1 and self._bytes(_room(rows[:n], more)) > limit:
            n -= 1
        self._check_room(_room(rows[:n], more))
        return list(rows[:n])

    def _bytes(self, room: int) -> int:
        return kept_bytes(self._text, self._width, len(self._prefix), room)

    def _allowed(self) -> float:
        """The bytes that keys and values may take, with those that already exist."""
        if self._limit is not None:
            return self._limit
        held = self._kept.nbytes if self._kept else 0
        return held + SHARE * free_bytes(self.chat.model.device)

    def _check_room(self, room: int) -> None:
        needed, allowed = self._bytes(room), self._allowed()
        if needed > allowed:
            given = (
                "a higher cache_limit" if self._limit is not None else "close other programs that use the memory"
            )
            raise InputError(
                f"The keys and values of {len(self._prefix) + room:,} tokens take {needed / 1e6:,.1f} "
                f"MB, which is over the limit of {allowed / 1e6:,.1f} MB.",
                path=self.chat.name,
                remedy=f"Use fewer images{', a smaller max_new_tokens' if room else ''}, or {given}.",
            )

    def _no_memory(self, what: str, remedy: str) -> InputError:
        return InputError(
            f"{self.chat.model.device} does not have enough memory {what}.",
            path=self.chat.name,
            remedy=f"{remedy}, or use load_model(..., quantized=True).",
        )


def _room(rows: Sequence[Row], more: int) -> int:
    """The tokens of rows, with those to come."""
    return sum(len(row) + more for row in rows)


def _release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _end_of_images(ids: Row, chat: Reader) -> int:
    """How many tokens there are up to the end of the last image."""
    end = chat.model.config.eoi_token_index
    return len(ids) - ids[::-1].index(end)
