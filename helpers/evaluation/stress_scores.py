"""Score cases that were also asked in other ways, to see whether a model looks at the images and keeps its
answers.

After Sadanandan and Behzadan (arXiv:2603.20985): an answer that is the same in all wordings need not come from the
image. So each case falls into one of four quadrants. It is *ideal* where its answer is the same in all wordings
(consistent) and another one without the images (image-bound), *fragile* where it is image-bound only, *dangerous*
where it is consistent only, and *worst* where it is neither. The wordings, the other spoiled images and the rules
below are ours.

- An answer that cannot be parsed is one of its own: beside an answer that can be, it is a flip, a change, and no
  turning round. How many there were stands beside each measure. Where the plain answer itself cannot be parsed
  there is nothing to compare with, and the case counts in the accuracies alone.
- A model that looks need not change every answer without images: it may well guess the right one. What answers of
  the same frequencies, given without regard to the case, would do is told as ``by chance``. Where the images are
  swapped for those of a case whose answer is the other one, a model that looks has to change its answer.
- A pair of images for a change over time is consistent only where, exchanged, also the answer turns round.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.evaluation.intervals import DRAWS, macro
from helpers.evaluation.marks import Answer, mark
from helpers.evaluation.scores import failures_of
from helpers.evaluation.stress_cases import BLACK, EXCHANGED, NEGATED, REMOVED, SWAPPED, WORDS
from helpers.evaluation.stress_wordings import EACH, turned_answers

OPPOSITE = {"yes": "no", "no": "yes"}
QUADRANTS = {(True, True): "ideal", (False, True): "fragile", (True, False): "dangerous", (False, False): "worst"}
Pair = tuple[Answer, Any, Any]  # a plain answer, what is compared with, and what the variant was answered


@dataclass(frozen=True)
class Stressed:
    """The plain answer to a case, and the answers to its variants by their names."""

    plain: Answer
    variants: Mapping[str, Answer]

    def beginning(self, name: str) -> list[Answer]:
        """Answers to the variants whose names begin so."""
        return [answer for found, answer in self.variants.items() if found.startswith(name)]

    def turns_round(self) -> bool | None:
        """Whether the answer turns round when the images are exchanged; None where they were not."""
        if (exchanged := self.variants.get(EXCHANGED)) is None:
            return None
        return exchanged["parsed"] == turned_answers(self.plain["options"]).get(self.plain["parsed"])

    def quadrant(self, spoiled: str) -> str | None:
        """The quadrant by images that are removed, or swapped for those of another truth.

        None where an answer that decides it is missing, or that to the plain question could not be parsed.
        """
        said, without, wordings = self.plain["parsed"], self.variants.get(spoiled), self.beginning(WORDS)
        if said is None or without is None or len(wordings) < EACH or not (spoiled == REMOVED or self.known()):
            return None
        holds = all(answer["parsed"] == said for answer in wordings) and self.turns_round() is not False
        return QUADRANTS[holds, without["parsed"] != said]

    def known(self) -> bool:
        """Whether it is known that another answer is true of the swapped images."""
        return SWAPPED in self.variants and self.variants[SWAPPED]["truth"] != self.plain["truth"]


def score_stress(plain: Iterable[Answer], asked: Iterable[Answer], draws: int = DRAWS) -> dict[str, Any]:
    """Scores of ``asked``, the answers to variants of cases, beside ``plain``, those to the cases themselves.

    Returns ``cases`` that have variants, ``left out`` that have none, ``answers`` to variants, how many ``failed``
    beside them and why (``failures``), the share ``unparsable``, and three groups of measures, all of one shape:
    ``kinds`` by kind of case, ``conditions`` by condition, and ``wordings``, the flip rate of each wording. A
    measure is a share of cases, or of answers where a case has several, and not macro. It has ``mean``, ``n``,
    ``interval`` and its ``method`` by groups as in `helpers.evaluation.intervals`, and where it applies ``count``
    (cases of a quadrant), ``unparsable`` (answers to variants) and ``by chance`` (over the cases whose question,
    by condition and options, several share).

    Measures, each where it can be had:

    - ``accuracy as asked`` and ``in other words``; ``flip rate``, the share of answers in other words that differ
      from the plain one; ``flips in any wording``, the share of cases;
    - ``accuracy negated``, and the share ``turned round when negated``;
    - ``changed without images``, ``with black images``, ``with swapped images``: the share of answers that are
      others than the plain one; ``right about swapped images``, where their truth is known and another;
    - ``turned round when exchanged``: of pairs of images for a change over time;
    - ``ideal``, ``fragile``, ``dangerous``, ``worst``: the quadrants by removed images, and ``by swapped images``
      of another truth.
    """
    done = [answer for answer in plain if "error" not in answer]
    asked = list(asked)
    variants: dict[str, dict[str, Answer]] = defaultdict(dict)
    for answer in asked:
        case, _, name = answer["id"].rpartition("#")
        if "error" not in answer:
            variants[case][name] = answer
    cases = [Stressed(answer, variants[answer["id"]]) for answer in done if answer["id"] in variants]
    answers = [answer for case in cases for answer in case.variants.values()]
    silent = sum(answer["parsed"] is None for answer in answers)
    return {
        "cases": len(cases),
        "left out": len(done) - len(cases),
        "answers": len(answers),
        "failed": sum("error" in answer for answer in asked),
        "failures": failures_of(asked),
        "unparsable": round(silent / len(answers), 4) if answers else None,
        "kinds": _by(cases, lambda case: case.plain["kind"], draws),
        "conditions": _by(cases, _condition, draws),
        "wordings": _by_wording(cases, draws),
    }


def _condition(case: Stressed) -> str:
    return ": ".join(filter(None, (case.plain["kind"], case.plain["condition"])))


def _by(cases: Sequence[Stressed], key: Callable[[Stressed], str], draws: int) -> dict[str, dict[str, Any]]:
    parts: dict[str, list[Stressed]] = {}
    for case in cases:
        parts.setdefault(key(case), []).append(case)
    return {name: dict(_measures(part, draws)) for name, part in parts.items()}


def _by_wording(cases: Sequence[Stressed], draws: int) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys(name for case in cases for name in case.variants if name.startswith(WORDS))
    flips = {name.removeprefix(WORDS): _compared(_pairs(cases, name), draws, changed=True) for name in names}
    return {name: {"flip rate": value} for name, value in flips.items() if value}


def _measures(cases: Sequence[Stressed], draws: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every measure that these cases have, with its name."""

    def share(marks: Iterable[tuple[str, float]], **more: Any) -> dict[str, Any]:
        values = list(marks)
        return {**macro([values], draws), **more} if values else {}

    def right(answers: Iterable[Answer]) -> dict[str, Any]:
        return share((answer["group"], mark(answer)) for answer in answers)

    reworded = _pairs(cases, WORDS)
    flipping: dict[str, list[bool]] = defaultdict(list)
    for plain, said, found in reworded:
        flipping[plain["id"]].append(said != found)
    groups = {case.plain["id"]: case.plain["group"] for case in cases}
    swapped = [case.variants[SWAPPED] for case in cases if case.known()]
    found = {
        "accuracy as asked": right(case.plain for case in cases),
        "accuracy in other words": right(answer for case in cases for answer in case.beginning(WORDS)),
        "flip rate": _compared(reworded, draws, changed=True, by_chance=False),
        "flips in any wording": share((groups[case], float(any(flips))) for case, flips in flipping.items()),
        "accuracy negated": right(answer for case in cases for answer in case.beginning(NEGATED)),
        "turned round when negated": _compared(_pairs(cases, NEGATED, _opposite), draws, changed=False),
        "turned round when exchanged": _compared(_pairs(cases, EXCHANGED, _turned), draws, changed=False),
        "changed without images": _compared(_pairs(cases, REMOVED), draws, changed=True),
        "changed with black images": _compared(_pairs(cases, BLACK), draws, changed=True),
        "changed with swapped images": _compared(_pairs(cases, SWAPPED), draws, changed=True),
        "right about swapped images": right(swapped),
    }
    for spoiled, words in ((REMOVED, ""), (SWAPPED, " by swapped images")):
        placed = [(case.plain["group"], case.quadrant(spoiled)) for case in cases]
        placed = [(group, quadrant) for group, quadrant in placed if quadrant]
        for name in QUADRANTS.values():
            count = sum(quadrant == name for _, quadrant in placed)
            found[name + words] = share(((g, float(quadrant == name)) for g, quadrant in placed), count=count)
    yield from ((name, value) for name, value in found.items() if value)


