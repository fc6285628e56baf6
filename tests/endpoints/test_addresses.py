"""Addresses and tokens: nothing in the clear, and a token shows up nowhere."""

from __future__ import annotations

import logging
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.endpoints import check_address
from helpers.endpoints.addresses import TOKEN_VARIABLE
from helpers.errors import InputError
from helpers.evaluation import run_evaluation
from helpers.models import load_model
from helpers.prompts import image_messages
from tests.endpoints.conftest import asking, questions
from tests.endpoints.fake_endpoint import FakeServer

PLANTED = "planted-token-0123456789"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://example.org/v1", "address is not encrypted"),
        ("http://127.0.0.1@example.org/v1", "holds a password or a token"),
        ("http://127.0.0.1.example.org/v1", "address is not encrypted"),
        ("http://0.0.0.0:8000/v1", "address is not encrypted"),
        ("https://me:hunter22@example.org/v1", "holds a password or a token"),
        ("https://example.org/v1?key=hunter22", "holds a password or a token"),
        ("ftp://example.org", "not the address of a server"),
        ("example.org/v1", "not the address of a server"),
        ("https://example.org:port/v1", "not the address of a server"),
        ("https://example.org:99999/v1", "not the address of a server"),
        ("https://[::1/v1", "not the address of a server"),
        ("htps://me:hunter22@example.org/v1", "not the address of a server"),
        ("me:hunter22@example.org/v1", "not the address of a server"),
        ("example.org:8000/v1?api_key=hunter22", "not the address of a server"),
        ("https://example.org:port/v1?key=hunter22", "not the address of a server"),
        ("https://exa mple.org/v1?key=hunter22", "not the address of a server"),
        ("http://me:p@hunter22@example.org/v1", "holds a password or a token"),
    ],
)
def test_an_address_that_would_send_in_the_clear_is_refused(address: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        load_model(f"endpoint:{address}#m")
    assert "hunter22" not in str(caught.value)


def test_safe_addresses() -> None:
    for address in (
        "https://example.org/v1",
        "http://127.0.0.1:8000/v1",
        "http://[::1]:1/v1",
        "http://localhost/v1",
    ):
        assert check_address(address)


@pytest.mark.parametrize("token", ["planted-a\nplanted-b", "planted-a space", "planted-a-é"])
def test_a_token_that_no_header_can_hold_is_told_and_not_shown(fake: FakeServer, token: str) -> None:
    with pytest.raises(InputError, match="Copy the token again") as caught:
        asking(fake, token=token).generate(image_messages([], "a"))
    assert "planted" not in str(caught.value) and not fake.requests
    asking(fake, token="a-token\n").generate(image_messages([], "a"))
    assert fake.headers[0]["authorization"] == "Bearer a-token"


def test_certificates_that_cannot_be_read_are_told(fake: FakeServer, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(InputError, match=r"none\.pem: No certificates can be read from this file"):
        asking(fake)
    (tmp_path / "none.pem").write_text("words")
    with pytest.raises(InputError, match=r"none\.pem: No certificates can be read from this file"):
        asking(fake)


def test_a_token_that_cannot_be_had_is_its_own_error(fake: FakeServer) -> None:
    def nobody() -> str:
        raise InputError("Nobody is signed in.", remedy="Sign in.")

    with pytest.raises(InputError, match="Nobody is signed in"):
        asking(fake, token=nobody).generate(image_messages([], "a"))


@pytest.mark.parametrize("way", ["environment", "argument", "function"])
def test_a_planted_token_is_sent_and_shows_up_nowhere(
    fake: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    if way == "environment":
        monkeypatch.setenv(TOKEN_VARIABLE, PLANTED)
    echo = {"error": {"message": f"Incorrect API key provided: {PLANTED}"}}
    fake.fault = lambda handler, number: number % 2 == 0 and (handler.send(400, echo) or True)
    token = {"environment": None, "argument": PLANTED, "function": lambda: PLANTED}[way]
    chat = load_model(f"endpoint:{fake.url}#fake", token=token)
    chat = replace(chat, at_once=1)
    run_evaluation(chat, questions(4), tmp_path)
    print(chat, chat.totals)
    with pytest.raises(InputError) as caught:
        chat.generate(image_messages([], "once more"))
    assert "[token removed]" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert fake.headers[0]["authorization"] == f"Bearer {PLANTED}"
    output = capsys.readouterr()
    kept = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "[token removed]" in kept
    for text in (kept, output.out, output.err, caplog.text, repr(chat), str(caught.value)):
        assert PLANTED not in text


def test_a_renewed_token_is_taken_and_colab_gives_its_secret(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "first-token")
    chat = asking(fake)
    chat.generate(image_messages([], "a"))
    monkeypatch.setenv(TOKEN_VARIABLE, "second-token")
    chat.generate(image_messages([], "b"))
    monkeypatch.delenv(TOKEN_VARIABLE)
    userdata = types.SimpleNamespace(get=lambda name: {TOKEN_VARIABLE: "third-token"}[name])
    google = types.ModuleType("google")
    google.__path__ = []
    colab = types.ModuleType("google.colab")
    colab.userdata = userdata
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    chat.generate(image_messages([], "c"))
    monkeypatch.delenv(TOKEN_VARIABLE)
    given = asking(fake, token=lambda: "fourth-token")
    given.generate(image_messages([], "d"))
    said = [headers["authorization"].split()[1] for headers in fake.headers]
    assert said == ["first-token", "second-token", "third-token", "fourth-token"]
