"""What is said to be published: each text once, with its source, and safe to show on light and dark pages."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from helpers.course import find_notebooks, notebook_number, published_reply
from helpers.course.published import LABEL, read_published
from helpers.errors import InputError
from helpers.public_sets import PUBLISHED

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ENTRIES = read_published()


def test_every_text_is_there_once_with_source_licence_model_and_date():
    said = Counter(text for entry in ENTRIES for text in (entry.reply, entry.quote) if text)
    assert said and set(said.values()) == {1}
    for entry in ENTRIES:
        assert entry.model and entry.about and (entry.reply or entry.quote or entry.figures)
        assert not entry.reply or entry.question, "a reply has its question"
        assert len(f"{entry.reply} {entry.quote}".split()) <= 120, "a quotation is short"
        source = entry.source
        assert re.fullmatch(r"20\d\d(-\d\d){0,2}", source.date) and source.title and source.licence
        notebook = r"https://github\.com/Google-Health/medgemma/blob/[0-9a-f]{40}/notebooks/\w+\.ipynb"
        assert re.fullmatch(rf"{notebook}|https://arxiv\.org/abs/\d{{4}}\.\d{{5}}", source.address)


def test_every_notebook_has_something_and_the_boxes_name_what_they_are():
    numbers = {f"{n:02}" for n in range(1, 11)} | {
        notebook_number(path.stem) for path in find_notebooks(NOTEBOOKS)
    }
    assert numbers <= {number for entry in ENTRIES for number in entry.notebooks}
    for number in numbers:
        shown = published_reply(number)
        page, text = shown._repr_html_(), repr(shown)
        assert page.count(f"<b>{LABEL}</b>") == text.count(f"{LABEL}:") == len(shown.entries)
        assert all(entry.source.address in page and entry.source.address in text for entry in shown.entries)
        # The text has the colour of the page around it.
        assert not re.search(r"(?<![-\w])color:", page) and "<script" not in page
    with pytest.raises(InputError, match=r"'99'.*Use one of 00, 01"):
        published_reply("99")


def test_the_figures_of_the_report_are_those_of_the_scores():
    both = {(row.medgemma_1, row.medgemma_1_5) for row in PUBLISHED}
    tables = [entry.figures for entry in ENTRIES if entry.figures]
    report = [row for table in tables if "MedGemma 1.5 4B" in table.columns for row in table.rows]
    assert len(report) >= 8
    for _, _, one, one_and_a_half in report:
        assert (one, one_and_a_half) in both
    assert all(len(row) == 2 + len(table.columns) for table in tables for row in table.rows)
