"""A model in vLLM's engine, in this process: for an evaluation on a GPU, where many prompts are asked together.

The engine writes the answers to all of them side by side and keeps the keys and values of what they begin with, so
the images of a volume are read once for all questions about it, as in a session (`helpers.sessions`). It rounds in
another order than transformers does, so where two words are nearly as likely an answer may be another one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import GenerationConfig

from helpers.errors import InputError
from helpers.hub import find_model, is_standin
from helpers.models import ChatModel, damage_explained, load_model, load_processor
from helpers.prompts import Message, TokenCount, check_budget, images_of, prompt_ids, render_prompt
from helpers.protocol import MAX_PATCHES
from helpers.replies import Reply, reply_from
from helpers.serving import CONTEXT, best_kind
from helpers.vision import resized

MEMORY_SHARE = 0.9  # of what a process has of a GPU, for weights, keys and values


@dataclass(frozen=True)
class VllmModel:
    """A model that vLLM runs; it is asked as a `helpers.models.ChatModel` is, or with many prompts at once."""

    name: str
    llm: Any  # vllm.LLM
    processor: Any
    end_tokens: frozenset[int]
    is_standin: bool
    engine: str  # with its version, as answers name it

    def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """Tokens of a prompt; raises `InputError` when they are over the 32K budget."""
        return check_budget(messages, self.processor)

    def generate(self, messages: Sequence[Message], max_new_tokens: int = 512) -> Reply:
        """Answer ``messages`` greedily; raises `InputError` for a prompt over the budget."""
        return self.generate_all([messages], max_new_tokens=max_new_tokens)[0]

    def generate_all(
        self, prompts: Sequence[Sequence[Message]], batch_size: int | None = None, max_new_tokens: int = 512
    ) -> list[Reply]:
        """Answer all prompts, side by side as far as the engine has room; it makes its batches itself.

        Raises `InputError` for a prompt over the budget.
        """
        start = time.perf_counter()
        done = self._run(prompts, "", max_tokens=max_new_tokens, stop_token_ids=sorted(self.end_tokens))
        seconds = (time.perf_counter() - start) / max(1, len(prompts))
        return [
            reply_from(list(one.outputs[0].token_ids), len(one.prompt_token_ids), seconds, self) for one in done
        ]

    def next_token(
        self, prompts: Sequence[Sequence[Message]], begun: str, among: Sequence[int], batch_size: int | None = None
    ) -> torch.Tensor:
        """Log-likelihoods of the tokens ``among`` after each prompt and ``begun``: (prompts, tokens)."""
        done = self._run(prompts, begun, max_tokens=1, logprob_token_ids=list(among))
        first = [one.outputs[0].logprobs[0] for one in done]
        return torch.tensor([[options[token].logprob for token in among] for options in first])

    def _run(self, prompts: Sequence[Sequence[Message]], begun: str, **settings: Any) -> list[Any]:
        from vllm import SamplingParams

        words = self._ids(begun) if begun else []
        made: dict[int, Image.Image] = {}  # of images that several prompts share
        requests = []
        for messages in prompts:
            self.count_tokens(messages)
            images = images_of(messages)
            for image in images:
                if id(image) not in made:
                    # As the processor does for transformers; what vLLM then resizes has that size already.
                    made[id(image)] = resized(image, self.processor.image_processor)
            ids = self._ids(render_prompt(messages, self.processor)) + words
            shown = {"multi_modal_data": {"image": [made[id(image)] for image in images]}} if images else {}
            requests.append({"prompt_token_ids": ids, **shown})
        params = SamplingParams(temperature=0.0, detokenize=False, **settings)
        done = self.llm.generate(requests, params, use_tqdm=False)
        tokenizer = self.processor.tokenizer
        for one, messages in zip(done, prompts, strict=True):
            # Around an image vLLM may cut line ends into other tokens, of the same text.
            wanted = tokenizer.decode(prompt_ids(messages, self.processor) + words)
            if tokenizer.decode(one.prompt_token_ids) != wanted:
                raise InputError(
                    "vLLM gives the model another prompt than transformers does.",
                    path=self.name,
                    remedy='Use another version of vLLM, or engine="transformers".',
                )
        return done

    def _ids(self, text: str) -> list[int]:
        return self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]


def load_vllm(name: str, *, memory_share: float = MEMORY_SHARE, token: str | None = None) -> VllmModel:
    """Load a model into vLLM, on the GPU of this process, and say in one line what it is.

    vLLM 0.32 looks for the vision tower's weights by the names of the published files. ``save_pretrained`` of
    transformers 5 gives them others, so of what was saved with it vLLM says that it does not start.

    Args:
        name: as in `helpers.models.load_model`, but no endpoint.
        memory_share: of the GPU's memory, for the weights and the keys and values.
        token: Hugging Face token.

    Raises:
        InputError: vLLM or a CUDA GPU is not there, the model is not to be had, or vLLM does not start.
    """
    # In a process of its own the engine would outlive one that is killed, and keep the GPU.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    if not torch.cuda.is_available():
        # On a CPU vLLM lets the tokens of an image see only those before them, and says nothing.
        raise InputError("vLLM needs a CUDA GPU.", path=name, remedy="Use engine='transformers'.")
    try:
        from vllm import LLM, __version__
    except ImportError as error:
        raise InputError(f"vLLM is not installed ({error}).", path=name, remedy="Run: pip install vllm") from error
    folder = find_model(name, device="cuda", quantized=False, token=token)
    with damage_explained(folder):
        processor = load_processor(folder)
        ends = GenerationConfig.from_pretrained(folder).eos_token_id
    try:
        llm = LLM(
            model=str(folder),
            dtype="bfloat16",
            max_model_len=CONTEXT,
            limit_mm_per_prompt={"image": MAX_PATCHES},
            gpu_memory_utilization=memory_share,
        )
    except Exception as error:  # it raises what its parts do, from a failed check to CUDA's own
        raise InputError(
            f"vLLM does not start ({error}).", path=name, remedy="Put right what it says, or use transformers."
        ) from error
    # Read from vLLM itself: it came with one of its versions, and differs between backends.
    if not getattr(llm.llm_engine.model_config, "is_mm_prefix_lm", False):
        raise InputError(
            f"vLLM {__version__} lets the tokens of an image see only those before them.",
            path=name,
            remedy="Update it, or use transformers.",
        )
    print(f"{name}: in vLLM {__version__} on cuda in bfloat16.")
    ends = frozenset(ends if isinstance(ends, list) else [ends])
    return VllmModel(name, llm, processor, ends, is_standin(str(folder)), engine=f"vllm {__version__}")


def load_engine(
    engine: str | None,
    name: str,
    adapter: str | os.PathLike[str] | None = None,
    *,
    gpu_share: float = 1.0,
) -> ChatModel | VllmModel:
    """Load a model into "transformers" or "vllm"; by default vLLM where it can run it (`helpers.serving`).

    ``gpu_share`` is the part of the GPU that is this process's. Raises `InputError` as `load_vllm` and
    `helpers.models.load_model` do, for an adapter or the stand-in in vLLM, and for an engine of another name.
    """
    if engine is None:
        engine = best_kind(name) if adapter is None else "transformers"
    if engine == "transformers":
        return load_model(name, adapter=adapter)
    if engine != "vllm":
        raise InputError(f"There is no engine {engine!r}.", remedy="Give transformers or vllm.")
    if adapter is not None or is_standin(name):
        what = "An adapter" if adapter is not None else "The stand-in"
        raise InputError(f"{what} is not loaded into vLLM here.", path=adapter or name, remedy="Use transformers.")
    return load_vllm(name, memory_share=MEMORY_SHARE * gpu_share)
