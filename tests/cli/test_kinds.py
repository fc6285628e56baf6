"""``evaluate --cases teaching`` lists what there is to ask."""

from __future__ import annotations

import pytest

from helpers.cli import main
from helpers.cli.kinds import KINDS
from helpers.teaching import CASES


@pytest.mark.parametrize("cases", ["teaching", "teaching:"])
def test_it_lists_every_kind_and_what_it_asks(cases: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(KINDS) == tuple(CASES)
    assert main(["evaluate", "--cases", cases]) == 0
    told = capsys.readouterr().out
    for kind, (shown, asked) in KINDS.items():
        assert f"  {kind} " in told and shown in told and asked in told
