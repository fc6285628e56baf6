"""Run a model in vLLM's engine in this process, to evaluate many prompts together on a GPU.

The engine writes all answers at the same time, and keeps the keys and values of the beginnings that prompts share.
So it reads the images of a volume once for all questions about it, as in a session (`helpers.models.sessions`). It
rounds in another order than transformers. So if two words are nearly equally likely, an answer may differ.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, GenerationConfig

from helpers.errors import InputError
from helpers.models.batch_size import VISION_BATCH
from helpers.models.chat import ChatModel
from helpers.models.context import context_for, count_within, served_images, served_length, window_of
from helpers.models.engines import check_engine
from helpers.models.hub import find_model, is_standin
from helpers.models.loading import damage_explained, load_processor
from helpers.models.number_formats import check_numbers
from helpers.models.opening import load_model
from helpers.models.server import best_kind
from helpers.models.vision import resized
from helpers.prompts import (
    CONTEXT_BUDGET,
    CONTEXT_WINDOW,
    MAX_NEW_TOKENS,
    Message,
    Reply,
    TokenCount,
    check_max_new_tokens,
    images_of,
    prompt_ids,
    render_prompt,
    reply_from,
    volume_messages,
)


@dataclass(frozen=True)
class VllmModel:
    """A model in vLLM. It can be asked like a `helpers.models.ChatModel`, or with many prompts at once."""

    name: str
    llm: Any  # a vllm.LLM
    processor: Any
    end_tokens: frozenset[int]
    is_standin: bool
    engine: str  # name and version, which answers keep
    context: int = CONTEXT_BUDGET  # the most tokens of a prompt
    window: int = CONTEXT_WINDOW  # the most tokens of prompt and answer together

    def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """Tokens of a prompt; raises `InputError` when they are over the budget, 32K by default."""
        return count_within(messages, self.processor, self.context, self.window)

    def generate(self, messages: Sequence[Message], max_new_tokens: int = MAX_NEW_TOKENS) -> Reply:
        """Answer ``messages`` greedily; raises `InputError` for a prompt over the budget."""
        return self.generate_all([messages], max_new_tokens=max_new_tokens)[0]

    def generate_all(
        self,
        prompts: Sequence[Sequence[Message]],
        batch_size: int | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> list[Reply]:
        """Answer all prompts. The engine chooses how many it answers at the same time.

        An answer also ends where it and its prompt reach `helpers.models.context.served_length` tokens. Raises
        `InputError` for a prompt over the budget.
        """
        check_max_new_tokens(max_new_tokens)
        start = time.perf_counter()
        started = [""] * len(prompts)
        done = self._run(prompts, started, max_tokens=max_new_tokens, stop_token_ids=sorted(self.end_tokens))
        seconds = (time.perf_counter() - start) / max(1, len(prompts))
        return [
            reply_from(list(one.outputs[0].token_ids), len(one.prompt_token_ids), seconds, self) for one in done
        ]

    def next_token(
        self,
        prompts: Sequence[Sequence[Message]],
        begun: str | Sequence[str],
        among: Sequence[int],
        batch_size: int | None = None,
    ) -> torch.Tensor:
        """Log-likelihoods, in the whole vocabulary, of the tokens ``among``: (prompts, tokens).

        They are those of the next token after each prompt and ``begun``, the first words of its answer, which are
        one text for all prompts or one for each.
        """
        begun = [begun] * len(prompts) if isinstance(begun, str) else begun
        done = self._run(prompts, begun, max_tokens=1, logprob_token_ids=list(among))
        first = [one.outputs[0].logprobs[0] for one in done]
        found = torch.tensor([[options[token].logprob for token in among] for options in first])
        return check_numbers(found, self.name)

    def _run(self, prompts: Sequence[Sequence[Message]], begun: Sequence[str], **settings: Any) -> list[Any]:
        from vllm import SamplingParams

        made: dict[int, Image.Image] = {}  # images that several prompts share
        requests = []
        for messages, text in zip(prompts, begun, strict=True):
            self.count_tokens(messages)
            images = images_of(messages)
            for image in images:
                if id(image) not in made:
                    # Images are resized as the processor does for transformers. When vLLM resizes them, they
                    # already have this size.
                    made[id(image)] = resized(image, self.processor.image_processor)
            ids = self._ids(render_prompt(messages, self.processor)) + (self._ids(text) if text else [])
            shown = {"multi_modal_data": {"image": [made[id(image)] for image in images]}} if images else {}
            requests.append({"prompt_token_ids": ids, **shown})
        params = SamplingParams(temperature=0.0, detokenize=False, **settings)
        return self.llm.generate(requests, params, use_tqdm=False)

    def _ids(self, text: str) -> list[int]:
        return self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]


def load_vllm(
    name: str, *, memory_share: float = 0.9, context: int | None = None, token: str | None = None
) -> VllmModel:
    """Load a model into vLLM, on the GPU of this process, and say in one line what it is.

    Args:
        name: as in `helpers.models.load_model`, but no endpoint.
        memory_share: the share of the GPU's memory for weights, keys and values. While the model loads, no other
            process may start on this GPU.
        context: the most tokens of a prompt, as for `helpers.models.load_model`.
        token: Hugging Face token.

    Raises:
        InputError: vLLM is not installed, there is no CUDA GPU, the model cannot be loaded, vLLM does not start,
            it gives the model another prompt than transformers does, or the context is beyond the model's window.
    """
    # In a process of its own, the engine would live on if this process is killed, and keep the GPU.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    if not torch.cuda.is_available():
        # On a CPU, vLLM lets the tokens of an image see only earlier tokens, and gives no error.
        raise InputError("vLLM needs a CUDA GPU.", path=name, remedy="Use engine='transformers'.")
    try:
        from vllm import LLM, __version__
    except ImportError as error:
        raise InputError(f"vLLM is not installed ({error}).", path=name, remedy="Run: pip install vllm") from error
    folder = find_model(name, device="cuda", quantized=False, token=token)
    with damage_explained(folder):
        processor = load_processor(folder)
        ends = _end_tokens(folder)
        window = window_of(AutoConfig.from_pretrained(folder))
    context = context_for(context, window, name)
    try:
        llm = LLM(
            model=str(folder),
            dtype="bfloat16",
            max_model_len=served_length(context, window),
            limit_mm_per_prompt={"image": served_images(context)},
            gpu_memory_utilization=memory_share,
        )
    except Exception as error:  # its parts raise many kinds of errors, also CUDA's own
        raise InputError(
            f"vLLM did not start ({error}).",
            path=name,
            remedy="Correct the error that it names, or use transformers.",
        ) from error
    # Some versions do not let the tokens of an image see each other.
    if not getattr(llm.llm_engine.model_config, "is_mm_prefix_lm", False):
        raise InputError(
            f"In vLLM {__version__} the tokens of an image attend only to earlier tokens, but MedGemma "
            "needs all tokens of the image.",
            path=name,
            remedy="Update vLLM, or use transformers.",
        )
    engine = f"vllm {__version__}"
    loaded = VllmModel(name, llm, processor, ends, is_standin(str(folder)), engine, context, window)
    _check_prompt(loaded)
    print(f"{name}: in vLLM {__version__} on cuda in bfloat16.")
    return loaded


def _end_tokens(folder: Path) -> frozenset[int]:
    """The tokens that end an answer."""
    if (folder / "generation_config.json").is_file():
        ends = GenerationConfig.from_pretrained(folder).eos_token_id
    else:
        ends = AutoConfig.from_pretrained(folder).eos_token_id
    return frozenset(ends if isinstance(ends, list) else [ends])


def _check_prompt(loaded: VllmModel) -> None:
    """Check that vLLM, which inserts the tokens of images itself, makes the same prompt as transformers."""
    messages = volume_messages([Image.new("RGB", (8, 8))] * 2, "Is this a test?")
    tokenizer = loaded.processor.tokenizer
    (done,) = loaded._run([messages], [""], max_tokens=1)
    # Around an image, vLLM may divide line ends into other tokens of the same text.
    if tokenizer.decode(done.prompt_token_ids) != tokenizer.decode(prompt_ids(messages, loaded.processor)):
        raise InputError(
            "vLLM does not give the model the same prompt as transformers does.",
            path=loaded.name,
            remedy="Use another version of vLLM, or transformers.",
        )


def load_engine(
    engine: str | None,
    name: str,
    adapter: str | os.PathLike[str] | None = None,
    *,
    context: int | None = None,
    vision_batch: int = VISION_BATCH,
) -> ChatModel | VllmModel:
    """Load a model into "transformers" or "vllm". By default, `helpers.models.server.best_kind` chooses.

    With an adapter, or with another ``vision_batch`` than the default, the default is "transformers". Raises
    `InputError` as `check_engine`, `load_vllm` and `helpers.models.load_model` do.
    """
    check_engine(engine, name, adapter, vision_batch)
    if engine is None:
        engine = best_kind(name) if adapter is None and vision_batch == VISION_BATCH else "transformers"
    if engine == "transformers":
        return load_model(name, adapter=adapter, context=context, vision_batch=vision_batch)
    return load_vllm(name, context=context)
