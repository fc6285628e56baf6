"""What a server tells of its tokens is asked for where it is needed, and read as numbers or not at all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from helpers.endpoints.likelihoods import NoNumbers, steps_of
from helpers.evaluation import read_answers, run_evaluation
from helpers.prompts import image_messages
from tests.endpoints.conftest import asking, questions
from tests.endpoints.fake_endpoint import FakeServer, Handler, answer_to


def telling(**shares: float) -> Any:
    """A server that tells the likelihoods of its last word, whose log-probability may be anything."""

    def fault(handler: Handler, number: int) -> bool:
        answer = answer_to(handler.fake.requests[number])
        text = answer["choices"][0]["message"]["content"]
        top = [{"token": f" {word}", "logprob": value} for word, value in shares.items()]
        answer["choices"][0]["logprobs"] = {
            "content": [
                {"token": text.removesuffix(" yes"), "logprob": -0.1, "bytes": None, "top_logprobs": []},
                {"token": " yes", "logprob": shares["yes"], "bytes": list(b" yes"), "top_logprobs": top},
            ]
        }
        handler.send(200, answer)
        return True

    return fault


def test_yes_or_no_questions_ask_for_likelihoods_and_others_do_not(fake: FakeServer, tmp_path: Path) -> None:
    fake.fault = telling(yes=math.log(0.6), no=math.log(0.2))
    chat = asking(fake)
    run_evaluation(chat, questions(2), tmp_path)
    for answer in read_answers(tmp_path / "answers.jsonl"):
        assert answer["p_yes"] == pytest.approx(0.75) and answer["yes_no_mass"] == pytest.approx(0.8)
        assert answer["p_yes_direct"] is None
    assert all(body["logprobs"] is True and body["top_logprobs"] == 20 for body in fake.requests)
    chat.generate(image_messages([], "a sentence"))
    assert "logprobs" not in fake.requests[-1]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_the_wish_is_asked_without(fake: FakeServer, tmp_path: Path, status: int) -> None:
    def fault(handler: Handler, number: int) -> bool:
        if "logprobs" not in fake.requests[number]:
            return False
        handler.send(status, {"error": {"message": "logprobs is not supported by this model"}})
        return True

    fake.fault = fault
    chat = asking(fake, at_once=1)
    assert run_evaluation(chat, questions(3), tmp_path)["answers"] == 3
    assert len(fake.requests) == 4 and chat.totals.failed == 0  # one of them to find out
    assert {a["p_yes"] for a in read_answers(tmp_path / "answers.jsonl")} == {None}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, 0.5, "-1"])
def test_a_case_whose_likelihoods_are_no_numbers_says_so_and_the_others_are_scored(
    fake: FakeServer, tmp_path: Path, value: Any
) -> None:
    good, bad = telling(yes=-0.1, no=-3.0), telling(yes=value, no=-3.0)
    fake.fault = lambda handler, n: (bad if "question 1" in str(fake.requests[n]) else good)(handler, n)
    chat = asking(fake, attempts=2)
    scores = run_evaluation(chat, questions(3), tmp_path)
    assert (scores["answers"], scores["failed"]) == (2, 1)
    (error,) = (a["error"] for a in read_answers(tmp_path / "answers.jsonl") if "error" in a)
    assert "log-probabilities are not numbers" in error and fake.url in error and "float32" in error
    assert len(fake.requests) == 3  # it would be the same again
    for name in ("answers.jsonl", "scores.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "NaN" not in text and "Infinity" not in text


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"tokens": ["yes"]},
        {"content": ["x"]},
        {"content": [{"token": "a", "logprob": -1, "bytes": [300]}]},
        {"content": [{"token": "a", "top_logprobs": 5}]},
    ],
)
def test_what_is_told_in_another_form_is_nothing_told(told: Any) -> None:
    assert steps_of(told) is None


def test_a_rounded_certainty_is_one_and_more_is_no_likelihood() -> None:
    entry = {"token": "ü", "bytes": [195, 188], "logprob": 1e-4}
    (step,) = steps_of({"content": [entry]})
    assert step.spelled == "ü".encode() and step.likely == (("ü", 1.0),)
    with pytest.raises(NoNumbers, match=r"1\.0 for 'ü'"):
        steps_of({"content": [entry | {"logprob": 1.0}]})
