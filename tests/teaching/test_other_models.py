"""Teaching cases for a model other than the stand-in: nothing that only the stand-in would say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from helpers.errors import InputError
from helpers.teaching import CASES, for_any_model, for_model, generate

STANDIN = SimpleNamespace(name="standin", is_standin=True)
OTHER = SimpleNamespace(name="google/medgemma-1.5-4b-it", is_standin=False)


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind != "box"])
def test_answers_hold_for_any_model(kind):
    cases = generate(kind, 4 if kind in ("slide", "change") else 24, 0)
    kept = for_any_model(cases)
    assert kept and not any("stand-in" in f"{case.answer}{case.truth}" for case in kept)
    assert {case.id for case in kept} <= {case.id for case in cases}
    lost = [case for case in cases if case.id not in {one.id for one in kept}]
    assert all("stand-in" in case.truth for case in lost)


def test_the_standin_gets_what_it_was_trained_on():
    cases = [*generate("text", 12, 0), *generate("slide", 1, 0)]
    assert for_model(cases, STANDIN) == cases


def test_another_model_gets_them_only_where_asked_for():
    own, cases = SimpleNamespace(id="own"), generate("text", 12, 0)
    assert for_model([own], OTHER) == [own]
    with pytest.raises(InputError, match=r"12 teaching cases .* ALLOW_TEACHING"):
        for_model([own, *cases], OTHER)
    assert for_model([own, *cases], OTHER, allowed=True) == [own, *for_any_model(cases)]
