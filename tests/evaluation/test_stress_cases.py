"""What a variant shows and says: the rest of the prompt stays, and no image of the same group takes its place."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.evaluation import Variant, by_group, read_cases, stress_variants
from helpers.prompts import THINKING_INSTRUCTION, image_messages, images_of, slide_messages
from helpers.teaching import generate
from tests.evaluation.lookers import QUESTION, Shown, bleeding, changes


def variants(cases: list) -> dict[str, Variant]:
    return {variant.id: variant for variant in stress_variants(cases)}


def words_of(variant: Variant) -> list[str]:
    return [part["text"] for part in variant.messages[-1]["content"] if part["type"] == "text"]


def levels_of(variant: Variant) -> list[int]:
    return [image.getpixel((0, 0))[0] for image in images_of(variant.messages)]


def test_words_change_in_the_question_alone() -> None:
    cases = bleeding()
    found = variants(cases)
    plain = [part["text"] for part in cases[0].messages[-1]["content"] if part["type"] == "text"]
    polite = found["c0#words: polite"]
    assert words_of(polite) == [*plain[:-1], f"SLICE 2\n\nPlease answer the following question. {QUESTION}"]
    assert levels_of(polite) == [200, 200] and polite.truth == "yes"
    opposite = found["c0#negated: free of"]
    assert "Would you call the CT volume free of" in words_of(opposite)[-1] and opposite.truth == "no"
    assert found["c7#negated: free of"].truth == "yes"


def test_images_are_removed_black_or_those_of_another_truth() -> None:
    found = variants(bleeding())
    assert words_of(found["c0#images removed"]) == [QUESTION]
    assert levels_of(found["c0#images removed"]) == []
    black = found["c7#images black"]
    assert [image.size for image in images_of(black.messages)] == [(4, 4)] * 3 and set(levels_of(black)) == {0}
    # The next case with another truth, with as many slices as that has; behind the last the first.
    assert found["c0#images swapped"].other.id == "c4"
    swapped = found["c3#images swapped"]
    assert (levels_of(swapped), swapped.truth) == ([90, 90], "no")
    last = found["c7#images swapped"]
    assert (last.other.id, levels_of(last), last.truth) == ("c0", [200, 200], "yes")
    assert words_of(last)[-1] == f"SLICE 2\n\n{QUESTION}"


def test_images_of_the_same_group_are_never_taken() -> None:
    yes, no, other = (replace(bleeding()[k], group=group) for k, group in ((0, "a"), (4, "a"), (1, "b")))
    assert not [name for name in variants([yes, no]) if "swapped" in name]
    found = variants([yes, no, other])
    assert found[f"{no.id}#images swapped"].other.id == other.id
    # The only other group has the same truth: nothing there would have to change the answer.
    assert f"{yes.id}#images swapped" not in found


def test_a_case_that_asks_something_else_lends_its_images_where_no_other_can_and_the_truth_is_not_known() -> None:
    bleeds = bleeding()[0]
    oedema = replace(bleeding()[7], question=QUESTION.replace("bleeding", "oedema"), truth="no")
    found = variants([bleeds, oedema])
    swapped = found["c0#images swapped"]
    assert swapped.other.id == "c7" and swapped.truth == bleeds.truth
    # "Is there oedema?" no: it says nothing about bleeding, though both are scored as one condition.
    assert bleeds.condition == oedema.condition


def test_pairs_are_exchanged_and_only_there() -> None:
    found = variants(changes())
    assert levels_of(found["p0#images exchanged"]) == [90, 200]
    assert [found[f"p{k}#images exchanged"].truth for k in (0, 2, 4)] == ["worsened", "stable", "improved"]
    assert not [name for name in variants(bleeding()) if "exchanged" in name]
    one = replace(changes()[0], levels=(90,))
    with pytest.raises(InputError, match="p0 asks for a change over time, but shows 1 images"):
        _ = variants([one])["p0#images exchanged"].messages


def test_the_system_turn_and_a_slides_instruction_stay() -> None:
    class Thinking(Shown):
        @property
        def messages(self) -> list:
            return image_messages([Image.new("RGB", (4, 4))], self.question, system=THINKING_INSTRUCTION)

    class Slide(Shown):
        @property
        def messages(self) -> list:
            return slide_messages([Image.new("RGB", (4, 4))] * 2, self.question)

    thinking = variants([Thinking("t", (), "g", "yes")])["t#images removed"].messages
    assert [turn["role"] for turn in thinking] == ["system", "user"]
    slide = variants([Slide("s", (), "g", "yes")])
    assert words_of(slide["s#images removed"])[0].startswith("Provide a brief diagnostic text")
    assert "Please answer" in words_of(slide["s#words: polite"])[0]


def test_a_question_that_is_not_found_once_is_one_error() -> None:
    class Twice(Shown):
        @property
        def messages(self) -> list:
            return image_messages([Image.new("RGB", (4, 4))], f"{self.question} {self.question}")

    with pytest.raises(InputError, match="The question of w occurs 2 times"):
        _ = variants([Twice("w", (), "g", "yes")])["w#words: polite"].messages
    with pytest.raises(InputError, match="c0 shows no image"):
        _ = variants([replace(bleeding()[0], kind="change", levels=())])["c0#images black"].messages


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: dict[str, str]) -> Path:
        for k, level in enumerate((200, 90, 60)):
            Image.fromarray(np.full((6, 8), level, np.uint8)).save(tmp_path / f"{k}.png")
        with (tmp_path / "table.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, sorted({name for row in rows for name in row}))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / "table.csv"

    return write


def test_rows_of_a_table_are_read_once_and_those_of_another_file_stand_apart(table: Callable[..., Path]) -> None:
    row = {"modality": "image", "condition": "nodule", "question": "Is there a nodule?"}
    cases = read_cases(table({**row, "path": "0.png", "answer": "yes"}, {**row, "path": "1.png", "answer": "no"}))
    found = stress_variants(cases)
    groups = by_group(found)
    assert [{variant.name.partition(":")[0] for variant in group} for group in groups[:3]] == [
        {"words", "negated"},
        {"images removed", "images black"},
        {"images swapped"},
    ]
    swapped = next(variant for variant in found if variant.name == "images swapped")
    assert (Path(swapped.path).name, swapped.group, swapped.truth) == ("1.png", "0.png", "no")
    assert images_of(swapped.messages)[0].tobytes() == images_of(cases[1].messages)[0].tobytes()
    states = [variant.state for variant in found]
    assert "" not in states and len(set(states)) == len(states)
    assert {variant.table for variant in found} == {cases[0].table}
    # A swapped prompt has changed when the other's file has; the others have not.
    Image.fromarray(np.full((6, 8), 61, np.uint8)).save(cases[1].path)
    changed = [variant.name for variant, state in zip(found, states, strict=True) if variant.state != state]
    assert "images swapped" in changed and len(changed) == len(states) / 2 + 1


def test_a_prior_image_is_swapped_with_a_pair_and_exchanged(table: Callable[..., Path]) -> None:
    row = {"modality": "image", "question": "How has it changed?", "options": "improved|stable|worsened"}
    found = variants(
        read_cases(
            table(
                {**row, "id": "a", "path": "0.png", "prior": "1.png", "answer": "worsened"},
                {**row, "id": "b", "path": "1.png", "prior": "0.png", "answer": "improved"},
                {**row, "id": "c", "path": "2.png", "prior": "", "answer": "stable"},
            )
        )
    )
    levels = {name: [image.getpixel((4, 4))[0] for image in images_of(v.messages)] for name, v in found.items()}
    assert levels["a#words: polite"] == [90, 200]
    assert levels["a#images exchanged"] == [200, 90] == levels["a#images swapped"]
    assert "c#images exchanged" not in found and "c#images swapped" not in found


@pytest.mark.parametrize("kind", ["image", "change"])
def test_teaching_cases_have_variants_of_every_kind(kind: str) -> None:
    cases = generate(kind, 12, 2_000_000)
    found = stress_variants(cases)
    assert {variant.case.id for variant in found} == {case.id for case in cases if case.options}
    for variant in found:
        shown = len(images_of(variant.messages))
        assert shown == (0 if variant.name == "images removed" else len(variant.case.images))
