"""A table is read as it is written, or the line is named where it is not."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from helpers.errors import InputError
from helpers.evaluation import read_cases

HEADER = "path,modality,question,answer\n"
ROW = {"path": "0.png", "modality": "image", "question": "What?", "answer": "A square."}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for k in range(5):
        Image.new("RGB", (8, 8), (50 * k, 0, 0)).save(folder / f"{k}.png")
    return folder


def problem(table: Path, content: str | bytes) -> str:
    table.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read_cases(table)
    return str(caught.value)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ('0.png,image,What?,A.\n1.png,image,What?,"B.\n2.png,image,What?,C.\n', "line 3: this row opens a quote"),
        ('1.png,image,What?,"B.\n2.png,image,"What?",C.\n', "line 2: this row opens a quote"),
        ('1.png,image,What?,"B.\n2.png,image,What?,C.\n3.png,image,What?,"D"\n', "line 2: this row opens a quote"),
        (
            '1.png,image,What?,"B.\n2.png,image,What?,C.\n3.png,image,What?,D."\n',
            "line 2: this row.*a quote.*'2.png",
        ),
        ('0.png,image,What?,A.\n1.png,image,What?,"B.', "line 3: this row opens a quote"),
        ('0.png,image,"Q?,A.\n' + "1.png,image,What?,B.\n" * 9000, "line 2: this row opens a quote"),
        ('0.png,image,"A "big" one?",A.\n', 'line 2: the cell goes on after its closing quote.*""'),
        ("0.png,image,What?,A.\n\n1.png,image,What?\n", r"line 4: the row has fewer cells.*\(3, not 4\)"),
        ("0.png,image,What?,A, or B.\n", r"line 2: the row has more cells.*\(5, not 4\)"),
    ],
)
def test_csv_that_would_lose_rows_names_the_line(rows: str, words: str, folder: Path) -> None:
    said = problem(folder / "t.csv", HEADER + rows)
    assert len(said) < 500
    with pytest.raises(InputError, match=words):
        read_cases(folder / "t.csv")


def test_cells_keep_any_line_separator_and_lose_what_nobody_sees(folder: Path) -> None:
    breaks = "".join(f"a{c}b" for c in "\n\r\x0b\x0c\x1c\x85\u2028\u2029") + "\r\nc"
    (folder / "t.csv").write_bytes(f'\ufeff{HEADER}0.png,IMAGE\u200b, "{breaks}",\u00a0Yes\u200b\n,,,\n'.encode())
    (case,) = read_cases(folder / "t.csv")
    assert case.question.startswith(breaks) and (case.truth, case.kind) == ("yes", "image")
    row = {**ROW, "question": breaks}
    (folder / "t.jsonl").write_bytes(f"{json.dumps(row, ensure_ascii=False)}\r\n\n".encode())
    assert read_cases(folder / "t.jsonl")[0].question == breaks


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0<>"), min_size=1, max_size=12)
words = texts.map(lambda text: f"a{text}z")


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(words, words, words), min_size=1, max_size=4, unique_by=lambda row: row[0]))
def test_what_csv_and_json_write_is_read_back(rows: list[tuple[str, str, str]], folder: Path) -> None:
    written = [
        {**ROW, "question": question, "answer": f"It is {answer}.", "group": group, "id": str(k)}
        for k, (question, answer, group) in enumerate(rows)
    ]
    with (folder / "h.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(written[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(written)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in written)
    (folder / "h.jsonl").write_bytes(lines.encode())
    cases = read_cases(folder / "h.csv")
    assert cases == read_cases(folder / "h.jsonl")
    assert [c.id for c in cases] == [row["id"] for row in written]


def test_na_is_empty_where_it_is_no_word(folder: Path) -> None:
    rows = "0.png,image,What?,NA,NA|B,NA\n1.png,image,What?,B,NA|B,NA\n"
    (folder / "t.csv").write_text(f"{HEADER.strip()},options,group\n{rows}", encoding="utf-8")
    cases = read_cases(folder / "t.csv")
    assert [case.group for case in cases] == ["0.png", "1.png"]
    assert (cases[0].truth, cases[0].options) == ("NA", ("NA", "B"))
    assert "line 1: the answer is 'NA'" in problem(folder / "t.jsonl", json.dumps({**ROW, "answer": "NA"}))


def test_nan_is_empty_and_a_whole_number_is_whole(folder: Path) -> None:
    rows = [{**ROW, "path": f"{k}.png", "group": float("nan"), "page": 0.0, "icc": None} for k in range(3)]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [case.group for case in read_cases(folder / "t.jsonl")] == ["0.png", "1.png", "2.png"]
    lines = "0.png,image,What?,A square.,nan,0.0\n1.png,image,What?,A square.,NaN,\n"
    (folder / "t.csv").write_text(f"{HEADER.strip()},group,page\n{lines}", encoding="utf-8")
    read = [(case.group, case.reading.page) for case in read_cases(folder / "t.csv")]
    assert read == [("0.png", 0), ("1.png", None)]
    assert "line 1: answer is empty" in problem(folder / "t.jsonl", json.dumps({**ROW, "answer": float("nan")}))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", "no rows"),
        ("a.csv", "path,modality,label\nx,ct,yes\n", "unknown columns label"),
        ("a.csv", "path,modality,answer\nx,ct,yes,more\n", "more cells"),
        ("a.csv", "path,modality,answer,\nx,ct,yes,\n", "unknown columns without a name"),
        ("a.csv", "path;modality;answer\nx;ct;yes\n", "not separated by commas"),
        ("a.csv", "path,modality,answer,Answer\nx,ct,yes,no\n", "column answer occurs twice"),
        ("a.csv", "file,modality,answer\nx,ct,yes\n", "the column path is missing"),
        ("a.csv", HEADER.encode("utf-16"), "not UTF-8"),
        ("a.csv", HEADER.encode("utf-16-le"), "not UTF-8"),
        ("a.csv", HEADER.encode() + b"0.png,image,\xe4?,yes\n", r"not UTF-8 \(line 2\)"),
        ("a.jsonl", '{"path": "x"\n', "line 1: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: not an object"),
        ("a.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("a.jsonl", '{"path": "x", "path": "y"}\n', "line 1: path occurs twice"),
        ("a.jsonl", '{"path": "x", "why": 1}\n', "line 1: unknown columns why"),
        ("a.jsonl", '{"path": ["x"]}\n', "line 1: path is neither a text nor a number"),
        ("a.jsonl", '{"question": "\\ud800"}\n', "line 1: question is neither"),
        ("a.jsonl", '{"options": ["a|b", "c"]}\n', "line 1: options is neither"),
        ("a.xlsx", "PK", "neither .csv nor .jsonl"),
    ],
)
def test_tables_that_are_none(name: str, content: Any, words: str, tmp_path: Path) -> None:
    problem(tmp_path / name, content)
    with pytest.raises(InputError, match=words):
        read_cases(tmp_path / name)
