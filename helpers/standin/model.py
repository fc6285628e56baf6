"""The stand-in: a very small model of MedGemma's own classes, so that everything runs offline on a laptop.

`build` makes the untrained folder's parts (config, tokenizer, chat template, processor) with the same roles as
Gemma 3's; `helpers.standin.training` teaches it. It is not MedGemma, and not for medicine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModel, Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, GemmaTokenizer
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

IMAGE_SIDE = 112  # pixels
PATCHES = 8  # a side
IMAGE_TOKENS = 16  # of one image: 8 x 8 vision patches, pooled to 4 x 4
VOCABULARY = 3_000  # at most
_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")  # ids 0 to 4, as in Gemma's own vocabulary
_TURNS = ("<start_of_turn>", "<end_of_turn>")

# The turn structure of Gemma 3: a system text goes in front of the first user turn, parts of a turn are trimmed
# and joined, the assistant is called model.
CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- set start = namespace(text='') -%}
{%- for message in messages -%}
{%- set parts = message['content'] -%}
{%- if parts is string -%}{%- set parts = [{'type': 'text', 'text': parts}] -%}{%- endif -%}
{%- if message['role'] == 'system' -%}
{%- set start.text = parts[0]['text'] + '\n\n' -%}
{%- else -%}
{{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' + start.text -}}
{%- set start.text = '' -%}
{%- for part in parts -%}
{{- '<start_of_image>' if part['type'] == 'image' else part['text'] | trim -}}
{%- endfor -%}
{{- '<end_of_turn>\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}
"""


def build(texts: Iterable[str], seed: int = 0) -> tuple[Gemma3ForConditionalGeneration, Gemma3Processor]:
    """An untrained model and its processor, with a vocabulary learned from ``texts``."""
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(
            size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ),
        tokenizer=_tokenizer(texts),
        chat_template=CHAT_TEMPLATE,
        image_seq_length=IMAGE_TOKENS,
    )
    torch.manual_seed(seed)
    model = Gemma3ForConditionalGeneration(_config(processor))
    # The tower starts from numbers of its own, whatever the size of the vocabulary.
    torch.manual_seed(seed)
    tower = AutoModel.from_config(model.config.vision_config)
    # Layer norms forget how long a patch's vector is, so that grey would look like white. Beside a constant vector
    # of like length brightness is an angle, which they keep.
    torch.nn.init.normal_(tower.get_input_embeddings().bias, std=1.0)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    _order_numbers(model.get_input_embeddings().weight, processor.tokenizer)
    # Gemma 3 starts this weight at zero, which would keep the language model blind and the tower untrained.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.05)
    model.generation_config.update(
        do_sample=False, pad_token_id=0, bos_token_id=2, eos_token_id=model.config.eos_token_id
    )
    return model, processor


def _order_numbers(embeddings: torch.Tensor, tokenizer: GemmaTokenizer) -> None:
    """Start numbers of 0 to 1000 with vectors as close as they are themselves, so that places are told roughly
    before they are told exactly."""
    waves = torch.randn(8, embeddings.shape[1])
    waves *= embeddings.std() / waves.pow(2).sum(0).div(2).sqrt().mean()
    for token, index in tokenizer.get_vocab().items():
        number = re.fullmatch(r"▁\[?(\d+)\]?,", token)
        if number and int(number[1]) <= 1000:
            angles = torch.arange(1, 9) * torch.pi * int(number[1]) / 1000
            embeddings.data[index] = 0.5 * embeddings[index] + angles.cos() @ waves


def _config(processor: Gemma3Processor) -> Gemma3Config:
    number = processor.tokenizer.convert_tokens_to_ids
    return Gemma3Config(
        text_config={
            "vocab_size": len(processor.tokenizer),
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 48,
            "query_pre_attn_scalar": 48,
            "sliding_window": 256,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
            "max_position_embeddings": 131_072,
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": IMAGE_SIDE,
            "patch_size": IMAGE_SIDE // PATCHES,
            "vision_use_head": False,
        },
        mm_tokens_per_image=IMAGE_TOKENS,
        image_token_index=number("<image_soft_token>"),
        boi_token_index=number("<start_of_image>"),
        eoi_token_index=number("<end_of_image>"),
        eos_token_id=[1, number("<end_of_turn>")],
        is_standin=True,  # what load_model knows it by, under whatever name it is saved
    )


def _tokenizer(texts: Iterable[str]) -> GemmaTokenizer:
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]  # spell out what the vocabulary lacks
    learner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    learner.normalizer = normalizers.Replace(" ", "▁")
    # Marks stand apart, so that a word is the same at the end of a question. No merge joins what is split here.
    marks = pre_tokenizers.Split(Regex("[?.!:;()]"), "isolated")
    learner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("▁", "merged_with_next"), marks])
    ascii_ = [chr(code) for code in range(33, 127)]
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[*_SPECIAL, *bytes_],
            initial_alphabet=[*ascii_, "▁", "\n"],
            show_progress=False,
        ),
    )
    tokenizer = GemmaTokenizer(
        vocab=learner.get_vocab(),
        merges=_merges(learner),
        extra_special_tokens={
            "image_token": "<image_soft_token>",
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
        },
    )
    tokenizer.add_tokens(list(_TURNS), special_tokens=True)
    tokenizer.add_tokens(["<unused94>", "<unused95>"])  # around a thinking trace; plain text to the tokenizer
    return tokenizer


def _merges(learner: Tokenizer) -> list[tuple[str, ...]]:
    merges = json.loads(learner.to_str())["model"]["merges"]  # the library has no other way to them
    return [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in merges]
