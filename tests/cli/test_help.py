"""What a newcomer reads first: the help of each command, whose examples are lines that the parser takes."""

from __future__ import annotations

import shlex

import pytest

from helpers.cli import main
from helpers.cli.command_line import command_parsers

NAMES = tuple(command_parsers()[1])


def text_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The help text that a line prints."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["", *NAMES])
def test_each_help_has_groups_and_examples_that_the_parser_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = text_of(*name.split(), capsys=capsys)
    assert "positional arguments" not in text and "options:" not in text
    examples = text.partition("\nexamples:\n")[2].splitlines()
    lines = [line for line in examples if not line.startswith("  # ")]
    assert lines and len(lines) == len(examples) / 2, "each line has a word on what it is for"
    asked = []
    for line in lines:
        words = shlex.split(line)
        start = next(k for k, word in enumerate(words) if "medgemma-tutorials" in word)
        options, left = command_parsers()[0].parse_known_args(words[start + 1 :])
        assert not left, line
        asked.append(options.chosen)
        assert len(line) <= 100
    assert not name or name in asked


def test_every_command_is_in_the_list_with_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of(capsys=capsys)
    for name in NAMES:
        line = next(line for line in text.splitlines() if line.startswith(f"    {name} "))
        assert len(line.split(None, 1)[1]) > 20, "it says nothing"
