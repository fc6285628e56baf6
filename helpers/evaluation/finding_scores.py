"""Score whether two texts say the same about the same findings, with attention to negation.

`helpers.findings.finding_states` finds the findings in the truth and in the reply, each asserted, negated or in
doubt. Both are compared as sets of pairs of finding and state. If the truth asserts a finding and the reply
negates it, the reply is wrong twice: one pair is missed, and one is added. Doubt agrees only with doubt. A finding
that a text does not name does not count as negated.

The score does not see findings that are not in the list of terms (``terms.txt`` in `helpers.findings`, or your
own), nor the place, side, size or severity of a finding. A narrower term counts as another finding. In texts of
other languages than English, it finds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from helpers.evaluation.text_scores import stated
from helpers.findings import Statements, Terms, finding_states


class Agreement(NamedTuple):
    """How a reply agrees with the truth on findings, each 0 to 1."""

    precision: float  # the share of the reply's pairs that the truth has too; 0 if the reply has none
    recall: float  # the share of the truth's pairs that the reply has too
    f1: float  # 2 in common / (said by the truth + said by the reply)


def finding_agreement(truth: str, text: str, terms: Terms | None = None) -> Agreement | None:
    """Precision, recall and F1 of the pairs of finding and state; None if the truth names no finding.

    ``terms`` is a list of `helpers.findings.read_terms`, by default the usual one.
    """
    wanted, found = finding_states(truth, terms), finding_states(text, terms)
    if not wanted:
        return None
    common = len(wanted & found)
    precision = common / len(found) if found else 0.0
    return Agreement(precision, common / len(wanted), 2 * common / (len(wanted) + len(found)))


def finding_counts(answers: Iterable[dict[str, Any]], terms: Terms | None = None) -> dict[str, Any]:
    """Count for each finding how the answers agree with the truth.

    Returns ``answers``, the number of answers; ``with findings``, the number of those whose truth names a finding,
    which alone count in "findings F1"; and ``by finding``, in alphabetical order, the findings of truths and
    replies. For each of them, it has the number of truths that are ``asserted``, ``negated`` or ``uncertain``, and
    the number of replies that say the same (``agreed``), only another state (``other state``) or nothing
    (``missed``). ``added`` counts the replies that name the finding although the truth does not.
    """
    pairs = [(finding_states(a["truth"], terms), finding_states(stated(a["text"]), terms)) for a in answers]
    counts: dict[str, Counter[str]] = {}
    for wanted, found in pairs:
        for finding, what in _compared(wanted, found):
            counts.setdefault(finding, Counter(dict.fromkeys(_COUNTED, 0)))[what] += 1
    named = {finding: dict(counts[finding]) for finding in sorted(counts)}
    return {"answers": len(pairs), "with findings": sum(bool(wanted) for wanted, _ in pairs), "by finding": named}


_COUNTED = ("asserted", "negated", "uncertain", "agreed", "other state", "missed", "added")


def _compared(wanted: Statements, found: Statements) -> Iterable[tuple[str, str]]:
    in_truth, in_reply = ({finding for finding, _ in pairs} for pairs in (wanted, found))
    for finding, state in wanted:
        yield finding, state
        agreed = (finding, state) in found
        yield finding, "agreed" if agreed else "other state" if finding in in_reply else "missed"
    for finding, _ in found:
        if finding not in in_truth:
            yield finding, "added"
