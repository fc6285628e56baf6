"""Show a question and its answers as one block, with folded thinking, drawn boxes, and the truth on request.

The block is plain HTML without scripts, so it also works in exports. All words of a model are escaped, because
they are data and not HTML.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from helpers.prompts import Reply, pad_to_square, parse_boxes
from helpers.viewers.figures import Picture, outline
from helpers.viewers.pictures import ORANGE, PURPLE, SKY, YELLOW, encode
from helpers.viewers.volume_pictures import write

SIDE = 384  # pixels of a picture
_ROW = "display:flex; flex-wrap:wrap; gap:1em; align-items:flex-start;"


def answer_view(
    question: str,
    replies: Mapping[str, Reply],
    *,
    image: Picture | None = None,
    truth: str | None = None,
    finding: np.ndarray | None = None,
) -> Any:
    """Show a question with one answer, or the answers of several models side by side: an IPython HTML.

    Args:
        question: as it was asked.
        replies: a dictionary from the name of a model to its reply.
        image: the image of the question; for a volume, one slice. Boxes in an answer are drawn on it.
        truth: the right answer, which is folded until the reader opens it.
        finding: a mask of the finding in ``image``, bool (y, x). Its outline is shown together with the truth.
    """
    from IPython.display import HTML

    shown = _picture(pad_to_square(image), "What was asked about") if image is not None else ""
    if truth is not None or finding is not None:
        shown += _truth(truth, image, finding)
    columns = "".join(_one(name, reply, image) for name, reply in replies.items())
    answers = f'<div style="{_ROW} flex:1 1 20em">{columns}</div>'
    # One answer stands beside its picture. Several answers stand side by side below it.
    row = _ROW if len(replies) == 1 else ""
    parts = [
        f'<p class="answer-question"><b>Question.</b> {_words(question)}</p>',
        f'<div style="{row}"><div>{shown}</div>{answers}</div>',
    ]
    return HTML(f'<div class="answer-view" style="max-width:60em">{"".join(parts)}</div>')


def reply_html(reply: Reply) -> str:
    """The answer with folded thinking and its cost, as escaped HTML."""
    text = _words(reply.text) if reply.text else "<i>no answer</i>"
    if not reply.finished:
        text += " <i>(cut off)</i>"
    folded = ""
    if reply.thinking:
        count = len(reply.thinking.split())
        folded = (
            f'<details class="answer-thinking"><summary>Thinking, {count} words</summary>'
            f"<div>{_words(reply.thinking)}</div></details>"
        )
    cost = f"{reply.prompt_tokens:,} tokens in, {reply.completion_tokens} out, {reply.seconds:.1f} s"
    return f'<div class="answer-text">{text}</div>{folded}<div class="answer-cost"><small>{cost}</small></div>'


def draw_boxes(image: Picture, boxes: Sequence[Sequence[float]], side: int = SIDE) -> Image.Image:
    """The image on a square of ``side`` pixels with numbered boxes (y0, x0, y1, x1, of 1000) drawn on it."""
    picture = pad_to_square(image).resize((side, side))
    draw = ImageDraw.Draw(picture)
    for k, (y0, x0, y1, x1) in enumerate(boxes):
        left, right = (round(min(max(v, 0), 1000) * side / 1000) for v in sorted((x0, x1)))
        top, bottom = (round(min(max(v, 0), 1000) * side / 1000) for v in sorted((y0, y1)))
        draw.rectangle((left, top, right, bottom), outline=(ORANGE, SKY, PURPLE, YELLOW)[k % 4], width=3)
        write(draw, (left + 5, top + 4), str(k + 1))
    return picture


def _one(name: str, reply: Reply, image: Picture | None) -> str:
    boxes = parse_boxes(reply.text) if image is not None else None
    drawn = ""
    if boxes:
        count = "1 box" if len(boxes) == 1 else f"{len(boxes)} boxes"
        drawn = _picture(draw_boxes(image, boxes), f"{name}: {count}, numbered in the order of its answer")
    style = "flex:1 1 20em; border:1px solid rgba(128,128,128,.4); border-radius:6px; padding:.5em .8em"
    heading = f'<div class="answer-model"><b>{escape(name)}</b></div>'
    return f'<section class="answer" style="{style}">{heading}{reply_html(reply)}{drawn}</section>'


def _truth(truth: str | None, image: Picture | None, finding: np.ndarray | None) -> str:
    body = "" if truth is None else f"<p><b>Truth:</b> {_words(truth)}</p>"
    if image is not None and finding is not None:
        there = "the finding is outlined in yellow" if finding.any() else "nothing to outline in this picture"
        body += _picture(pad_to_square(outline(image, finding)), there[0].upper() + there[1:])
    return f'<details class="answer-truth"><summary>Show the truth</summary>{body}</details>'


def _picture(image: Image.Image, caption: str) -> str:
    data = base64.b64encode(encode(image.resize((SIDE, SIDE)), "image/jpeg")).decode()
    shown = (
        f'<img src="data:image/jpeg;base64,{data}" alt="{escape(caption)}" width="{SIDE}" style="max-width:100%">'
    )
    return (
        f'<figure style="margin:.5em 0">{shown}<figcaption><small>{escape(caption)}</small></figcaption></figure>'
    )


def _words(text: str) -> str:
    return f'<span style="white-space:pre-wrap">{escape(text)}</span>'
