"""Score whether two texts say the same about the same findings, with attention to negation.

The findings of truth and reply, each asserted, negated or in doubt (`helpers.findings.finding_states`), are
compared as sets of pairs. What is asserted here and negated there is wrong twice: missed, and added. Doubt is a
third state, and agrees with doubt alone. A finding that is not named is not negated.

It does not see what is not a term of the list (``terms.txt`` in `helpers.findings`, or your own), nor where a
finding is, on which side, how large or how severe. A narrower term is another finding. Texts in other languages
than English have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from helpers.evaluation.text_scores import stated
from helpers.findings import Statements, Terms, finding_states


class Agreement(NamedTuple):
    """How a reply agrees with the truth on findings, each 0 to 1."""

    precision: float  # of what the reply says, the share that the truth says too; 0 where it says nothing
    recall: float  # of what the truth says, the share that the reply says too
    f1: float  # 2 in common / (said by the truth + said by the reply)


def finding_agreement(truth: str, text: str, terms: Terms | None = None) -> Agreement | None:
    """Precision, recall and F1 of the pairs of finding and state; None where the truth names no finding.

    ``terms`` is a list of `helpers.findings.read_terms`, by default the usual one.
    """
    wanted, found = finding_states(truth, terms), finding_states(text, terms)
    if not wanted:
        return None
    common = len(wanted & found)
    precision = common / len(found) if found else 0.0
    return Agreement(precision, common / len(wanted), 2 * common / (len(wanted) + len(found)))


def finding_counts(answers: Iterable[dict[str, Any]], terms: Terms | None = None) -> dict[str, Any]:
    """What answers in words say of each finding, by what the truth says of it.

    Returns ``answers``, how many there are; ``with findings``, those whose truth names any, which alone count in
    "findings F1"; and ``by finding``, in alphabetical order, those that truth or reply names: how often the truth
    says ``asserted``, ``negated`` or ``uncertain``, and of these how often the reply says the same (``agreed``),
    only another state (``other state``) or nothing (``missed``). ``added`` is what the reply says of a finding
    that the truth does not name.
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
