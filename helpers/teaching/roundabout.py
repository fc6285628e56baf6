"""Questions about a pleural effusion that ask for it, or for its absence, without the usual words.

No "no" and no "free of" tells that the absence is asked for: "Was the alarm about an effusion false?" The
stand-in learned none of these sentences. It takes nearly all of them as questions for the effusion. So it gets
about half of them right, and a reward can teach it the others (notebook 13).
"""

from __future__ import annotations

import numpy as np

from helpers.teaching.chests import EFFUSION
from helpers.teaching.questions import ABSENCE, Question, seen_or_not
from helpers.teaching.wordings import typed

ASKED_FOR = (
    "Was the alarm about {x} right?",
    "Would it be right to report {x}?",
    "Does {x} belong in my report?",
    "Is {x} a fact?",
    "Would I be right if I spoke of {x}?",
    "Must {x} stay on the list of findings?",
    "Was it right to suspect {x}?",
    "Have I looked for {x} with success?",
)
ABSENCE_ASKED_FOR = (
    "Was the alarm about {x} false?",
    "Would it be wrong to report {x}?",
    "Should I leave {x} out of my report?",
    "Is {x} only a rumour?",
    "Would I be mistaken if I spoke of {x}?",
    "Can we cross {x} off the list of findings?",
    "Was it a mistake to suspect {x}?",
    "Have I looked for {x} in vain?",
)
_NAMES = ("an effusion", "a pleural effusion", "fluid in the chest", "pleural fluid")
_CARELESS = 0.3  # share of the questions that are typed carelessly


def roundabout_question(present: bool, rng: np.random.Generator) -> Question:
    """A question that a pleural effusion, ``present`` or not, answers with yes or no."""
    absence = bool(rng.integers(2))
    frames = ABSENCE_ASKED_FOR if absence else ASKED_FOR
    text = frames[rng.integers(len(frames))].format(x=_NAMES[rng.integers(len(_NAMES))])
    truth = "yes" if present != absence else "no"
    argument = f"{ABSENCE if absence else ''}{seen_or_not(EFFUSION, present)}"
    text = typed(text, rng) if rng.random() < _CARELESS else text
    return Question(text, f"{argument} Final Answer: {truth}", truth, EFFUSION, ("yes", "no"))