def _same(plain: Answer) -> Any:
    return plain["parsed"]


def _opposite(plain: Answer) -> Any:
    return OPPOSITE.get(plain["parsed"])


def _turned(plain: Answer) -> Any:
    return turned_answers(plain["options"]).get(plain["parsed"])


def _pairs(cases: Iterable[Stressed], name: str, expected: Callable[[Answer], Any] = _same) -> list[Pair]:
    """Each answer to variants whose names begin so, with what its plain answer makes expect; None: no answer."""
    pairs = ((case.plain, expected(case.plain), answer) for case in cases for answer in case.beginning(name))
    return [(plain, awaited, answer["parsed"]) for plain, awaited, answer in pairs if awaited is not None]


def _compared(pairs: Sequence[Pair], draws: int, *, changed: bool, by_chance: bool = True) -> dict[str, Any]:
    """The share of pairs that differ (``changed``) or agree; empty where there is none."""
    if not pairs:
        return {}
    out = macro([[(plain["group"], float((awaited != said) == changed)) for plain, awaited, said in pairs]], draws)
    chance = _by_chance(pairs, changed) if by_chance else None
    silent = sum(said is None for *_, said in pairs)
    return {
        **out,
        **({} if chance is None else {"by chance": round(chance, 4)}),
        **({"unparsable": silent} if silent else {}),
    }


def _by_chance(pairs: Sequence[Pair], changed: bool) -> float | None:
    """The same share where each answer stands beside the expectation of every other case of its question.

    None where no two cases share a question.
    """
    questions: dict[Any, list[Pair]] = defaultdict(list)
    for pair in pairs:
        questions[pair[0]["condition"], frozenset(pair[0]["options"])].append(pair)
    total = weight = 0.0
    for part in questions.values():
        cases = Counter(plain["id"] for plain, *_ in part)
        awaited, said = (Counter(pair[k] for pair in part) for k in (1, 2))
        own = Counter((plain["id"], awaited) for plain, awaited, _ in part)
        within = sum(own[plain["id"], answer] for plain, _, answer in part)
        others = len(part) ** 2 - sum(n**2 for n in cases.values())
        if others:
            agree = (sum(n * said[answer] for answer, n in awaited.items()) - within) / others
            total += len(part) * ((1 - agree) if changed else agree)
            weight += len(part)
    return total / weight if weight else None
