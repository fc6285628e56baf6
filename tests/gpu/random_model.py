"""A folder with a model of MedGemma 4B's full size and random weights, for what only its size can show.

Its answers mean nothing. Tokenizer and chat template are the stand-in's, whose words the first ids of the
vocabulary of 262,208 stand for; image sizes and token counts are the real ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoProcessor, Gemma3Config, Gemma3ForConditionalGeneration, GenerationConfig

from helpers.finetuning.counting import model_config
from helpers.models import REAL_MODELS, STANDIN_FOLDER

IMAGE_SIDE, IMAGE_TOKENS = 896, 256
NEVER = 262_207  # a token that greedy decoding of random weights does not end on by chance


def write_random_model(folder: Path, layers: int | None, device: str) -> Path:
    """Save processor and model, in bfloat16, to ``folder`` and return it.

    Args:
        folder: is made.
        layers: of the language model and of the tower; None takes all.
        device: where the weights are drawn.
    """
    processor = AutoProcessor.from_pretrained(STANDIN_FOLDER, backend="pil")
    processor.image_processor.size = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    processor.image_seq_length = IMAGE_TOKENS
    config = _config(layers)
    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(config).to(torch.bfloat16)
    model.to_empty(device=device)
    model.tie_weights()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.02)
            else:  # norms start as they do in Gemma, at a factor of one; its text norms add that one themselves
                weight.fill_(1.0 if "vision" in name and "norm" in name and "weight" in name else 0.0)
        for name, buffer in model.named_buffers():
            if name.endswith("position_ids"):
                buffer.copy_(torch.arange(buffer.shape[-1]).expand_as(buffer))
    model.generation_config = GenerationConfig(do_sample=False, pad_token_id=0, bos_token_id=2, eos_token_id=NEVER)
    model.save_pretrained(folder, max_shard_size="4GB")
    processor.save_pretrained(folder)
    return folder


def _config(layers: int | None) -> Gemma3Config:
    """The real size, as the plan knows it, with the stand-in's ids of special tokens, or with fewer layers."""
    config, small = model_config(REAL_MODELS[0]), Gemma3Config.from_pretrained(STANDIN_FOLDER)
    for name in ("image_token_index", "boi_token_index", "eoi_token_index"):
        setattr(config, name, getattr(small, name))
    config.image_token_id = small.image_token_id
    config.eos_token_id = NEVER
    if layers is not None:
        config.text_config.num_hidden_layers = layers
        kinds = ["sliding_attention"] * (layers - 1) + ["full_attention"]
        config.text_config.layer_types = kinds
        config.vision_config.num_hidden_layers = layers
    return config
