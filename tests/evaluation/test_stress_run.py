"""Whole runs of models that are known exactly, so that every figure is right by hand."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.errors import InputError
from helpers.evaluation import read_answers, read_stress, run_evaluation, run_stressed, stress_summary, wilson
from tests.evaluation.lookers import (
    Looker,
    Shown,
    bleeding,
    changes,
    compares,
    is_opposite,
    never_looks,
    sees,
    sees_but_reads_no_opposite,
)


def stressed(decide: Any, cases: list[Shown], output: Path) -> dict[str, Any]:
    scores = run_stressed(functools.partial(run_evaluation, Looker(decide)), cases, output)
    assert scores["stress"]["failed"] == 0
    (kind,) = scores["stress"]["kinds"]
    return scores["stress"]["kinds"][kind]


def means(measures: dict[str, Any], *names: str) -> list[float]:
    return [measures[name]["mean"] for name in names]


def quadrants(measures: dict[str, Any], words: str = "") -> list[int]:
    return [measures[name + words]["count"] for name in ("ideal", "fragile", "dangerous", "worst")]


def test_one_that_looks_and_holds(tmp_path: Path) -> None:
    found = stressed(sees, bleeding(), tmp_path)
    assert means(found, "accuracy as asked", "accuracy in other words", "accuracy negated") == [1, 1, 1]
    assert means(found, "flip rate", "flips in any wording", "turned round when negated") == [0, 0, 1]
    # It finds nothing in no image, which is the plain answer to four of eight, and swapped ones are the others'.
    for spoiled in ("without images", "with black images"):
        assert found[f"changed {spoiled}"]["mean"] == 0.5
        # Of two cases, 8 x 7 pairs: the plain answer of one is no (4 of 8), as all answers without images are.
        assert found[f"changed {spoiled}"]["by chance"] == round(1 - 4 * 7 / 56, 4)
    assert means(found, "changed with swapped images", "right about swapped images") == [1, 1]
    # 4 x 4 + 4 x 4 pairs agree: a yes of one case, and the yes of another one's swapped images.
    assert found["changed with swapped images"]["by chance"] == round(1 - 32 / 56, 4)
    assert quadrants(found) == [4, 0, 4, 0]
    assert quadrants(found, " by swapped images") == [8, 0, 0, 0]
    # Five wordings of eight cases in four groups; all alike, so Wilson's interval for four.
    assert found["flip rate"]["n"] == 40
    assert found["flip rate"]["interval"] == [round(float(bound), 4) for bound in wilson(0, 4)]
    assert found["accuracy negated"]["n"] == 16


def test_one_that_never_looks_is_as_consistent_and_dangerous(tmp_path: Path) -> None:
    found = stressed(never_looks, bleeding(), tmp_path)
    assert means(found, "accuracy as asked", "flip rate", "accuracy negated") == [0.5, 0, 0.5]
    assert means(found, "turned round when negated", "changed without images") == [0, 0]
    assert means(found, "changed with swapped images", "right about swapped images") == [0, 0.5]
    assert quadrants(found) == quadrants(found, " by swapped images") == [0, 0, 8, 0]


def test_one_that_reads_no_opposite(tmp_path: Path) -> None:
    found = stressed(sees_but_reads_no_opposite, bleeding(), tmp_path)
    assert means(found, "accuracy as asked", "accuracy negated", "turned round when negated") == [1, 0, 0]
    assert quadrants(found, " by swapped images") == [8, 0, 0, 0]


def test_one_that_a_word_sways(tmp_path: Path) -> None:
    """It says yes to whoever says please, so one of five wordings flips in the cases where it else says no."""

    def polite(words: str, levels: list[int]) -> str:
        return "yes" if words.partition("SLICE ")[2].count("Please") or sees(words, levels) == "yes" else "no"

    run_stressed(functools.partial(run_evaluation, Looker(polite)), bleeding(), tmp_path)
    stress = read_stress(tmp_path)
    found = stress["kinds"]["ct"]
    assert means(found, "flip rate", "flips in any wording") == [0.1, 0.5]
    assert means(found, "accuracy in other words") == [0.9]
    assert {name: of["flip rate"]["mean"] for name, of in stress["wordings"].items()} == {
        "other words 1": 0,
        "other words 2": 0,
        "other words 3": 0,
        "polite": 0.5,
        "options turned": 0,
    }
    # Without bleeding it flips, and is unchanged without images; swapped, it changes everywhere.
    assert quadrants(found) == [4, 0, 0, 4]
    assert quadrants(found, " by swapped images") == [4, 4, 0, 0]


def test_an_answer_that_cannot_be_read_is_one_of_its_own(tmp_path: Path) -> None:
    """It asks for the images where there are none, and is at a loss before the first case."""

    def needs_images(words: str, levels: list[int]) -> str:
        lost = levels == [90, 90, 90] and not is_opposite(words)
        return "unclear" if lost or not levels else sees(words, levels)

    found = stressed(needs_images, bleeding(), tmp_path)
    assert means(found, "accuracy as asked") == [0.875]
    assert (found["changed without images"]["mean"], found["changed without images"]["unparsable"]) == (1, 7)
    # The case without a plain answer is in no comparison.
    assert found["flips in any wording"]["n"] == found["changed with black images"]["n"] == 7
    assert sum(quadrants(found)) == sum(quadrants(found, " by swapped images")) == 7
    assert quadrants(found) == [7, 0, 0, 0]


def test_a_change_over_time_turns_round_with_the_images(tmp_path: Path) -> None:
    found = stressed(compares, changes(), tmp_path / "compares")
    assert means(found, "accuracy as asked", "flip rate", "turned round when exchanged") == [1, 0, 1]
    # Of 6 x 5 pairs of cases, those with one change: each of three changes twice.
    assert found["turned round when exchanged"]["by chance"] == round(6 / 30, 4)
    assert means(found, "changed with swapped images", "right about swapped images") == [1, 1]
    assert quadrants(found, " by swapped images") == [6, 0, 0, 0]
    assert "accuracy negated" not in found

    found = stressed(lambda words, levels: "worsened", changes(), tmp_path / "worsened")
    assert means(found, "flip rate", "turned round when exchanged") == [0, 0]
    assert quadrants(found) == [0, 0, 0, 6]  # the same in all wordings, but not turned round

    found = stressed(lambda words, levels: "stable", changes(), tmp_path / "stable")
    assert (found["turned round when exchanged"]["mean"], found["turned round when exchanged"]["by chance"]) == (
        1,
        1,
    )
    assert quadrants(found) == [0, 0, 6, 0]


def test_plain_answers_and_scores_are_those_of_a_run_without_it(tmp_path: Path) -> None:
    cases = bleeding()
    plain = run_evaluation(Looker(sees), cases, tmp_path / "plain")
    scores = run_stressed(functools.partial(run_evaluation, Looker(sees)), cases, tmp_path / "both")
    assert {name: value for name, value in scores.items() if name != "stress"} == plain
    assert json.loads((tmp_path / "both" / "scores.json").read_text()) == scores
    kept = [read_answers(tmp_path / name / "answers.jsonl") for name in ("plain", "both")]
    assert kept[0] == kept[1]
    assert read_stress(tmp_path / "both") == scores["stress"]
    assert read_stress(tmp_path / "plain") is None
    assert json.loads((tmp_path / "both" / "stress" / "scores.json").read_text())["stress"] == scores["stress"]


def test_what_is_answered_is_not_asked_again(tmp_path: Path) -> None:
    cases = bleeding()
    run_evaluation(Looker(sees), cases, tmp_path)
    chat = Looker(sees)
    first = run_stressed(functools.partial(run_evaluation, chat), cases, tmp_path)
    assert len(chat.asked) == first["stress"]["answers"] == 8 * (5 + 2 + 3)
    again = Looker(sees)
    assert run_stressed(functools.partial(run_evaluation, again), cases, tmp_path) == first
    assert again.asked == []
    assert "stress" not in run_evaluation(Looker(sees), cases, tmp_path)
    assert read_stress(tmp_path) == first["stress"]
    run_evaluation(Looker(sees), cases, tmp_path, max_new_tokens=7)  # the plain answers are others now
    assert read_stress(tmp_path) is None


def test_a_variant_that_fails_is_counted_and_leaves_its_case_out_of_what_needs_it(tmp_path: Path) -> None:
    def breaks(words: str, levels: list[int]) -> str:
        if not levels:
            raise ConnectionError("gone")
        return sees(words, levels)

    scores = run_stressed(functools.partial(run_evaluation, Looker(breaks)), bleeding(), tmp_path)
    found = scores["stress"]["kinds"]["ct"]
    assert (scores["failed"], scores["stress"]["failed"]) == (0, 8)
    assert "changed without images" not in found and "ideal" not in found
    assert quadrants(found, " by swapped images") == [8, 0, 0, 0]


def test_cases_that_are_no_choice_are_left_out_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    cases = bleeding()
    told = [replace(case, id=f"t{k}", options=(), truth="A bleeding.") for k, case in enumerate(cases[:2])]
    scores = run_stressed(functools.partial(run_evaluation, Looker(sees)), [*cases, *told], tmp_path / "a")
    assert (scores["stress"]["cases"], scores["stress"]["left out"]) == (8, 2)
    lines = stress_summary(scores["stress"]).splitlines()
    assert lines[0].endswith("8 cases, 80 answers, 0 failed; 2 cases left out")
    assert lines[3].split() == ["ct", "flip", "rate", "0.00", "(0.00", "to", "0.49),", "n", "40"]
    with pytest.raises(InputError, match="None of the 2 cases has both options and a question"):
        run_stressed(functools.partial(run_evaluation, Looker(sees)), told, tmp_path / "b")
    assert not (tmp_path / "b").exists()
