"""Replies to many cases side by side."""

from __future__ import annotations

import torch

from helpers.evaluation import mark
from helpers.finetuning import answers_of, draw_replies
from helpers.rewards import answer_reward
from helpers.teaching import HELD_OUT, generate


def test_replies_side_by_side_are_those_one_by_one_and_are_marked(chat):
    cases = generate("effusion", 5, HELD_OUT + 40)
    replies = draw_replies(chat, cases, 30, at_once=3)
    for case, reply, answer in zip(cases, replies, answers_of(cases, replies), strict=True):
        alone = chat.generate(case.messages, 30)
        assert (reply.text, reply.finished, reply.prompt_tokens) == (
            alone.text,
            alone.finished,
            alone.prompt_tokens,
        )
        assert mark(answer) == answer_reward(case, reply) and answer["id"] == case.id
    torch.manual_seed(1)
    drawn = draw_replies(chat, cases[:1] * 12, 30, temperature=3.0)
    assert len({reply.text for reply in drawn}) > 1
    assert draw_replies(chat, [], 30) == []
