"""Get replies to many cases at the same time: random replies, to learn from a reward, or the likeliest ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from helpers.evaluation import Answer, Asked, about_case, parsed_of, truth_of
from helpers.models import ChatModel
from helpers.prompts import Reply, reply_from


def draw_replies(
    chat: ChatModel, cases: Sequence[Asked], max_new_tokens: int, *, temperature: float = 0.0, at_once: int = 32
) -> list[Reply]:
    """A reply to each case, in order. The prompts are read together, so no reply has its own seconds.

    Args:
        chat: the model.
        cases: the cases. A case that occurs several times gets several replies.
        max_new_tokens: the largest number of tokens of a reply.
        temperature: the temperature of the draw. At 0 each token is the likeliest one, as in `ChatModel.generate`.
            `torch.manual_seed` decides the draws.
        at_once: the number of prompts in the model at a time. Shorter ones are padded on the left.
    """
    how = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    replies = []
    for start in range(0, len(cases), at_once):
        inputs = chat.processor.apply_chat_template(
            [case.messages for case in cases[start : start + at_once]],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(chat.model.device, chat.model.dtype)
        with torch.inference_mode():
            rows = chat.model.generate(**inputs, max_new_tokens=max_new_tokens, **how)
        read = inputs["input_ids"].shape[1]
        for prompt, ids in zip(inputs["attention_mask"], rows[:, read:].tolist(), strict=True):
            end = next((n for n, token in enumerate(ids, start=1) if token in chat.end_tokens), len(ids))
            replies.append(reply_from(ids[:end], int(prompt.sum()), 0.0, chat))
    return replies


def answers_of(cases: Sequence[Asked], replies: Sequence[Reply]) -> list[Answer]:
    """Replies in the form that an evaluation marks and compares (`helpers.evaluation.mark`, `compare`)."""
    kept = []
    for case, reply in zip(cases, replies, strict=True):
        truth = truth_of(case)
        said = {"text": reply.text, "parsed": parsed_of(case, truth["form"], reply), "finished": reply.finished}
        kept.append({**about_case(case), "options": list(case.options), **truth, **said})
    return kept
