"""Scores of replies, worked out by hand on two reports."""

from __future__ import annotations

import pytest

from helpers.errors import InputError
from helpers.lab_reports import LabRow, as_reply, count_fields, make_reports, read_reply, score_replies
from helpers.lab_reports.row_scores import Counts

NA = LabRow(test="Sodium", value="139", unit="mmol/L", range="135-145")
K = LabRow(test="Potassium", value="6.0", unit="mmol/L", range="3.5-5.1", flag="H")
CRP = LabRow(test="CRP", value="<0.5", unit="mg/L", range="<5.0")


def test_counts_by_hand():
    said = [
        NA.model_copy(update={"value": "193", "flag": "H"}),  # a wrong value, a flag that is not there
        K.model_copy(update={"unit": "", "value": "6,00"}),  # the unit is missing, the value is right
        LabRow(test="Ferritin", value="30"),  # made up
    ]
    assert count_fields([NA, K, CRP], said) == {
        "test": Counts(right=2, said=3, true=3),
        "value": Counts(right=1, said=3, true=3),
        "unit": Counts(right=1, said=1, true=3),
        "range": Counts(right=2, said=2, true=3),
        "flag": Counts(right=1, said=2, true=1),
    }


def test_scores_by_hand_and_an_unread_reply_is_wrong_in_all():
    replies = [read_reply(as_reply([NA, K])), read_reply("I cannot read it.")]
    scores = score_replies([[NA, K], [CRP]], replies)
    fields = scores["fields"]
    assert fields["test"]["precision"]["mean"] == 1 and fields["test"]["recall"]["mean"] == round(2 / 3, 4)
    assert fields["test"]["F1"]["mean"] == 0.8  # 2 * 2 / (2 + 3)
    assert fields["flag"]["F1"]["mean"] == 1
    assert scores["by report"] == [1, 0] and scores["macro F1"]["mean"] == 0.5
    assert scores["micro F1"]["mean"] == round(2 * 9 / (9 + 13), 4)  # 4 + 5 cells of Na and K, 4 of CRP
    assert scores["unparsable"]["mean"] == 0.5 and scores["reports"] == 2


def test_a_perfect_reply_scores_one_and_a_field_with_nothing_in_it_scores_nothing():
    reports = make_reports(4)
    perfect = score_replies([r.rows for r in reports], [read_reply(as_reply(r.rows)) for r in reports])
    assert perfect["macro F1"]["mean"] == perfect["micro F1"]["mean"] == 1 and perfect["mended"]["mean"] == 0
    scores = score_replies([[NA]], [read_reply(as_reply([NA]))])
    assert scores["fields"]["flag"]["F1"] == {"mean": None, "n": 1}
    assert scores["macro F1"]["mean"] == 1 and "interval" not in scores["macro F1"]


def test_whole_reports_are_drawn_for_an_interval():
    """Two reports, one all right and one all wrong: a drawing has none, one or two of the right one."""
    replies = [read_reply(as_reply([NA, K])), read_reply("[]")]
    found = score_replies([[NA, K], [NA, K]], replies)["fields"]["test"]["recall"]
    assert found["mean"] == 0.5 and found["interval"] == [0.0, 1.0] and found["method"] == "bootstrap by group"


def test_a_failed_report_counts_as_unparsable():
    scores = score_replies([[NA], [NA]], [None, read_reply(as_reply([NA]))])
    assert scores["unparsable"]["mean"] == 0.5 and scores["fields"]["value"]["recall"]["mean"] == 0.5
    for truths, replies in (([], []), ([[NA]], [])):
        with pytest.raises(InputError, match="Give one reply for each report"):
            score_replies(truths, replies)
