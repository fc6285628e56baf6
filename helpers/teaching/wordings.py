"""Draw questions as people ask them from a grammar, also negated, and with typing errors.

A sentence is a frame ("Do you see {x}?") with a beginning and an end, and a spelling of the finding in question.
This gives thousands of forms. One in five frames is held out: ``held_out`` draws from these alone, to score with.
Other frames are put together from parts (`helpers.teaching.phrases`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.teaching.phrases import (
    composed_absence,
    composed_finding,
    composed_is_it,
    composed_part,
    composed_what,
    with_fillers,
)

HELD_OUT_EVERY = 5  # every fifth frame of a list is kept from training
FINDING = (
    "Is there {x}{here}?",
    "Is there any sign of {x}{here}?",
    "Do you see {x}{here}?",
    "Does this show {x}?",
    "Would you say that there is {x}{here}?",
    "Can you see {x}{here}?",
    "Does the scan show {x}?",
    "Is {x} present{here}?",
    "Any {x}{here}?",
    "Look for {x}{here}, is it there?",
    "Are there signs of {x}{here}?",
    "Is {x} visible{here}?",
    "Does the patient have {x}?",
    "Do the images show {x}?",
    "Could you find {x}{here}?",
    "{x}?",
    "Is there evidence of {x}{here}?",
    "Tell me whether there is {x}{here}.",
    "Do you find {x}{here}?",
    "Are you able to spot {x}{here}?",
    "{x}: yes or no?",
    "Yes or no, is there {x}{here}?",
    "I want to know if there is {x}{here}.",
    "Has this patient got {x}?",
    "What about {x}, can it be seen{here}?",
    "Check for {x}{here}.",
    "Is it true that there is {x}{here}?",
    "Please look whether you see {x}{here}.",
    "Do these slices contain {x}?",
    "Is {x} something that you notice{here}?",
    "Do you agree that there is {x}{here}?",
)
ABSENCE = (
    "Is there no {x}{here}?",
    "No sign of {x}{here}?",
    "Is the {part} free of {x}?",
    "Can {x} be excluded{here}?",
    "Does the {part} lack {x}?",
    "Are there no signs of {x}{here}?",
    "Is {x} absent{here}?",
    "No {x}{here}?",
    "Can you rule out {x}{here}?",
    "Is it right that {x} is missing{here}?",
    "Is it true that there is no {x}{here}?",
    "Is this without {x}?",
    "Is the scan free of {x}?",
    "Do you see no {x}{here}?",
    "Is the {part} clear of {x}?",
    "Is the patient free of {x}?",
    "Is {x} ruled out{here}?",
    "Is it true that you do not see {x}{here}?",
    "Is there not any {x}{here}?",
    "Would you say that there is no {x}{here}?",
    "Does the scan lack {x}?",
    "Is {x} missing{here}?",
    "Is the scan clear of {x}?",
    "Do you agree that {x} is absent{here}?",
    "Do you see no sign of {x}{here}?",
    "Is the image without {x}?",
    "Is there really no {x}{here}?",
    "Do you find no {x}{here}?",
    "I hope there is no {x}{here}, right?",
    "Is it true that {x} is absent{here}?",
)
WHAT = (
    "What kind of medical image is this?",
    "What is this?",
    "Describe this image.",
    "What do you see?",
    "Give me a description of the picture.",
    "What does this image show?",
    "What am I looking at?",
    "Which kind of image is it?",
    "Tell me what this is.",
    "What type of scan have we got here?",
    "Which modality is this?",
    "Describe the image.",
    "What can be seen here?",
    "Please describe what you see.",
    "Can you say what this picture shows?",
    "Describe it.",
    "What sort of image is that?",
    "Kind of image?",
    "What is shown?",
    "Name the kind of this image.",
)
PART = (
    "Which part is shown?",
    "Which part of the body is this?",
    "What body part do you see?",
    "What part of the body is shown?",
    "Which region of the body are we looking at?",
    "Which organ or part is this?",
    "Name the part of the body.",
    "Body part?",
    "Which region of the body is shown?",
    "What part of the body are we looking at?",
    "Which body region is it?",
    "Tell me which part of the body this is.",
)
IS_IT = (
    "Is this {x}?",
    "Is it {x}?",
    "Does this look like {x}?",
    "Is that {x}?",
    "Would you call this {x}?",
    "Is this image {x}?",
    "Do you think this is {x}?",
    "Is it true that this is {x}?",
    "Could this be {x}?",
    "Do you agree that it is {x}?",
)
STAIN = (
    "Which stain is this?",
    "What stain is it?",
    "What is the stain?",
    "How was this stained?",
    "Can you name the stain that was used?",
    "Which stain was used?",
    "Name the stain.",
    "What staining do you see?",
    "Stain?",
    "Do you know what it was stained with?",
)
FRAGMENTS = (
    "Are there several fragments?",
    "Is the tissue in fragments?",
    "Does the tissue lie in several pieces?",
    "Are there several pieces of tissue?",
    "Do you see more than one fragment?",
    "Is it in several fragments?",
    "Is the tissue broken into fragments?",
    "Several fragments?",
    "Is there more than one piece of tissue?",
    "Would you say that the tissue is in pieces?",
)
DESCRIBE_SLIDE = (
    "Describe this slide.",
    "Describe the slide in a sentence.",
    "What do you see on this slide?",
    "What does the slide show?",
    "Please give a description of the slide.",
    "Write a sentence about this slide.",
    "How does this slide look?",
    "Describe the tissue.",
    "Tell me about this slide.",
    "Sum up what is on this slide.",
)
WHERE = (
    "Where is the {x}?",
    "Find the {x}.",
    "Show me where the {x} is.",
    "Where do you see the {x}?",
    "Can you point at the {x}?",
    "Give a box around the {x}.",
    "Mark the {x}.",
    "Where does the {x} lie?",
    "Locate the {x}.",
    "In which place is the {x}?",
)
CHANGE = (
    "How has the {x} changed?",
    "Has the {x} changed?",
    "What happened to the {x}?",
    "How did the {x} change between the two images?",
    "How does the {x} compare with before?",
    "Is the {x} better or worse?",
    "Compare the {x} in both images.",
    "Did the {x} improve or worsen?",
    "What is the course of the {x}?",
    "Say in which way the {x} is different now.",
)
MEANING = (
    "What is {x}?",
    "What's {x}?",
    "Explain {x}.",
    "What do people mean by {x}?",
    "Can you tell me what {x} is?",
    "Define {x}.",
    "What does {x} mean?",
    "Please explain what {x} is.",
    "In one sentence, what is {x}?",
    "I would like to know what {x} is.",
)
_BEGINNINGS = ("", "", "", "", "Please: ", "Hello. ", "Hi, ", "Quick question. ", "Doctor, ", "In your opinion, ")
_ENDS = ("", "", "", "", "", " Thanks.", " Be brief.", " Thank you!", " Please answer.", " I need to know.")
_PLACES = ("", "", "", " here", " in this scan", " on these images", " in the volume", " in the {part}")
_COMPOSED = {
    FINDING: composed_finding,
    ABSENCE: composed_absence,
    WHAT: composed_what,
    IS_IT: composed_is_it,
    PART: composed_part,
}
_MORE_BEGINNINGS = ("Good morning. ", "One more: ", "As a radiologist, ", "Dear colleague, ", "Question: ", "So, ")
_MORE_ENDS = (
    " Answer shortly.",
    " Take your time.",
    " What do you think?",
    " Answer:",
    " please",
    " I am unsure.",
)
_FILLED = 0.3  # of the composed wordings, those with words between that say nothing
_NEIGHBOURS = dict(
    zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopoasdfghjkkzxcvbnn", strict=True)  # on an English keyboard
)


def frames_of(frames: Sequence[str], held_out: bool) -> list[str]:
    """The frames for training, or those kept for scoring."""
    return [frame for k, frame in enumerate(frames) if (k % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]


def composed_frame(frames: Sequence[str], rng: np.random.Generator) -> str:
    """A frame put together from parts that asks as ``frames`` do, and is none of those kept for scoring."""
    kept = {_bare(frame) for frame in frames_of(frames, held_out=True)}
    while _bare(frame := _COMPOSED[frames](rng)) in kept:
        pass
    return frame


def _bare(frame: str) -> str:
    """A frame without its place, so that "Is {x} missing?" is the same as "Is {x} missing{here}?"."""
    return frame.replace("{here}", "")


def wording(
    frames: Sequence[str],
    rng: np.random.Generator,
    x: str = "",
    part: str = "body",
    *,
    held_out: bool = False,
    careless: float = 0.3,
    composed: float = 0.0,
) -> str:
    """A question in the words of one of ``frames``.

    ``x`` is the finding in question, and ``part`` the part of the body that is shown. The share ``careless`` of
    the questions is typed carelessly: in small letters, without a mark at the end, or with a wrong letter. The
    share ``composed`` is put together from parts instead, and has more ways to begin and to end.
    """
    chosen = frames_of(frames, held_out)
    frame = chosen[rng.integers(len(chosen))]
    from_parts = bool(composed) and rng.random() < composed
    beginnings, ends = _BEGINNINGS, _ENDS
    if from_parts:
        beginnings, ends = (*_BEGINNINGS, *_MORE_BEGINNINGS), (*_ENDS, *_MORE_ENDS)
        frame = composed_frame(frames, rng) if frames in _COMPOSED and rng.random() < 0.8 else frame
    here = _PLACES[rng.integers(len(_PLACES))].format(part=part)
    words = frame.format(x=x, here=here, part=part)
    if "{x}" in frame and not frame.startswith(("{x}", "No {x}", "Any {x}")) and rng.random() < 0.3:
        words = words.replace(x, f"{'an' if x[:1].lower() in 'aeiou' else 'a'} {x}", 1) if _takes_one(x) else words
    if from_parts and rng.random() < _FILLED:
        words = with_fillers(words, rng)
    words = words[:1].upper() + words[1:]
    words = beginnings[rng.integers(len(beginnings))] + words + ends[rng.integers(len(ends))]
    return typed(words, rng) if rng.random() < careless else words


def _takes_one(x: str) -> bool:
    """Whether "a" may stand before it, because it has no word of amount and is no plural."""
    return not x.endswith("s") and not x.startswith(("a ", "an ", "the ", "blood", "some "))


def typed(words: str, rng: np.random.Generator) -> str:
    """The words as somebody in a hurry types them."""
    if rng.random() < 0.6:
        words = words.lower()
    if rng.random() < 0.5:
        words = words.rstrip("?.!")
    for _ in range(int(rng.integers(0, 3))):
        places = [k for k in range(1, len(words) - 1) if words[k - 1 : k + 2].isalpha()]
        if not places:
            break
        k = places[rng.integers(len(places))]
        changed = (
            words[:k] + words[k + 1 :],  # a letter is missing
            words[:k] + words[k] + words[k:],  # a letter is doubled
            words[:k] + words[k + 1] + words[k] + words[k + 2 :],  # exchanged
            words[:k] + _NEIGHBOURS.get(words[k], words[k]) + words[k + 1 :],  # the key beside it
        )
        words = changed[rng.integers(len(changed))]
    return words or "?"
