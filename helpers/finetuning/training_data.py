"""Turn conversations into token ids with labels, and check all of them before a run starts.

An example is a prompt and the answer to learn: a `helpers.teaching.Case` or a row of a user's own table
(`helpers.evaluation.labelled`). Prompt and answer get the same tokens that `ChatModel.generate` reads and writes,
and every image gets its own place. Tuning with several images often fails because people nest images and
placeholders by hand (huggingface/trl issues 3121, 4189, 5032).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.evaluation import in_both, mark, parsed_of, truth_of
from helpers.prompts import (
    CONTEXT_BUDGET,
    Message,
    Reply,
    check_budget,
    check_options,
    images_key,
    images_of,
    parse_final_answer,
    prompt_ids,
    render_prompt,
)

SHOWN_PROBLEMS = 10
IGNORED = -100  # the label of a token on which there is no loss
# Tokens that Gemma's tokenizer adds for structure without calling them special; it adds line breaks and tags too.
STRUCTURE = re.compile(r"<(mask|unused\d+|[a-z]+_of_[a-z]+|image_soft_token)>|\[multimodal\]")


class Taught(Protocol):
    """A prompt and the answer to it.

    If it also has a ``truth``, by which an evaluation scores, its answer must agree with it.
    """

    id: str
    group: str  # the same for examples of one patient or volume, which must not be in training and validation
    options: Sequence[str]  # the possible answers; empty for a sentence
    answer: str  # the answer that the model should learn

    @property
    def messages(self) -> list[Message]:
        """The prompt."""


class Kept:
    """An example whose prompt stays in memory after its first use, if there is ``room`` for its pixels.

    Making a prompt (reading, turning, windowing) can take longer than encoding it, and it is used more than once.
    ``room`` is one list for all examples that share it: the bytes left.
    """

    def __init__(self, example: Taught, room: list[int]) -> None:
        self.example, self.room = example, room
        self._messages: list[Message] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.example, name)

    @property
    def messages(self) -> list[Message]:
        """The prompt."""
        if self._messages is not None:
            return self._messages
        messages = self.example.messages
        size = _pixel_bytes(messages)
        if size <= self.room[0]:
            self.room[0] -= size
            self._messages = messages
        return messages

    def let_go(self) -> None:
        """Free the prompt and give its room back. The next use makes it again."""
        if self._messages is not None:
            self.room[0] += _pixel_bytes(self._messages)
        self._messages = None


def _pixel_bytes(messages: Sequence[Message]) -> int:
    return sum(image.width * image.height * len(image.getbands()) for image in images_of(messages))


@dataclass(frozen=True)
class Row:
    """An example as tokens: those of the prompt, of the answer, and of the end of the turn."""

    ids: list[int]
    labels: list[int]  # the token itself if it is learned, else `IGNORED`
    answer_tokens: int
    images: int
    image_key: str  # hash of the images' pixels; "" without any


def prepare(
    examples: Sequence[Taught], processor: Any, what: str = "training", *, learn_prompt: bool = False
) -> list[Row]:
    """Turn the examples into rows of token ids, in order.

    Args:
        examples: prompts with answers.
        processor: the processor of the model.
        what: the purpose of the examples, for errors.
        learn_prompt: whether the loss is also on the prompt's words. Image tokens are always left out.

    Raises:
        InputError: lists all faults by the id of their example: an empty answer, options that a reply cannot tell
            apart, an answer that is not an option or that evaluation would mark as wrong, words that are reserved
            tokens, a wrong number of placeholders, a prompt over the budget, a file that cannot be read. Also
            raised if there are no examples.
    """
    if not examples:
        raise InputError(f"The list of {what} examples is empty.", remedy="Give at least one.")
    reserved = _reserved(processor.tokenizer)
    rows, problems = [], []
    for example in tqdm(examples, desc=f"reading {what} examples", leave=False):
        try:
            rows.append(_row(example, processor, reserved, learn_prompt))
        except InputError as error:
            problems.append(f"{example.id}: {error}")
    if problems:
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        more = f"\n  and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise InputError(
            f"{len(problems)} of {len(examples)} {what} examples cannot be learned from:\n  {shown}{more}\n",
            remedy="Correct these examples. Nothing was trained.",
        )
    return rows


def check_apart(train: Sequence[Taught], validation: Sequence[Taught]) -> None:
    """Raise `InputError` if a patient or volume is in both sets: the validation would then measure memory."""
    if both := in_both(train, validation):
        raise InputError(
            f"Training and validation examples share {len(both)} groups or files (patients or volumes): "
            f"{', '.join(both[:5])}.",
            remedy="Put all examples of a patient into training or into validation.",
        )


def _row(example: Taught, processor: Any, reserved: dict[int, str], learn_prompt: bool) -> Row:
    messages, answer, tokenizer = example.messages, _text_of(example.answer), processor.tokenizer
    if not answer:
        raise InputError("The answer is empty.", remedy="Write the answer that the model is to give.")
    _check_words(answer, "answer", tokenizer, reserved)
    _check_stated(example, answer)
    for text in _texts(messages):
        _check_words(text, "prompt", tokenizer, reserved)
    images = images_of(messages)
    places = render_prompt(messages, processor).count(processor.boi_token)
    if places != len(images):
        raise InputError(
            f"The messages have {places} placeholders for {len(images)} images.",
            remedy="Give one placeholder for each image.",
        )
    said = tokenizer(f"{answer}<end_of_turn>", add_special_tokens=False)["input_ids"]
    if len(said) >= CONTEXT_BUDGET:
        raise InputError(
            f"The answer has {len(said):,} tokens, but the budget of prompt and answer is {CONTEXT_BUDGET:,}.",
            remedy="Shorten it.",
        )
    check_budget(messages, processor, CONTEXT_BUDGET - len(said))
    prompt = prompt_ids(messages, processor)
    unheard = {tokenizer.boi_token_id, tokenizer.image_token_id}
    learned = [IGNORED if token in unheard or not learn_prompt else token for token in prompt]
    return Row(prompt + said, learned + said, len(said), len(images), images_key(images))


def _text_of(answer: Any) -> str:
    """The answer without spaces around it; "" for none. Raises `InputError` for what is no text."""
    if answer is not None and not isinstance(answer, str):
        raise InputError(f"The answer {answer!r} is not text.", remedy=f'Write it as text: "{answer}".')
    try:
        (answer or "").encode()
    except UnicodeEncodeError:
        remedy = "Write the answer again, or read its file as UTF-8."
        raise InputError(f"The answer {answer!r} holds half of a sign.", remedy=remedy) from None
    return (answer or "").strip()


def _check_stated(example: Taught, answer: str) -> None:
    """Raise `InputError` unless evaluation would read the intended option from ``answer``."""
    if example.options:
        check_options(example.options)
        if parse_final_answer(answer, example.options) is None:
            raise InputError(
                f"The answer {answer!r} does not end with one of the options {', '.join(example.options)}.",
                remedy='End the answer with "Final Answer: " and one of the options.',
            )
    if (truth := getattr(example, "truth", None)) is None:
        return
    if not isinstance(truth, str):
        raise InputError(f"The truth {truth!r} is not text.", remedy="Give the truth as text, or leave it out.")
    kept = truth_of(example)
    if kept["form"] == "text":  # any sentence may state the answer
        return
    reply = Reply(answer, "", 0, 0, 0.0, finished=True)
    if not mark({**kept, "parsed": parsed_of(example, kept["form"], reply)}):
        raise InputError(
            f"The answer {answer!r} would be scored as wrong, because the truth is {truth!r}.",
            remedy="Correct the answer or the truth.",
        )


def _reserved(tokenizer: Any) -> dict[int, str]:
    """The tokens, by id, that form the structure of a prompt and must not occur in words."""
    added = tokenizer.added_tokens_decoder.items()
    named = {k: token.content for k, token in added if token.special or STRUCTURE.fullmatch(token.content)}
    return dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)) | named


def _check_words(text: str, what: str, tokenizer: Any, reserved: dict[int, str]) -> None:
    """Raise `InputError` if the tokenizer turns any part of ``text`` into one of the ``reserved`` tokens."""
    found = set(tokenizer(text, add_special_tokens=False)["input_ids"]) & reserved.keys()
    if found:
        tokens = ", ".join(sorted(reserved[token] for token in found))
        raise InputError(
            f"The {what} holds {tokens}, which is reserved for the prompt's format.",
            remedy="Take it out of the text.",
        )


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            yield content
            continue
        yield from (part["text"] for part in content if part["type"] == "text")
