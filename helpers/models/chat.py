"""A loaded model (the stand-in or the real one) that answers prompts."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from PIL import Image
from transformers import GenerationConfig, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from helpers.errors import InputError
from helpers.models.attention import reading, without_adapter
from helpers.models.batch_size import VISION_BATCH
from helpers.models.context import count_within, window_of
from helpers.models.number_formats import NumbersOnly, check_numbers
from helpers.models.prefill import prefill_attention
from helpers.models.prompt_memory import check_prompt_memory
from helpers.models.sessions import Session
from helpers.models.vision import encode_images
from helpers.prompts import (
    CONTEXT_BUDGET,
    MAX_NEW_TOKENS,
    Message,
    Reply,
    RunningText,
    TokenCount,
    check_max_new_tokens,
    images_key,
    images_of,
    prompt_ids,
    reply_from,
)


@dataclass(frozen=True)
class ChatModel:
    """A model with its processor, which answers chat messages (`helpers.prompts`)."""

    name: str
    model: Any
    processor: Any
    is_standin: bool
    vision_batch: int = VISION_BATCH  # images in the vision tower at once; halved if memory runs out
    prefill: str | None = None  # how prompts are read (`prefill_attention`); None takes the best way
    decoding: str | None = None  # how a session writes (`decoding_way`); None takes the best way
    context: int = CONTEXT_BUDGET  # the most tokens of a prompt
    kept_images: dict[str, torch.Tensor] | None = field(default=None, repr=False, compare=False)
    engine: ClassVar[str] = "transformers"

    def keeping_images(self) -> Self:
        """The same model, which encodes each image once and keeps its tokens for further prompts.

        With MedGemma, the tokens of an image take 1.3 MB in bfloat16. The memory is freed with the returned model.
        """
        return replace(self, kept_images={})

    def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """The tokens of a prompt; raises `InputError` if they are over the budget, 32K by default."""
        return count_within(messages, self.processor, self.context, window_of(self.model.config))

    def generate(
        self,
        messages: Sequence[Message],
        max_new_tokens: int = MAX_NEW_TOKENS,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """Answer ``messages`` greedily: one run, no sampling, as the report evaluates.

        From the model's own generation settings, only the tokens that end a reply are used, as in a session. An
        answer also ends, unfinished, when prompt and answer fill the model's window.

        ``on_text`` is called with the answer so far, a few times a second while it is written. Raises `InputError`
        for a prompt over the budget, for too little memory, and for logits that are not numbers.
        """
        check_max_new_tokens(max_new_tokens)
        tokens = self.count_tokens(messages).total
        way = prefill_attention(self.model, tokens, self.prefill)
        check_prompt_memory(self.model, tokens, self.name, way)
        start = time.perf_counter()
        numbers, room = NumbersOnly(self.name, self.model.dtype), window_of(self.model.config) - tokens
        try:
            inputs = self.inputs(messages)
            with torch.inference_mode(), reading(self.model, way):
                output = self._plainly_greedy(min(max_new_tokens, room)).generate(
                    **inputs,
                    logits_processor=LogitsProcessorList([numbers]),
                    streamer=RunningText(self, on_text) if on_text else None,
                )
        except torch.OutOfMemoryError as error:
            raise self._no_memory() from error
        numbers.check()
        prompt_tokens = inputs["input_ids"].shape[1]
        return reply_from(output[0, prompt_tokens:].tolist(), prompt_tokens, time.perf_counter() - start, self)

    def next_token(
        self, prompts: Sequence[Sequence[Message]], begun: str | Sequence[str], batch_size: int = 1
    ) -> torch.Tensor:
        """The logits of the next token after each prompt and ``begun``, as from `Session.next_token`.

        Each prompt is read in one pass, and nothing of it is kept. So this is quicker than a session that is asked
        once. The prompts are read one by one, whatever ``batch_size`` is.
        """
        begun = [begun] * len(prompts) if isinstance(begun, str) else begun
        read = [self._next_token(prompt, text) for prompt, text in zip(prompts, begun, strict=True)]
        return check_numbers(torch.stack(read), self.name)

    def _next_token(self, messages: Sequence[Message], begun: str) -> torch.Tensor:
        more = self.processor.tokenizer(begun, add_special_tokens=False)["input_ids"]
        tokens = self.count_tokens(messages).total + len(more)
        way = prefill_attention(self.model, tokens, self.prefill)
        check_prompt_memory(self.model, tokens, self.name, way)
        try:
            inputs = self.inputs(messages, more)
            with torch.inference_mode(), reading(self.model, way):
                output = without_adapter(self.model)(**inputs, use_cache=False, logits_to_keep=1)
        except torch.OutOfMemoryError as error:
            raise self._no_memory() from error
        return output.logits[0, -1]

    def _no_memory(self) -> InputError:
        return InputError(
            "The GPU does not have enough memory for this prompt.",
            path=self.name,
            remedy="Use fewer images, or load_model(..., quantized=True).",
        )

    def session(self, messages: Sequence[Message], *, cache_limit: float | None = None) -> Session:
        """Read the images of ``messages`` once, to ask many questions about them: a `Session`."""
        return Session(self, messages, cache_limit=cache_limit)

    def _plainly_greedy(self, max_new_tokens: int) -> Any:
        """The model with the same weights, but without its saved settings, which would fill in missing ones."""
        model, saved = copy.copy(without_adapter(self.model)), self.model.generation_config
        model.generation_config = GenerationConfig(
            do_sample=False,
            max_new_tokens=max_new_tokens,
            **{name: getattr(saved, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")},
        )
        return model

    @property
    def end_tokens(self) -> set[int]:
        """The ids that end a reply."""
        ends = self.model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, (list, tuple)) else {ends}

    def inputs(self, messages: Sequence[Message], begun: Sequence[int] = ()) -> dict[str, Any]:
        """Arguments for the model's forward or generate: token ids, types and encoded images, batch of one.

        ``begun`` holds the token ids of the answer's first words.
        """
        ids = torch.tensor([[*prompt_ids(messages, self.processor), *begun]], device=self.model.device)
        # These types mark image tokens. They switch on attention in both directions within one image.
        types = (ids == self.model.config.image_token_id).long()
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": types}
        if images := images_of(messages):
            features = self._encoded(images)
            inputs["mm_encoder_outputs"] = {"image": BaseModelOutputWithPooling(pooler_output=features)}
        return inputs

    def _encoded(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Image tokens: (images, tokens an image, hidden size). Tokens that are kept are not computed again."""
        if self.kept_images is None:
            return encode_images(self.model, self.processor.image_processor, images, self.vision_batch)
        keys = [images_key([image]) for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self.kept_images}
        if new:
            made = encode_images(self.model, self.processor.image_processor, [*new.values()], self.vision_batch)
            self.kept_images.update(zip(new, made, strict=True))
        return torch.stack([self.kept_images[key] for key in keys])
