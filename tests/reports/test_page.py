"""The two files of a report: what a model says stays in its place, and what cannot be written loses nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from helpers.cli import main
from helpers.errors import InputError
from helpers.reports import page, write_report
from helpers.reports.runs import Run
from helpers.reports.tables import further_tables
from tests.evaluation.made_answers import closed, number
from tests.reports.made_runs import write_run

HOSTILE = '<script>alert(1)</script><img src="https://example.org/x.png" onerror=a> | \u202eabc\u0000 \ud800 `#`'


@pytest.fixture
def two_runs(tmp_path: Path) -> list[Path]:
    """Two runs on the same cases, with every kind of chart."""
    shares = [0.1, 0.9, 0.2, 0.7, 0.6, 0.8, 0.3, 0.4]
    truths = ["no", "yes", "no", "yes", "no", "yes", "no", "yes"]
    first = [
        closed(k, truth, "yes" if share > 0.5 else "no", p_yes=share, question="Is it?", prompt="p")
        for k, (truth, share) in enumerate(zip(truths, shares, strict=True))
    ]
    second = [answer | {"parsed": None, "text": HOSTILE, "p_yes": None, "prompt": "q"} for answer in first]
    record = {"settings": {"max_new_tokens": 512}, "cases": {"count": 9}}
    other = {"settings": {"max_new_tokens": 64}, "cases": {"count": 8}}
    return [write_run(tmp_path / "a", first, record), write_run(tmp_path / "b", second, other)]


def test_what_a_model_says_stays_text_and_the_page_asks_nobody(two_runs: list[Path], tmp_path: Path) -> None:
    markdown, html = (path.read_text(encoding="utf-8") for path in write_report(two_runs, tmp_path / "report"))
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all(["script", "iframe", "object", "embed"])
    assert not [tag for tag in soup.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert all(tag["src"].startswith("data:") for tag in soup.find_all(src=True))
    assert all(tag["href"].startswith(("#", "data:,")) for tag in soup.find_all(href=True))
    (shown, *_) = [tag for tag in soup.select(".reply") if "alert" in tag.get_text()]
    assert "<script>alert(1)</script>" in shown.get_text() and "\\u202eabc\\u0000 \\ud800" in shown.get_text()
    assert "\u202e" not in html + markdown and "<script>" not in markdown
    assert r"\<script\>alert(1)" in markdown


def test_every_chart_says_in_words_what_it_shows_and_ids_lead_somewhere(
    two_runs: list[Path], tmp_path: Path
) -> None:
    soup = BeautifulSoup(write_report(two_runs, tmp_path / "report")[1].read_text("utf-8"), "html.parser")
    charts = soup.find_all("svg", role="img")
    titles = [chart.find("title").get_text() for chart in charts]
    assert {title.split(" ")[0] for title in titles} >= {"ROC", "Reliability", "Error", "accuracy:"}
    ids = {tag["id"] for tag in soup.find_all(id=True)}
    assert {tag["href"][1:] for tag in soup.find_all(href=True) if tag["href"].startswith("#")} <= ids
    assert [row.find_all("td")[1].get_text() for row in soup.select("tr.differs")] == [
        "token limit",
        "cases asked for",
        "model",
    ]


def test_cautions_name_what_to_do(two_runs: list[Path], tmp_path: Path) -> None:
    text = write_report(two_runs, tmp_path / "report")[0].read_text(encoding="utf-8")
    assert "a: The run is not finished: 8 of 9 cases" in text
    assert "b: 8 answers (100.0%) could not be read" in text
    assert "8 of 8 common cases were asked with other words or pixels in b than in a" in text
    assert "The runs also differ in token limit" in text
    assert "Intervals from fewer than 30 are too" in text


def test_answers_of_an_earlier_version_still_give_a_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "old", [closed(0, "yes", "yes"), {"id": "x", "error": "OSError: gone"}])
    text = write_report([run], tmp_path / "report")[0].read_text(encoding="utf-8")
    assert "1 of 2 cases could not be asked, for example x: OSError: gone" in text
    assert "| old | old | 1 | 1 | 0.0% |" in text


def full(path: Any) -> AbstractContextManager[Path]:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_output_that_cannot_be_written_is_one_error_and_the_answers_stay(
    two_runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [(run / "answers.jsonl").read_bytes() for run in two_runs]
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="is a file"):
        write_report(two_runs, tmp_path / "file")
    monkeypatch.setattr(page, "whole_file", full)
    with pytest.raises(InputError, match="No space left") as caught:
        write_report(two_runs, tmp_path / "report")
    assert caught.value.path == str(tmp_path / "report") and "what is answered is kept" in caught.value.remedy
    assert [(run / "answers.jsonl").read_bytes() for run in two_runs] == before


def spoil_record(run: Path) -> None:
    (run / "run.json").write_text("{")


def spoil_form(run: Path) -> None:
    write_run(run, [closed(0, "yes", "yes") | {"form": "dance"}])


def spoil_fields(run: Path) -> None:
    write_run(run, [{"id": "c0"}])


def empty(run: Path) -> None:
    (run / "answers.jsonl").unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_record, "does not say how the run was made"),
        (spoil_form, "this version does not know: dance"),
        (spoil_fields, "c0 has no kind, group"),
        (empty, "holds no answers"),
    ],
)
def test_a_run_that_cannot_be_read_is_named(
    spoil: Callable[[Path], None], says: str, two_runs: list[Path], tmp_path: Path
) -> None:
    spoil(two_runs[1])
    with pytest.raises(InputError, match=says) as caught:
        write_report(two_runs, tmp_path / "report")
    assert str(two_runs[1]) in str(caught.value) and caught.value.remedy
    with pytest.raises(InputError, match="given twice"):
        write_report([two_runs[0], two_runs[0] / "."], tmp_path / "report")


def test_whatever_else_stands_in_the_scores_becomes_a_table() -> None:
    scores = {
        "stress": {"kinds": {"ct": {"flip rate": {"mean": 0.25, "n": 8, "interval": [0.1, 0.4], "method": "m"}}}},
        "findings": {"seen": 3, "curve": [1, 2], "by finding": {"mass": {"agreed": 2, "missed": 1}}},
    }
    found = list(further_tables([Run("a", "a", [], scores, {}, "")]))
    assert [table.title for table in found] == ["Asked in other ways", "Findings in sentences", "By finding, a"]
    assert found[0].rows[1:] == [["kinds: ct: flip rate", "0.25 (0.10 to 0.40), n 8"]]
    assert found[1].rows[1:] == [["seen", "3"]]
    assert found[2].rows == [["", "agreed", "missed"], ["mass", "2", "1"]]


def test_the_command_writes_both_files(
    two_runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["report", *map(str, two_runs), "--output", str(output), "--pictures"]) == 0
    assert capsys.readouterr().out.split() == [str(output / "report.md"), str(output / "report.html")]
    assert page.NOTE in (output / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        *((number(0, 3, value), "parsed") for value in ("3", [3], True, float("nan"), 10**400)),
        *((closed(0, "yes", "no") | {name: 5}, name) for name in ("kind", "group", "condition", "text", "truth")),
        (closed(0, "yes", "no") | {"options": None}, "options"),
        (closed(0, "", None) | {"form": "box", "truth": [1, 2, 3]}, "truth"),
    ],
)
def test_an_answer_that_no_score_can_be_made_of_is_named(answer: Any, field: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [answer])
    with pytest.raises(InputError, match=f"c0 has a value of {field} that cannot be scored") as caught:
        write_report([run], tmp_path / "report")
    assert caught.value.path == str(run)


def test_a_large_number_keeps_its_digits_in_both_files(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [number(k, 1_234_567, 1_234_568, unit="ml") for k in range(3)])
    for written in write_report([run], tmp_path / "report"):
        text = written.read_text(encoding="utf-8")
        assert "1234567 ml" in text and "1234568 ml" in text and "off by 1 ml" in text
