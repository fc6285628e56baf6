"""A user's own table of questions: read as written, and refused with all of its faults at once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.cli import main
from helpers.data import fetch
from helpers.errors import InputError
from helpers.evaluation import read_cases
from helpers.preparing import prepare
from helpers.prompts import images_of
from helpers.teaching import HELD_OUT, generate, write_case


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_become_the_prompts_of_the_report(tmp_path: Path, head_ct: Path) -> None:
    case = generate("slide", 1, HELD_OUT + 3)[0]
    slide = write_case(case, tmp_path)
    rows = [
        {"path": str(head_ct), "modality": "CT", "condition": "oedema", "answer": "No", "history": "Fall."},
        {"path": str(head_ct), "modality": "ct", "condition": "haemorrhage", "answer": "no", "group": "p1"},
        {"path": slide.name, "modality": "slide", "question": "Tissue: colon.", "answer": "Adenoma, low grade."},
        {
            "path": str(fetch("fundus")),
            "modality": "image",
            "question": "Which eye?",
            "answer": "left",
            "options": "left|right",
        },
    ]
    cases = read_cases(write_csv(tmp_path / "cases.csv", rows))
    assert [(c.kind, c.condition, c.truth) for c in cases[:2]] == [
        ("ct", "oedema", "no"),
        ("ct", "haemorrhage", "no"),
    ]
    assert '"Fall."' in cases[0].question and cases[0].options == ("yes", "no")
    assert [c.group for c in cases] == [str(head_ct), "p1", slide.name, str(fetch("fundus"))]
    assert images_of(cases[0].messages)[40] is images_of(cases[1].messages)[40]  # read once
    assert [p.tobytes() for p in images_of(cases[2].messages)] == [p.tobytes() for p in case.images]
    assert "Tissue: colon." in cases[2].messages[0]["content"][0]["text"]
    assert cases[3].options == ("left", "right") and "Options: left, right." in cases[3].question
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "cases.jsonl").write_text(lines)
    assert read_cases(tmp_path / "cases.jsonl") == cases


def test_all_faults_are_said_at_once(tmp_path: Path, head_ct: Path) -> None:
    good = {"path": str(head_ct), "modality": "ct", "condition": "oedema", "answer": "no"}
    rows = [
        {**good, "condition": ""},
        {**good, "answer": "perhaps"},
        {**good, "modality": "xray"},
        {**good, "modality": "mri"},
        {**good, "path": "nowhere"},
        {**good, "history": "A <start_of_image>."},
        {**good, "condition": "", "question": "Where?", "answer": "[1, 2, 3, 4]"},
        {**good, "condition": "", "question": "Any?", "answer": "TRUE"},
        {**good, "options": "yes"},
        good,
        good,
    ]
    with pytest.raises(InputError) as caught:
        read_cases(write_csv(tmp_path / "cases.csv", rows))
    said = str(caught.value)
    for words in (
        "line 2: the row has neither a question nor a condition",
        "line 3: the answer to a condition is yes or no, not 'perhaps'",
        "line 4: modality is 'xray'",
        "line 5: ",
        "line 6: ",
        "nowhere",
        "line 7: the history holds <start_of_image>",
        "line 8: These are not boxes: [1, 2, 3, 4] is not a list of objects",
        "line 9: the answer 'TRUE' is not a sentence",
        "line 10: the row has fewer than two different options",
        "occurs twice",
    ):
        assert words in said, words


def test_ids_do_not_depend_on_where_the_files_lie(tmp_path: Path) -> None:
    def ids(folder: Path, prefix: str, names: tuple[str, ...] = ("p1/a.png", "p2/a.png", "b.png")) -> list[str]:
        for name in names:
            (folder / prefix / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(folder / prefix / name)
        rows = [
            {"path": f"{prefix}{name}", "modality": "image", "question": f"{word}?", "answer": "no"}
            for name in names
            for word in ("Red", "Blue")
        ]
        return [case.id for case in read_cases(write_csv(folder / "t.csv", rows))]

    here = ids(tmp_path, "")
    assert len(set(here)) == 6 and all(name.startswith(("a.png-", "b.png-")) for name in here)
    assert ids(tmp_path, "sub/folder/") == here
    (tmp_path / "other").mkdir()
    assert ids(tmp_path / "other", f"{tmp_path}/away/") == here
    assert ids(tmp_path, "sub/folder/", ("b.png",)) == here[4:]  # of fewer files


def test_a_path_with_backslashes_is_one_on_any_system(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "a.png")
    row = {"modality": "image", "question": "Red?", "answer": "no"}
    rows = [{"path": path, **row} for path in ("in\\a.png", ".\\in\\..\\in\\a.png", "./in/a.png")]
    for one in rows:
        (case,) = read_cases(write_csv(tmp_path / "t.csv", [one]))
        assert (case.path, case.group) == (tmp_path / "in" / "a.png", "in/a.png")
    with pytest.raises(InputError, match=r"lines 2 and 3 and 4: .* occurs twice"):
        read_cases(write_csv(tmp_path / "t.csv", rows))


def test_images_that_changed_are_read_anew(tmp_path: Path) -> None:
    row = {"path": "a.png", "modality": "image", "question": "Red?", "answer": "no"}
    seen = []
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "a.png")
        (case,) = read_cases(write_csv(tmp_path / "t.csv", [row]))
        seen.append(images_of(case.messages)[0].getpixel((0, 0)))
    assert seen == [(255, 0, 0), (0, 0, 255)]


def test_the_commands_evaluate_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = next(c for c in generate("image", 20, HELD_OUT + 3) if c.options == ("yes", "no"))
    picture = write_case(case, tmp_path)
    row = {"path": picture.name, "modality": "image", "question": "Is this a head CT?", "answer": "no"}
    table = write_csv(tmp_path / "cases.csv", [row])
    one, two, report = (str(tmp_path / name) for name in ("own", "teaching", "report"))
    assert main(["evaluate", "--cases", str(table), "--output", one, "--max-new-tokens", "30"]) == 0
    assert main(["evaluate", "--cases", "teaching:image", "--n", "4", "--output", two]) == 0
    assert json.loads((tmp_path / "own" / "scores.json").read_text())["answers"] == 1
    assert main(["report", one, two, "--output", report]) == 0
    written = (tmp_path / "report" / "report.md").read_text()
    assert "| own | standin | 1 | 0 |" in written and "| teaching | standin | 4 | 0 |" in written
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<script" not in page and "://" not in page
    capsys.readouterr()
    assert main(["report", str(tmp_path)]) == 2
    assert main(["evaluate", "--cases", str(tmp_path / "none.csv"), "--output", one]) == 2
    assert "This table does not exist" in capsys.readouterr().err
    assert main(["report", one, "--output", str(table)]) == 2
    assert "This is a file, so no folder can be made at this path" in capsys.readouterr().err


def test_as_many_slices_are_asked_about_as_were_prepared(
    write_series: Callable[..., Path], tmp_path: Path
) -> None:
    """More than 85 where somebody wanted more; the budget is the model's to hold."""
    write_series(np.arange(90 * 64).reshape(90, 8, 8), folder="in/mri", modality="MR")
    prepare(tmp_path / "in", tmp_path / "made", limit=88)
    row = {"path": "mri", "modality": "mri", "condition": "mass", "answer": "no"}
    (tmp_path / "t.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (case,) = read_cases(tmp_path / "t.jsonl", tmp_path / "made")
    assert len(images_of(case.messages)) == 88
