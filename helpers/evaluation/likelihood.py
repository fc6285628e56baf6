"""Read the likelihood of "yes" for yes-or-no questions, a score by which cases can be ranked (AUROC).

It is read at two places. ``p_yes`` is read where the reply states its answer, after the model's own argument and
its last "Final Answer:". ``p_yes_direct`` is read directly behind "Final Answer:", without any argument. A
calibration plot shows whether 0.8 means 80 %.

Each comes with its mass: the likelihood of yes and no together among all tokens. If the mass is low, the model was
about to say something else, and the share of yes means little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from helpers.errors import InputError
from helpers.prompts import Message, Reply, find_final_answer

if TYPE_CHECKING:
    from helpers.endpoints import Step  # loads openai, which takes half a second
    from helpers.models import ChatModel, Session, VllmModel

ANSWER_BEGUN = "Final Answer:"  # the words that the model is made to say if it has not argued
YES_NO = ("yes", "no")
AFTER, DIRECT = ("p_yes", "yes_no_mass"), ("p_yes_direct", "yes_no_mass_direct")
UNKNOWN: dict[str, float | None] = dict.fromkeys((*AFTER, *DIRECT))
_AROUND = " \t\r\n▁*_`'\".,:;!()[]{}"


def text_before_answer(text: str, options: Sequence[str] = YES_NO) -> str | None:
    """A reply up to the words of its answer, without the spaces before them.

    So it ends with "Final Answer:" (or another form of `helpers.prompts.find_final_answer`) and the quotes and
    Markdown behind it, even if none of the options follows. None if the reply states no answer.
    """
    found = find_final_answer(text, options)
    return None if found is None else text[: found.start].rstrip(" ")


def of_model(
    chat: ChatModel | VllmModel,
    asker: Session | VllmModel,
    prompts: Sequence[list[Message]],
    replies: Sequence[Reply],
) -> list[dict[str, float | None]]:
    """Likelihoods and masses of each prompt with its reply: one forward pass over the words of each reply.

    The reply is given back to the model as text, so the same words may be divided into other tokens than the model
    wrote. ``p_yes`` and its mass are None if the reply states no answer.
    """
    before = [text_before_answer(reply.text) for reply in replies]
    traces = [f"<unused94>thought\n{reply.thinking}<unused95>" if reply.thinking else "" for reply in replies]
    places = [(k, ANSWER_BEGUN) for k in range(len(prompts))]
    places += [(k, traces[k] + text) for k, text in enumerate(before) if text is not None]
    places = list(dict.fromkeys(places))  # a reply with nothing but an answer has one place
    read = _at_places(chat, asker, [prompts[k] for k, _ in places], [begun for _, begun in places])
    found = dict(zip(places, read, strict=True))
    out = []
    for k, text in enumerate(before):
        after = (None, None) if text is None else found[k, traces[k] + text]
        out.append(dict(zip((*AFTER, *DIRECT), (*after, *found[k, ANSWER_BEGUN]), strict=True)))
    return out


def direct_likelihoods(
    chat: ChatModel | VllmModel, asker: ChatModel | Session | VllmModel, prompts: Sequence[list[Message]]
) -> list[dict[str, float | None]]:
    """``p_yes_direct`` and its mass for each prompt, by one forward pass. The model writes no reply.

    ``asker`` is a session of the model if its images are asked about several times, else the model itself.
    """
    read = _at_places(chat, asker, prompts, [ANSWER_BEGUN] * len(prompts))
    return [dict(zip(DIRECT, values, strict=True)) for values in read]


def of_server(reply: Reply, steps: Sequence[Step] | None) -> dict[str, float | None]:
    """Likelihood and mass from the tokens of a served model's reply; all None if the server sent none.

    A server sends only the likeliest tokens at each place. So the true mass may be larger, and ``p_yes`` is None
    if yes or no is not among them. A server is not asked for the likelihood without an argument.
    """
    before, whole = text_before_answer(reply.text), b"".join(step.spelled for step in steps or ())
    start = whole.rfind(reply.text.encode())
    if before is None or start < 0:
        return dict(UNKNOWN)
    at = start + len(before.encode())
    at += len(whole[at:]) - len(whole[at:].lstrip())
    for step in steps or ():
        if at < len(step.spelled):
            likely = [sum(p for word, p in step.likely if word.strip(_AROUND).casefold() == w) for w in YES_NO]
            mass = sum(likely)
            values = (_rounded(likely[0] / mass if all(likely) else None), _rounded(min(1.0, mass)))
            return UNKNOWN | dict(zip(AFTER, values, strict=True))
        at -= len(step.spelled)
    return dict(UNKNOWN)


def word_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens for the word yes and those for no, in the same order of forms: " yes", "Yes", "YES" ...

    A form counts only if both words are one token in it; otherwise it would count for one side only. Raises
    `InputError` for a tokenizer that has no such form.
    """
    forms = [[f"{space}{form(w)}" for w in YES_NO] for space in (" ", "") for form in (str, str.title, str.upper)]
    cut = [[tokenizer(word, add_special_tokens=False)["input_ids"] for word in pair] for pair in forms]
    unknown = tokenizer.unk_token_id
    whole = [(yes[0], no[0]) for yes, no in cut if len(yes) == len(no) == 1 and unknown not in (yes[0], no[0])]
    if not whole:
        raise InputError(
            "This model's tokenizer has no token for yes and no.",
            path=getattr(tokenizer, "name_or_path", None),
            remedy="Ask with options other than yes and no. No likelihoods are kept for such options.",
        )
    return [yes for yes, _ in whole], [no for _, no in whole]


def _at_places(
    chat: ChatModel | VllmModel,
    asker: ChatModel | Session | VllmModel,
    prompts: Sequence[list[Message]],
    begun: Sequence[str],
) -> list[tuple[float | None, float | None]]:
    """The share of yes, and the mass of yes and no, as the next token after prompts and words of replies."""
    import torch  # a report of existing answers does not need it

    from helpers.models import VllmModel

    yes, no = word_tokens(chat.processor.tokenizer)
    if isinstance(asker, VllmModel):
        logs = asker.next_token(prompts, begun, among=yes + no).double()
    else:
        logs = torch.log_softmax(asker.next_token(prompts, begun, batch_size=len(prompts)).double(), dim=-1)
        logs = logs[:, yes + no]
    each = torch.stack([part.logsumexp(-1) for part in logs.split(len(yes), dim=-1)])
    # In double precision: after an argument, shares differ only in their last digits, and these decide the rank.
    shares, masses = torch.sigmoid(each[0] - each[1]), each.exp().sum(0).clamp(max=1)
    return [(_rounded(p), _rounded(m)) for p, m in zip(shares.tolist(), masses.tolist(), strict=True)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 12)
