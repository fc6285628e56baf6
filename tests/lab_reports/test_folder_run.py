"""A folder of reports to one table: every page once, on from where it stopped, and nothing lost without a word."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field

import pytest
from PIL import Image

from helpers.cli import main
from helpers.errors import InputError
from helpers.images import read_image
from helpers.lab_reports import (
    LabRow,
    as_reply,
    ask_reports,
    find_pages,
    lab_question,
    make_report,
    read_schema,
    record_made_replies,
)
from helpers.prompts import Reply, image_messages

ROW = LabRow(test="Sodium", value="< 1,5", unit="mmol/L", range="135-145")


@dataclass
class Reader:
    """A model that says what it is told to, and counts."""

    replies: list[str]
    name: str = "reader"
    is_standin: bool = False
    asked: list[str] = field(default_factory=list)

    def generate(self, messages, max_new_tokens=2000):
        text = self.replies[len(self.asked) % len(self.replies)]
        self.asked.append(messages[-1]["content"][-1]["text"])
        if text == "fail":
            raise RuntimeError("out of memory")
        return Reply(text, "", 300, 10, 0.1, True)


@pytest.fixture
def folder(tmp_path):
    reports = tmp_path / "reports"
    (reports / "2026").mkdir(parents=True)
    pages = [Image.new("RGB", (60, 80), colour) for colour in ("red", "green", "blue")]
    for k, page in enumerate(pages):
        page.paste((255, 255, 255), (0, 0, 30, 10 + k))
    pages[0].save(reports / "a.png")
    pages[1].save(reports / "2026" / "b.pdf", save_all=True, append_images=pages[2:])
    (reports / "notes.txt").write_text("x")
    (reports / ".hidden.png").write_text("x")
    (reports / "empty.pdf").write_bytes(b"")
    return reports


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_page_has_its_rows_and_what_has_none_is_listed(folder, tmp_path):
    found = find_pages(folder)
    assert [page.id for page in found.pages] == ["2026/b.pdf, page 0", "2026/b.pdf, page 1", "a.png, page 0"]
    assert found.passed_over == ["notes.txt"] and [one["file"] for one in found.failed] == ["empty.pdf"]
    chat = Reader([as_reply([ROW, ROW]), "I cannot read it.", f"```json\n{as_reply([ROW])[:-9]}"])
    done = ask_reports(chat, found, tmp_path / "out")
    assert chat.asked == [lab_question()] * 3
    rows = rows_of(tmp_path / "out" / "table.csv")
    assert [(row["file"], row["page"], row["row"]) for row in rows] == [
        ("2026/b.pdf", "0", "1"),
        ("2026/b.pdf", "0", "2"),
        ("a.png", "0", "1"),
    ]
    cells = {"test": "Sodium", "value": "< 1,5", "number": "1.5", "relation": "<", "mended": "", "cut": "False"}
    assert rows[0] == rows[0] | cells
    assert rows[2]["cut"] == "True" and "the text ends in the middle of it" in rows[2]["mended"]
    listed = rows_of(tmp_path / "out" / "failed.csv")
    assert [(one["file"], one["page"], one["what"]) for one in listed] == [
        ("empty.pdf", "", "failed"),
        ("2026/b.pdf", "1", "unparsable"),
        ("a.png", "0", "incomplete"),
    ]
    assert done["rows"] == 3 and done["pages"] == 3
    assert len(json.loads((tmp_path / "out" / "table.json").read_text())["rows"]) == 3


def test_a_run_goes_on_where_it_stopped_and_asks_failures_again(folder, tmp_path):
    found, out = find_pages(folder), tmp_path / "out"
    done = ask_reports(Reader([as_reply([ROW]), "fail", as_reply([ROW])]), found, out)
    assert [one["why"] for one in done["failed"]][1:] == ["RuntimeError: out of memory"] and done["rows"] == 2
    again = Reader([as_reply([ROW])])
    assert ask_reports(again, find_pages(folder), out)["rows"] == 3
    assert len(again.asked) == 1
    (folder / "2026" / "b.pdf").unlink()
    assert ask_reports(again, find_pages(folder), out)["rows"] == 1 and len(again.asked) == 1


def test_a_file_of_many_pages_is_listed_and_its_limit_can_be_raised(folder):
    found = find_pages(folder, limit=1)
    assert [one["why"] for one in found.failed if one["file"] == "2026/b.pdf"] == [
        "The file has 2 pages, but the limit is 1. Give --limit 2."
    ]
    assert len(find_pages(folder, limit=2).pages) == 3


def test_one_file_and_no_report(folder, tmp_path):
    assert [page.name for page in find_pages(folder / "a.png").pages] == ["a.png"]
    (tmp_path / "none").mkdir()
    for path, said in (
        (tmp_path / "none", "There is no report among the 0 files here"),
        (tmp_path / "x", "no such file or folder"),
    ):
        with pytest.raises(InputError, match=said):
            find_pages(path)
    out = folder / "out"
    out.mkdir()
    (out / "page.png").write_bytes((folder / "a.png").read_bytes())
    assert len(find_pages(folder, outside=out).pages) == 3 and len(find_pages(folder).pages) == 4


def test_the_columns_are_those_of_a_schema_of_ones_own(folder, tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"properties": {"analyte": {}, "result": {"type": "number"}}}))
    schema = read_schema(path)
    chat = Reader(['[{"analyte": "Sodium", "result": 139.5}]'])
    ask_reports(chat, find_pages(folder / "a.png", schema, question="Read it."), tmp_path / "out", schema)
    assert chat.asked[0].splitlines() == ["Read it.", "Each object in the JSON list must include: analyte, result"]
    (row,) = rows_of(tmp_path / "out" / "table.csv")
    assert list(row) == ["file", "page", "row", "analyte", "result", "mended", "cut"] and row["result"] == "139.5"


def test_the_command_writes_the_table_and_tells_what_failed(tmp_path, capsys):
    report = make_report(2, layout="lined", scan="clean")
    reports, out = tmp_path / "reports", tmp_path / "out"
    reports.mkdir()
    report.pages[0].save(reports / "a.png")
    messages = image_messages([read_image(reports / "a.png")], lab_question())
    record_made_replies([(messages, as_reply(report.rows))], tmp_path / "rec")
    line = [
        "ask",
        str(reports),
        "--schema",
        "lab-report",
        "--output",
        str(out),
        "--model",
        f"recorded:{tmp_path}/rec",
    ]
    assert main(line) == 0
    assert f"{len(report.rows)} rows of 1 pages, 0 of them mended: {out / 'table.csv'}" in capsys.readouterr().out
    (reports / "empty.pdf").write_bytes(b"")
    assert main([*line, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == len(report.rows) and told["failed"][0]["file"] == "empty.pdf"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--schema", "lab-report"], "--output is missing."),
        (["--schema", "none.json", "--output", "o"], "There is no such schema file."),
        (
            ["--schema", "lab-report", "--output", "o", "--options", "a", "b"],
            "--options does not go with --schema.",
        ),
        (["--schema", "lab-report", "--output", "o", "--mpp", "0.5"], "mpp would change nothing"),
        (["--schema", "lab-report", "--output", "o", "--limit", "0"], "0 pages cannot be read."),
        (["What?", "--output", "o"], "--output is for --schema."),
        ([], "QUESTION is missing."),
    ],
)
def test_words_of_the_command_that_do_not_go_together(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["ask", "reports", *words, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert said in error["message"] and error["remedy"]
    assert not (tmp_path / "o").exists()
