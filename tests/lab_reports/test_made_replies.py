"""Replies that no model wrote: spoiled as their rates say, and never to be taken for a model's."""

from __future__ import annotations

import json

import pytest

from helpers.errors import InputError
from helpers.lab_reports import (
    ErrorRates,
    as_reply,
    lab_question,
    made_reply,
    make_report,
    make_reports,
    read_reply,
    record_made_replies,
    score_replies,
)
from helpers.models import load_model
from helpers.prompts import image_messages

NEVER = ErrorRates(**dict.fromkeys(ErrorRates.__dataclass_fields__, 0.0))


def macro_f1(reports, **how):
    replies = [read_reply(made_reply(report.rows, report.seed, **how)) for report in reports]
    return score_replies([report.rows for report in reports], replies)["macro F1"]["mean"]


def test_without_errors_a_reply_is_the_truth_and_with_them_it_is_the_same_for_the_same_seed():
    rows = make_report(2).rows
    assert made_reply(rows, 0, rates=NEVER) == as_reply(rows)
    assert made_reply(rows, 5, scan="faint") == made_reply(rows, 5, scan="faint")
    assert made_reply(rows, 5, scan="faint") != made_reply(rows, 6, scan="faint")


def test_a_worse_scan_and_a_higher_rate_score_lower():
    reports = make_reports(8)
    clean, faint = macro_f1(reports, scan="clean"), macro_f1(reports, scan="faint")
    assert 0.5 < faint < clean < 1
    always = ErrorRates(**{**vars(NEVER), "refused": 1.0})
    assert macro_f1(reports[:2], rates=always) == 0


@pytest.mark.parametrize(
    ("rate", "field"), [("digit", "value"), ("unit", "unit"), ("range", "range"), ("flag", "flag")]
)
def test_each_rate_spoils_its_own_field(rate, field):
    reports = make_reports(6)
    rates = ErrorRates(**{**vars(NEVER), rate: 0.3})
    replies = [read_reply(made_reply(report.rows, 0, rates=rates)) for report in reports]
    scores = score_replies([report.rows for report in reports], replies)["fields"]
    assert scores[field]["F1"]["mean"] < 0.95
    assert all(scores[name]["F1"]["mean"] > 0.98 for name in scores if name != field)


def test_recorded_they_answer_under_a_name_that_says_what_they_are(tmp_path):
    report = make_report(2, layout="lined")
    messages = image_messages(report.pages, lab_question())
    record_made_replies([(messages, as_reply(report.rows))], tmp_path)
    chat = load_model(f"recorded:{tmp_path}")
    assert chat.name.startswith("made replies (no model wrote them), recorded 2") and not chat.is_standin
    assert json.loads(chat.generate(messages).text)[0]["test"] == report.rows[0].test
    with pytest.raises(InputError):
        chat.generate(image_messages(make_report(3).pages, lab_question()))
