"""Questions put together from parts, so that hardly two of them share a frame.

A model that learned a few dozen frames knows those frames, and takes one that it has not met for any of them. A
model that meets openings, verbs and amounts in every combination, with words between them that say nothing, learns
what decides: what is asked for, and whether its absence is asked for. So a phrase that denies has a partner that
does not. With "not something that you see" alone, "something that" would deny. What is put together may by chance
be a frame that is kept from training; `helpers.teaching.wordings` draws again then.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


_OPENINGS = _phrases(
    "Is there|Are there|Do you see|Can you see|Can you find|Can you make out|Did you find|Have you found|"
    "Do we see|Can we see|Can one see|Could there be|Might there be|Do you detect|Can you detect|Do you recognise|"
    "Can you identify|Does it contain|Does this have|Does it show|Do the pictures reveal|"
    "Does the examination show|Does the series demonstrate|Do the slices suggest|Does this person have|"
    "Does she have|Does he have|Do you suspect|Am I looking at|Did they find|Is this a case of|"
    "Does anything here look like|Do these pictures depict|Was there|Do you observe|Would a radiologist see|"
    "Does your reading mention|Do the data point to|Is it possible to see|What about|How about|And|Is it|"
    "Have we got|Has this person got|Is there something like|Did you manage to find|Has she got|"
    "Positive for|Full of|With|Something like|Am I safe to diagnose|Does it prove|"
    "Should I record the presence of|Do you diagnose|Is it positive for|"
    "Is there really|Do they see|Do the pictures have|Have you seen|Could you confirm the presence of|"
    "Is there a complete picture of|Do you confirm the presence of|"
    "Can we confirm|May I confirm|Would you confirm|Did they confirm|Can we diagnose|Can we rule in"
)
_AMOUNTS = _phrases(
    "|||||any|any|some|evidence of|any evidence of|signs of|any signs of|a sign of|a trace of|an area of|"
    "any area of|a hint of|a focus of|a region with|something like|at least one spot of|clear|possible|definite|"
    "any suspicion of"
)
_LEADS = _phrases(
    "Tell me|Say|Please check|Decide|I wonder|Find out|I would like to hear|Do you know|Can you tell me|"
    "Let me know|Judge|Determine|State|The question is|We ask|Report|My teacher asks|Please say|"
    "They want to know|Can you say|I need to learn|Explain to me|Would you know|Look and say"
)
_THERE = _phrases(
    "there is {x}{here}|{x} is present{here}|you see {x}{here}|{x} can be seen{here}|it shows {x}|"
    "{x} is visible{here}|the patient has {x}|there are signs of {x}{here}|you find {x}{here}|"
    "the scan contains {x}|{x} was found{here}|one can detect {x}{here}|{x} is shown{here}|{x} is there|"
    "you notice {x}{here}|the scan has {x}|the {part} is affected by {x}|"
    "you do see {x}{here}|there is indeed {x}{here}|it does show {x}|the scan is positive for {x}|"
    "it is possible to find {x}{here}|the patient does have {x}|somebody sees {x}{here}|"
    "a sign of {x} is left{here}|the {part} has got {x}|it came back with {x}|something suggests {x}{here}|"
    "the {part} has {x}|the image is full of {x}|the slices contain {x}|you see a sign of {x}{here}|"
    "it is a case of {x}|a trace of {x} remains{here}|{x} can be proved{here}|"
    "you managed to find {x}{here}|the {part} shows {x}|something looks like {x}{here}"
)
_NOT_THERE = _phrases(
    "there is no {x}{here}|{x} can be excluded{here}|the {part} is free of {x}|you see no {x}{here}|"
    "{x} was ruled out{here}|the scan shows no {x}|this is without {x}|there are no signs of {x}{here}|"
    "no {x} is present{here}|there is not any {x}{here}|nothing looks like {x}{here}|it lacks {x}|"
    "no {x} can be seen{here}|you do not find {x}{here}|the patient has no {x}|{x} is not there|"
    "{x} is missing{here}|{x} is absent{here}|the scan lacks {x}|the {part} is clear of {x}|"
    "you cannot see {x}{here}|there isn't any {x}{here}|you don't see {x}{here}|it doesn't show {x}|"
    "the scan is negative for {x}|{x} was not found{here}|the {part} does not show {x}|"
    "it is impossible to find {x}{here}|the patient does not have {x}|nobody sees {x}{here}|"
    "no sign of {x} is left{here}|the {part} has not got {x}|it came back without {x}|"
    "the {part} lacks {x}|the image is clear of {x}|the slices are free of {x}|you see no sign of {x}{here}|"
    "it is clear of {x}|no trace of {x} remains{here}|{x} can be ruled out{here}|"
    "nothing suggests {x}{here}|you failed to find {x}{here}|the {part} is unaffected by {x}"
)
_STATES = _phrases(
    "seen|shown|found|there|present|demonstrated|detected|evident|suspected|identified|noted|depicted|recognised|"
    "apparent|proved|really there|visible|to be seen|to be found|what you see|a thing you see|one of the findings|"
    "among what you see|something that you see|something that you find|something that we see|"
    "something that you can see|something that the scan shows|something to report|"
    "something that you recognise|confirmed|in this|somewhere|ruled in|left from this"
)
_ABSENT = _phrases(
    "not seen|not shown|not found|not there|not present|not detected|not evident|not visible|not to be seen|"
    "absent|missing|ruled out|lacking|really absent|nowhere to be seen|"
    "not what you see|not among what you see|not something that you see|excluded|gone|"
    "missing from this|absent from this|nowhere|excluded from this"
)
_NO_OPENINGS = _phrases(
    "Is there no|Are there no|Do you find no|Can you see no|Does this show no|Did you find no|"
    "Does the scan contain no|Do the slices show no|Do we see no|Is there not any|Are there not any|"
    "Does the patient have no|Did they find no|Do you detect no|Can one see no|Does it show no|"
    "Negative for|Clear of|Free of|Without|Lacking|Nothing like|Am I safe to exclude|Does it exclude|"
    "Should I record the absence of|Do you rule out|Is it negative for|"
    "Do you see no|Do they see no|Is there really no|Do the pictures have no|Was there no|Have you seen no|"
    "Have we got no|Has this person got no|Is there nothing like|Does nothing here look like|"
    "Does this fail to show|Did you fail to find|Could you confirm the absence of|"
    "Is there a complete lack of|Do you confirm the lack of|Does he have no|Has she got no|"
    "Can we exclude|May I exclude|Would you exclude|Did they rule out|May I rule out"
)
_SURE = _phrases(
    "Can you confirm that|Am I right that|Are you sure that|Is it correct that|Is it certain that|Is it so that|"
    "Do you think that|Do you believe that|Could you confirm that|Can I be sure that|Do you say that|"
    "Would you agree that|Is it the case that|Can I write that|May we report that|Should I note that|"
    "Is it true that|Is it right that|Do you agree that|Would you say that|"
    "Is the note right that|Can the nurse write that|Does your reading say that|Would you bet that|"
    "Did the doctor say that"
)
# What makes a question of a statement {}, which may say that something is there, or that it is not.
_SAID = _phrases(
    "{}, correct?|{}, right?|{}, is that so?|True or not: {}?|My friend says that {}. Is that right?|"
    "I read that {}. Is it so?|The note says that {}. Do you agree?|So {}?|I believe that {}. Am I right?|"
    "Statement: {}. Is this statement right?|Would a reader say that {}?|Can I tell the family that {}?|"
    "It seems that {}. Yes?|I was told that {}, true?"
)
_AFTER = _phrases(
    "is it there?|do you see it?|can you find it?|yes or no?|is it so?|what do you say?|or is it gone?"
)
_WHOLES = _phrases("{part}|scan|image|volume|patient|picture|examination|study")
_WITH = _phrases(
    "with|with any|with signs of|positive for|showing|affected by|touched by|full of|one of those that show|"
    "having|bearing"
)
_WITHOUT = _phrases(
    "free of|clear of|free from|without|without any|without signs of|negative for|lacking|not showing|spared from|"
    "unaffected by|one of those that do not show"
)
_VERBS = _phrases(
    "show|have|contain|reveal|include|demonstrate|suggest|bear|hold|display|look full of|seem to have"
)
_NO_VERBS = _phrases(
    "lack|not show|not have|not contain|fail to show|exclude|rule out|show no|have no|contain no|"
    "reveal no|look clear of|seem free of|seem to lack"
)
_OF_PICTURES = _phrases("picture|image|scan|photo|medical image|file|figure|examination")
_KINDS = _phrases("kind|type|sort|class|category")
_TELL = _phrases("Tell me|Say|Name|Explain|Can you tell me|I want to know|Do you know|Please tell me")
_LOOKS = _phrases("this is|we have here|you see|I am looking at|is shown|that is|was uploaded")
_WRITE = _phrases(
    "Write|Please write|I would like|Produce|Give me|Please give|Please give me|May I have|Can I get"
)
_TEXTS = _phrases("a description|a short description|a sentence|a summary|an account|the description|a caption")
_PARTS = _phrases("part|region|area|body part|part of the body|region of the body")
# Words that say nothing about the answer. None of them denies.
FILLERS = _phrases(
    "today|now|please|kindly|maybe|perhaps|actually|currently|indeed|simply|again|quickly|carefully|honestly|"
    "still|also|just|then|here|there|yesterday|colleague|doctor|student|friend|team|nurse|ward|clinic|"
    "hospital|morning|evening|night|first|second|last|next|new|old|young|small|large|long|short|early|late|"
    "big|good|nice|clear|full|open|usual|common|rare|same|other|another|each|every|several|many|most|few|"
    "three|four|five|case|question|exam|report|request|study|notes|reading|screen|page|list|name|number|date|"
    "time|week|month|year|after|before|during|with|for|from|about|around|near|under|over|between|inside|"
    "following|according|because|since|while|when|where|so|and|but|or|if|as|by|to|at|on|up|my|your|our|their|"
    "his|her|its|this|that|these|those|want|need|like|think|guess|feel|hope|see|look|ask|answer|tell|help|"
    "work|learn|read|check|review|compare|really|very|quite|rather|too|much|more|less|enough|almost|only|"
    "even|well|obviously|generally|roughly"
)


def composed_finding(rng: np.random.Generator) -> str:
    """A frame that asks whether ``{x}`` is there."""
    how = rng.integers(9)
    if how == 8:
        return _one(_SAID, rng).format(_one(_THERE, rng))
    if how == 7:
        return f"Does the {_one(_WHOLES, rng)} {_one(_VERBS, rng)} {_amount(rng)}{{x}}{{here}}?"
    if how == 6:
        return f"Is the {_one(_WHOLES, rng)} {_one(_WITH, rng)} {{x}}?"
    if how == 0:
        return f"{_one(_LEADS, rng)} {_one(('if', 'whether'), rng)} {_one(_THERE, rng)}."
    if how == 1:
        return f"Is {_amount(rng)}{{x}} {_one(_STATES, rng)}{{here}}?"
    if how == 2:
        return f"{_one(_SURE, rng)} {_one(_THERE, rng)}?"
    if how == 3 and rng.random() < 0.6:
        return f"{_one((*_OPENINGS, 'Concerning', 'Now', 'Next', 'As for'), rng)} {{x}}, {_one(_AFTER, rng)}"
    return f"{_one(_OPENINGS, rng)} {_amount(rng)}{{x}}{{here}}?"


def composed_absence(rng: np.random.Generator) -> str:
    """A frame that asks whether ``{x}`` is not there."""
    how = rng.integers(7)
    if how == 6:
        return _one(_SAID, rng).format(_one(_NOT_THERE, rng))
    if how == 5:
        return f"Does the {_one(_WHOLES, rng)} {_one(_NO_VERBS, rng)} {{x}}{{here}}?"
    if how == 0:
        return f"{_one(_LEADS, rng)} {_one(('if', 'whether'), rng)} {_one(_NOT_THERE, rng)}."
    if how == 1:
        return f"Is {{x}} {_one(_ABSENT, rng)}{{here}}?"
    if how == 2:
        return f"{_one(_SURE, rng)} {_one(_NOT_THERE, rng)}?"
    if how == 3:
        return f"Is the {_one(_WHOLES, rng)} {_one(_WITHOUT, rng)} {{x}}?"
    return f"{_one(_NO_OPENINGS, rng)} {_one(('', 'sign of ', 'signs of ', 'evidence of '), rng)}{{x}}{{here}}?"


def composed_what(rng: np.random.Generator) -> str:
    """A frame that asks what an image is."""
    what, kind = _one(_OF_PICTURES, rng), _one(_KINDS, rng)
    forms = (
        f"What {kind} of {what} is this?",
        f"Which {kind} of {what} {_one(('is shown', 'do we have', 'have I got', 'was taken'), rng)}?",
        f"{_one(_TELL, rng)} what {_one(_LOOKS, rng)}.",
        f"{_one(_TELL, rng)} which {kind} of {what} this is.",
        f"Describe {_one(('this', 'the', 'my'), rng)} {what} {_one(('here', 'briefly', 'now', 'to me'), rng)}.",
        f"What {_one(('does', 'might', 'can'), rng)} the {what} show?",
        f"What is on {_one(('this', 'the', 'my'), rng)} {what}?",
        f"{_one(_WRITE, rng)} {_one(_TEXTS, rng)} of {_one(('this', 'the', 'my'), rng)} {what}.",
    )
    return _one(forms, rng)


def composed_is_it(rng: np.random.Generator) -> str:
    """A frame that asks whether an image is ``{x}``."""
    forms = (
        f"Is {_one(('this', 'the', 'my', 'that'), rng)} {_one(_OF_PICTURES, rng)} {{x}}?",
        f"{_one(_SURE, rng)} {_one(('this is', 'it is', 'we have'), rng)} {{x}}?",
        f"{_one(_LEADS, rng)} {_one(('if', 'whether'), rng)} {_one(('this is', 'it is', 'I have'), rng)} {{x}}.",
        "Have we got {x} here?",
        "Are we looking at {x}?",
        "Do you see {x}?",
        "Was this taken as {x}?",
    )
    return _one(forms, rng)


def composed_part(rng: np.random.Generator) -> str:
    """A frame that asks for the part of the body."""
    part = _one(_PARTS, rng)
    forms = (
        f"Which {part} {_one(('is it', 'can be seen', 'do we see', 'was examined', 'is imaged'), rng)}?",
        f"What {part} {_one(('is this', 'is it', 'does it show', 'was scanned', 'do you recognise'), rng)}?",
        f"{_one(_TELL, rng)} the {part} that {_one(('this is', 'you see', 'is shown', 'it shows'), rng)}.",
    )
    return _one(forms, rng)


def with_fillers(words: str, rng: np.random.Generator) -> str:
    """The words with one to three others between them that say nothing."""
    parts = words.split(" ")
    for _ in range(int(rng.integers(1, 4))):
        parts.insert(int(rng.integers(len(parts) + 1)), FILLERS[rng.integers(len(FILLERS))])
    return " ".join(parts)


def _amount(rng: np.random.Generator) -> str:
    amount = _one(_AMOUNTS, rng)
    return f"{amount} " if amount else ""


def _one(of: Sequence[str], rng: np.random.Generator) -> str:
    return of[rng.integers(len(of))]
