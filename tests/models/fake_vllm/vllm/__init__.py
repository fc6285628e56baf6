"""What the package uses of vLLM, done by transformers: for tests where there is no GPU for the real one.

Like the real one it takes token ids with one place holder for each image and puts all tokens of the image there
itself; images come in the size of the vision tower. The folder above, on the path, makes it ``import vllm``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from helpers.models import encode_images, load_model

__version__ = "0 (a fake)"


@dataclass
class SamplingParams:
    """Greedy, with what is asked for."""

    temperature: float
    detokenize: bool
    max_tokens: int
    stop_token_ids: tuple[int, ...] = ()
    logprob_token_ids: tuple[int, ...] = ()


class LLM:
    """One prompt after the other."""

    def __init__(self, model: str, dtype: str, max_model_len: int, **settings: Any) -> None:
        self.chat = load_model(model, device="cpu", dtype=torch.float32)
        assert dtype == "bfloat16" and max_model_len > 85 * 260
        self.limit = settings["limit_mm_per_prompt"]["image"]
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(is_mm_prefix_lm=True, model=model))
        self.share = settings["gpu_memory_utilization"]

    def generate(self, prompts: list[dict[str, Any]], params: SamplingParams, use_tqdm: bool) -> list[Any]:
        """As vLLM gives it: the whole prompt's ids, and one output of each."""
        return [self._one(prompt, params) for prompt in prompts]

    @torch.inference_mode()
    def _one(self, prompt: dict[str, Any], params: SamplingParams) -> Any:
        processor, model = self.chat.processor, self.chat.model
        images = prompt.get("multi_modal_data", {}).get("image", [])
        size = processor.image_processor.size
        assert len(images) <= self.limit
        assert all(image.size == (size["width"], size["height"]) for image in images)
        text = processor.tokenizer.decode(prompt["prompt_token_ids"])
        text = text.replace(processor.boi_token, processor.full_image_sequence)
        ids = torch.tensor([processor.tokenizer(text, add_special_tokens=False)["input_ids"]])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        inputs["token_type_ids"] = (ids == model.config.image_token_id).long()
        if images:
            features = encode_images(model, processor.image_processor, images)
            inputs["mm_encoder_outputs"] = {"image": BaseModelOutputWithPooling(pooler_output=features)}
        if params.logprob_token_ids:
            shares = torch.log_softmax(model(**inputs).logits[0, -1].float(), dim=-1)
            first = {k: SimpleNamespace(logprob=float(shares[k])) for k in params.logprob_token_ids}
            out = SimpleNamespace(token_ids=[int(shares.argmax())], logprobs=[first])
        else:
            ends = list(params.stop_token_ids)
            done = model.generate(**inputs, max_new_tokens=params.max_tokens, do_sample=False, eos_token_id=ends)
            out = SimpleNamespace(token_ids=done[0, ids.shape[1] :].tolist(), logprobs=None)
        return SimpleNamespace(prompt_token_ids=ids[0].tolist(), outputs=[out])
