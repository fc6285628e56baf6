"""Made reports: the same seed the same pixels, the truth as it is printed, every look, and no patient."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.lab_reports import FIELDS, SCANS, make_report, make_reports, read_number, read_span, same_field
from helpers.lab_reports.analytes import LANGUAGES, SYSTEMS, WORDS, analytes
from helpers.lab_reports.page_layouts import HEIGHT, LAYOUTS, WIDTH
from helpers.lab_reports.same_fields import is_empty


def test_a_seed_gives_the_same_pixels_and_another_seed_others():
    first, again, other = make_report(7), make_report(7), make_report(8)
    assert first.rows == again.rows and first.rows != other.rows
    for a, b in zip(first.pages, again.pages, strict=True):
        assert np.array_equal(a, b)
    assert first.pages[0].size == (WIDTH, HEIGHT) and first.pages[0].mode == "RGB"


@pytest.mark.parametrize(("layout", "language"), product(LAYOUTS, LANGUAGES))
def test_every_layout_has_room_for_its_rows_and_draws_each(layout, language):
    for seed in range(4):
        report = make_report(seed, layout=layout, language=language, system=SYSTEMS[seed % 2], scan="clean")
        assert len(report.pages) == (max(report.pages_of_rows) + 1 if layout == "pages" else 1)
        assert len(report.rows) == len(report.pages_of_rows) >= 3
        for page in report.clean_pages:
            margin = np.asarray(page.convert("L"))[300 : HEIGHT - 120, -40:]
            assert margin.min() == 255, "a text runs out of the page"


@pytest.mark.parametrize("scan", SCANS)
def test_each_scan_changes_the_pixels_and_no_row(scan):
    clean, scanned = make_report(4, scan="clean"), make_report(4, scan=scan)
    assert clean.rows == scanned.rows
    assert np.array_equal(clean.pages[0], scanned.pages[0]) == (scan == "clean")
    assert np.array_equal(scanned.pages[0], make_report(4, scan=scan).pages[0])


def test_a_flag_stands_where_the_value_is_out_of_its_range_and_nowhere_else():
    seen = set()
    for report in make_reports(24):
        for row in report.rows:
            number, span = read_number(row.value), read_span(row.range)
            if number is None:
                assert bool(row.flag) == (row.value != row.range)
                continue
            (span, _), value = span, number.value
            beyond = {"<": value >= (span.high or 0), ">": value <= (span.low or 0)}.get(span.relation)
            low, high = (span.low is not None and value < span.low), (span.high is not None and value > span.high)
            out = False if number.relation else bool(low or high or beyond)
            assert bool(row.flag) == out, row
            seen.add((span.relation, bool(row.flag), number.relation))
    assert {("", True, ""), ("<", False, "<"), ("≥" and ">=", True, ""), (">", False, "")} <= seen


def test_every_row_says_the_same_as_itself_and_its_cells_are_filled():
    for report in make_reports(8):
        for row in report.rows:
            assert all(same_field(field, getattr(row, field), getattr(row, field)) for field in FIELDS)
            assert not is_empty("test", row.test) and not is_empty("value", row.value)


def test_every_look_comes_up_and_every_page_says_that_it_is_made():
    reports = make_reports(24)
    assert {r.layout for r in reports} == set(LAYOUTS) and {r.scan for r in reports} == set(SCANS)
    assert {r.language for r in reports} == set(LANGUAGES) and {r.system for r in reports} == set(SYSTEMS)
    assert all("MADE" in words["made"] for words in WORDS.values())
    assert len({frozenset(words) for words in WORDS.values()}) == 1


def test_the_table_of_analytes_is_whole():
    path = Path(__file__).resolve().parents[2] / "helpers" / "lab_reports" / "analytes.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()[1:], delimiter=";"))
    assert len(rows) >= 40 and all(row[language] for row in rows for language in LANGUAGES)
    for one in analytes("en", "si"):
        assert {"between": one.low and one.high, "below": one.high, "above": one.low, "text": True}[one.form]


def test_an_unknown_look_is_named():
    with pytest.raises(InputError, match="Did you mean stamped"):
        make_report(0, scan="stampd")
