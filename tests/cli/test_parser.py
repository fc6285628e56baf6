"""Words that no command knows: one error each, which names the nearest that there is."""

from __future__ import annotations

import json
import shlex

import pytest

from helpers.cli import main


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evalute --cases teaching", "There is no command 'evalute'. Did you mean evaluate?"),
        ("prepare x --ouput y", "has no option --ouput. Did you mean --output?"),
        ("ask a.png 'What?' --limt=3", "has no option --limt. Did you mean --limit?"),
        ("--verson", "has no option --verson. Did you mean --version?"),
        ("ask a.png 'What?' --modality mrt", "--modality cannot be 'mrt'. Did you mean mri?"),
        ("ask a.png 'What?' --magnification 40", "cannot be 40. Use one of 5, 10, 20."),
        ("ask a.png 'What?' --limit ten", "--limit needs a whole number, not 'ten'."),
        ("ask a.png 'What?' --limit", "--limit needs one value."),
        (
            "ask a.png",
            "QUESTION is missing. To see how the command is written, run: medgemma-tutorials ask --help",
        ),
        ("ask a.png what is this", "The command does not expect these words: is this"),
        ("ask a.png 'What?' --model stand-in", "Did you mean standin?"),
        ("evaluate --cases teaching:ct-stainig --output o", "Did you mean ct-staining?"),
        ("evaluate --cases teachng:ct --output o", "Did you mean teaching:ct?"),
        ("run --model standinn", "Did you mean standin?"),
    ],
)
def test_a_word_that_is_nearly_right_is_named(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)) == 2
    out, err = capsys.readouterr()
    assert said in err and err.startswith("error: ") and err.count("\n") == 1 and not out


def test_the_beginning_of_an_option_still_does() -> None:
    assert main(["evaluate", "--cas", "teaching"]) == 0


@pytest.mark.parametrize(
    ("line", "message", "path"),
    [
        ("ask a.png --json", "QUESTION is missing.", None),
        ("ask a.png 'What?' --limt 3 --json", "medgemma-tutorials ask has no option --limt.", None),
        ("ask a.png 'What?' --model ../none --json", "There is no such model.", "../none"),
        ("ask none.png 'What?' --json", "This is neither the name of a bundled image", "none.png"),
    ],
)
def test_an_error_of_a_command_with_json_is_one_object(
    line: str, message: str, path: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(line)) == 2
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert set(told) == {"error"} and set(told["error"]) == {"message", "path", "remedy"} and not err
    assert told["error"]["message"].startswith(message) and told["error"]["path"] == path
    assert told["error"]["remedy"]


@pytest.mark.parametrize(("fault", "status"), [(KeyboardInterrupt(), 130), (RuntimeError("broken"), 1)])
def test_what_stops_a_command_is_json_too_with_the_status_that_it_has_without(
    fault: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def examine() -> None:
        raise fault

    monkeypatch.setattr("helpers.course.examine", examine)
    assert main(["doctor", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_command_without_json_tells_its_errors_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "none", "--json"]) == 2
    out, err = capsys.readouterr()
    assert not out and "has no option --json" in err
