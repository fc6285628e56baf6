"""The words that say whether a finding is there (cues): words of negation and doubt, and words that end them.

They follow NegEx (Chapman et al., J Biomed Inform 34:301, 2001) and ConText (Harkema et al., J Biomed Inform
42:839, 2009). There are cues before and after a finding, words that only look like negation ("no change in"), and
words that end the reach of a cue. We added further words from reports by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import Enum, StrEnum
from typing import NamedTuple

from helpers.findings.words import Phrases, key


class State(StrEnum):
    """What a text says about a finding."""

    ASSERTED = "asserted"
    NEGATED = "negated"
    UNCERTAIN = "uncertain"
    ASIDE = "aside"  # the text names it but says nothing about the image: history, a request, a question


class Kind(Enum):
    """What a cue does."""

    BEFORE = "speaks of the findings behind it"
    AFTER = "speaks of the findings in front of it"
    EITHER = "in front of it where these are its subject, else behind it"
    INNER = "negates, and turned round by a negation right in front of it: not without"
    SPENT = "ends a negation, as it is the change that is negated: no increase in"
    END = "ends what a cue says"
    CAUSE = "ends it too, and goes on with the same statement"
    WITH = "ends doubt, and at the beginning of a part also negation"
    VERB = "a verb; findings in front of it are its subject"
    OPENER = "begins a part of its own behind a comma"
    ARTICLE = "begins a part of its own behind a comma, and with a verb also behind 'and'"
    AND = "and"
    OR = "or"
    NOR = "or, negated"
    VERSUS = "or, of the finding before it wherever that is"
    YES = "yes"
    PLACE = "the next finding is known: within the mass, after chest tube insertion"
    SKIP = "looks like a cue, but is not one"


class Cue(NamedTuple):
    """A cue, and for some kinds the state that it gives."""

    kind: Kind
    state: State | None = None


_SEEN = """seen | identified | present | evident | noted | detected | demonstrated | visualized | visualised
    | visible | appreciated | found | observed | apparent | shown | recognized | recognised | depicted | suspected
    | confirmed | there"""
_SURELY = "| clearly | definitely | convincingly | currently | otherwise | well | be | been"
_MORE_SURELY = _SURELY + " | significantly | completely | fully"
_CHANGED = """changed | increased | decreased | grown | progressed | improved | worsened | resolved | cleared
    | removed | enlarged"""
_CHANGE = """change | increase | decrease | worsening | progression | improvement | enlargement | growth
    | difference | reduction"""
_CHANGE_OF = "in | of | from | to | since | compared"
_ONCE = "previously | before | earlier | until now | in the past"
_PRIOR = "prior | previous | earlier | last | old | baseline | comparison"
_NEAR = "within | inside | in | around | surrounding | near | beyond | adjacent to | next to | outside"
_WHOLLY = "interval | complete | full | significant | definite | further"
_KNOWN = "the | this | that | these | those | known"

_LISTS: dict[Cue, str] = {
    Cue(Kind.BEFORE, State.NEGATED): """no | not | never | neither | none | none of | nil | zero | no longer | deny
        | denies | fail to | fails to | failed to | argues against | argue against | rather than
        | nothing | none positive | none positive for | not positive for
        | instead of | can rule out | can exclude | unlikely to | negatives | pertinent negatives""",
    Cue(Kind.INNER, State.NEGATED): """without | w/o | free of | free from | clear of | devoid of | absence of
        | lack of | lacks | lacking | negative for | rules out | excludes | resolution of | removal of""",
    Cue(Kind.AFTER, State.NEGATED): """can be excluded | can be ruled out | is gone | disappeared
        | none seen | none identified | none present | none noted | none detected | none visible
        | none demonstrated""",
    Cue(Kind.EITHER, State.NEGATED): """absent | ruled out | excluded | resolved | cleared | removed | negative
        | unlikely | very unlikely | highly unlikely | not likely""",
    Cue(Kind.BEFORE, State.UNCERTAIN): """may | might | could | perhaps | possibly | probably | presumably
        | suspicious for | suspicious of | suspicion of | suspicion for | suggestive of | suggest | suggests
        | suggesting | concerning for | concern for | worrisome for | question of | questionable for
        | can not exclude | can not rule out | can not entirely exclude | not exclude | not rule out
        | differential | with or without | favor | favors | favour | favours | favored | favoured
        | possibility of | equivocal for | not necessarily | not certain whether | unclear whether
        | doubt | doubt that | doubt there is | doubt that there is | hardly any | scarcely any
        | uncertain whether | not clear whether | not clear if | unclear if | uncertain if | less likely
        | more likely | most likely | appears to represent | presumed | difficult to exclude
        | difficult to rule out | hard to exclude | hard to rule out | not possible to exclude
        | not possible to rule out | impossible to exclude | impossible to rule out""",
    Cue(Kind.AFTER, State.UNCERTAIN): """can not be excluded | can not be ruled out | not excluded | not ruled out
        | not entirely excluded | can not be entirely excluded | can not be confidently excluded | not certain
        | not clear | not definite | uncertain | indeterminate | is a consideration | is a possibility
        | in the differential | can not be completely excluded | can not be confirmed | not be excluded
        | not be ruled out | difficult to exclude with certainty | hard to exclude with certainty
        | can not be determined | can not be assessed | can not be evaluated""",
    Cue(Kind.EITHER, State.UNCERTAIN): """possible | probable | likely | suspected | questionable | equivocal
        | doubtful | if any""",
    Cue(Kind.BEFORE, State.ASIDE): """history of | h/o | hx of | history : | history | indication : | indication
        | clinical information : | clinical question : | reason for exam | reason for examination | comparison :
        | evaluate for | evaluation for | assess for | assessment for | look for | looking for | to exclude
        | to rule out | rule out | r/o | exclude | risk of | risk for | risk factor for | risk factors for
        | screening for | screen for | if | if there is | if there are | unless | whether | should
        | monitor for | watch for | query""",
    Cue(Kind.BEFORE, State.ASSERTED): """not only | not just | not merely | positive for | no doubt
        | no doubt about""",
    Cue(Kind.SKIP): """without contrast | without iv contrast | without intravenous contrast | with and without
        | without prior | not significantly changed | no history available | no prior | no previous
        | no comparison | without comparison | not to mention | in keeping with | consistent with
        | compatible with | associated with | not be surprised | no change | no changes | no interval change
        | no significant change | no significant interval change | no further change
        | uncertain significance | indeterminate significance | unclear significance | uncertain etiology
        | uncertain aetiology | unclear etiology | unclear aetiology | not specified | the following""",
    Cue(Kind.END): """but | however | although | though | yet | except | except for | other than | apart from
        | aside from | besides | whereas | while | there is | there are | there was | there were | still
        | nevertheless | nonetheless | therefore | in addition
        | additionally | now shows | despite | only""",
    Cue(Kind.CAUSE): "because | secondary to | due to | caused by",
    Cue(Kind.WITH): "with",
    Cue(Kind.VERB): """is | are | was | were | has | have | shows | show | showed | demonstrates | demonstrate
        | reveals | reveal | revealed | remains | remain | persists | persist | contains | contain | appears
        | appear | measures | measure | represents | represent | extends""",
    Cue(Kind.OPENER): """small | large | moderate | mild | severe | tiny | trace | minimal | marked | stable
        | unchanged | new | old | chronic | subtle | extensive | multiple | several | left | right | bilateral
        | persistent | increased | decreased | worsening | improved | improving | known | also | some | diffuse
        | scattered | mildly | moderately | two | three | four | 1 | 2 | 3 | 4 | patchy | dense | minor | slight
        | residual | small-volume | biapical | bibasal | bibasilar""",
    Cue(Kind.ARTICLE): "a | an | the | this | these | it | they",
    Cue(Kind.VERSUS): "vs | versus",
    Cue(Kind.AND): "and | as well as | /",
    Cue(Kind.OR): "or | and/or",
    Cue(Kind.NOR): "nor",
    Cue(Kind.YES): "yes | positive | present",
}
# Lists of parts. One part of each list makes a phrase.
_MADE: list[tuple[Cue, tuple[str, ...]]] = [
    (Cue(Kind.AFTER, State.NEGATED), ("not | no longer", _SURELY, _SEEN)),
    (Cue(Kind.SKIP), ("not", _MORE_SURELY, _CHANGED)),
    # What an earlier image did not show is new: "an effusion, not seen on the prior".
    (Cue(Kind.SKIP), ("not", _SURELY, _SEEN, _ONCE)),
    (Cue(Kind.SKIP), ("not", _SURELY, _SEEN, "on | in | at", "| the | a | any", _PRIOR)),
    (Cue(Kind.SKIP), ("not", "previously", _SEEN)),
    (Cue(Kind.SPENT), (_CHANGE, _CHANGE_OF)),
    (Cue(Kind.PLACE), (_NEAR, _KNOWN)),
    (Cue(Kind.PLACE), ("following | after | status post | s/p",)),
    (Cue(Kind.BEFORE, State.ASSERTED), ("no | without", _WHOLLY, "resolution of | removal of")),
]


def _all() -> Iterator[tuple[tuple[str, ...], Cue]]:
    for cue, parts in [*_MADE, *((cue, (listed,)) for cue, listed in _LISTS.items())]:
        for phrase in itertools.product(*(part.split("|") for part in parts)):
            yield tuple(" ".join(phrase).split()), cue


CUES = Phrases(_all())
_KEYS = {tuple(map(key, phrase)) for phrase, _ in _all()}


def is_cue(phrase: tuple[str, ...]) -> bool:
    """Whether words, as keys (`helpers.findings.words.key`), are a cue. A cue cannot be a finding."""
    return phrase in _KEYS
