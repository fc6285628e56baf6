"""How cases are asked: what is at fault fails alone, and says why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.evaluation.asking import form_of
from helpers.models import ChatModel
from helpers.prompts import Message, Reply, image_messages
from helpers.reports import write_report


@dataclass(frozen=True)
class Drawn:
    """A question about a square, which is blue in the group "broken" and red in any other."""

    id: str
    group: str
    kind: str = "image"
    condition: str = "red"
    options: tuple[str, ...] = ("yes", "no")
    truth: str = "yes"

    @property
    def messages(self) -> list[Message]:
        colour = "blue" if self.group == "broken" else "red"
        question = f'{self.id}: is it red? End with "Final Answer: yes" or "Final Answer: no".'
        return image_messages([Image.new("RGB", (16, 16), colour)], question)


@dataclass(frozen=True)
class Says:
    """A server that says one thing."""

    said: str
    name: str = "says"

    def generate(self, messages: list[Message], max_new_tokens: int = 512) -> Reply:
        return Reply(self.said, "", 1, 1, 0.1, finished=True)


@pytest.fixture
def breaking(standin: ChatModel) -> Iterator[ChatModel]:
    """The stand-in, whose logits are NaN from when it sees a blue image, until it sees another."""
    blue: list[bool] = []

    def see(module: Any, inputs: Any, named: dict[str, Any]) -> None:
        pixels = named["pixel_values"] if "pixel_values" in named else inputs[0]
        blue.append(bool(pixels[:, 2].mean() > pixels[:, 0].mean()))

    def overflow(module: Any, inputs: Any, logits: torch.Tensor) -> torch.Tensor:
        return logits * float("nan") if blue[-1:] == [True] else logits

    hooks = [
        standin.model.model.vision_tower.register_forward_pre_hook(see, with_kwargs=True),
        standin.model.lm_head.register_forward_hook(overflow),
    ]
    yield standin
    for hook in hooks:
        hook.remove()


def test_a_case_whose_logits_are_no_numbers_says_so_and_the_others_are_scored(
    breaking: ChatModel, tmp_path: Path
) -> None:
    cases = [Drawn(f"q{k}", ("whole", "broken", "also whole")[k // 2]) for k in range(6)]
    scores = run_evaluation(breaking, cases, tmp_path, max_new_tokens=12)
    assert (scores["answers"], scores["failed"]) == (4, 2)
    answers = {a["id"]: a for a in read_answers(tmp_path / "answers.jsonl")}
    for name in ("q2", "q3"):
        assert "not numbers (NaN or infinity), computed in float32" in answers[name]["error"]
    for name in ("q0", "q1", "q4", "q5"):
        assert 0 <= answers[name]["p_yes_direct"] <= 1 and 0 <= answers[name]["yes_no_mass_direct"] <= 1

    def refuse(word: str) -> None:
        raise AssertionError(word)

    for path in (tmp_path / "scores.json", *write_report([tmp_path], tmp_path / "report")):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        shown = path.read_text(encoding="utf-8").replace("NaN or infinity", "")  # the words of the error
        assert not re.search(r"\bnan\b", shown, re.IGNORECASE)
    assert run_evaluation(breaking, cases[:2], tmp_path, max_new_tokens=12)["failed"] == 0


@pytest.mark.parametrize(
    ("truth", "form", "kept"),
    [
        ("[]", "box", []),
        ('[{"box_2d": [0, 0.1, 0.5, 1]}]', "box", [0, 100, 500, 1000]),
        ("Adenocarcinoma.", "text", "Adenocarcinoma."),
        ('A sentence about [{"box_2d": [1, 2, 3, 4]}]', "text", 'A sentence about [{"box_2d": [1, 2, 3, 4]}]'),
    ],
)
def test_no_box_is_a_truth_and_only_what_begins_like_boxes_is_read_as_boxes(
    truth: str, form: str, kept: Any
) -> None:
    assert form_of(Drawn("q", "g", options=(), truth=truth)) == (form, kept)


@pytest.mark.parametrize(
    "truth", ['[{"box_2d": [1, 2, 3, 4]}, {"box_2d": [1, 2, 3, 5]}]', "[1] Adenocarcinoma", "["]
)
def test_a_truth_that_is_not_one_box_is_refused(truth: str) -> None:
    with pytest.raises(InputError):
        form_of(Drawn("q", "g", options=(), truth=truth))


@pytest.mark.parametrize(("said", "away"), [("It is red. " * 30, True), ("Red.\nFinal Answer: yes", False)])
def test_an_answer_says_whether_it_ran_away(said: str, away: bool, tmp_path: Path) -> None:
    scores = run_evaluation(Says(said), [Drawn("q", "g")], tmp_path)
    assert [a["runaway"] for a in read_answers(tmp_path / "answers.jsonl")] == [away]
    assert scores["runaway"] == away
