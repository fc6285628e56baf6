"""From a name to a folder: access, memory and connection, checked before a download."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.models import hub
from tests.loopback import Quiet, listening


@pytest.fixture
def hub_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A loopback server that answers as the hub does; ``answer`` maps a request's path to status and headers."""
    monkeypatch.setattr("helpers.models.hub.cached_model", lambda name: None)
    monkeypatch.setattr("helpers.models.hub.get_token", lambda: None)
    answer: dict[str, tuple[int, dict[str, str], bytes]] = {}

    class Handler(Quiet):
        def do_GET(self) -> None:
            status, headers, body = next(
                (reply for path, reply in answer.items() if path in self.path), (404, {}, b"{}")
            )
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

    with listening(Handler) as url:
        yield url, answer


@pytest.mark.parametrize(
    ("status", "token", "said"), [(401, None, "no Hugging Face token is set"), (403, "hf_x", "no access")]
)
def test_a_missing_or_refused_token_gives_the_three_steps(
    hub_server, status: int, token: str | None, said: str
) -> None:
    url, answer = hub_server
    answer["auth-check"] = (status, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, b"{}")
    with pytest.raises(InputError, match=said) as caught:
        hub.find_model("google/medgemma-1.5-4b-it", device="cpu", quantized=False, token=token, endpoint=url)
    assert "HF_TOKEN" in caught.value.remedy and "accept" in caught.value.remedy
    assert all(f"  {k}. " in caught.value.remedy for k in (1, 2, 3))
    assert "hf_x" not in str(caught.value)


def test_memory_is_checked_before_the_download_begins(hub_server) -> None:
    url, answer = hub_server
    answer["auth-check"] = (200, {}, b"{}")
    files = b'[{"rfilename": "model.safetensors", "size": 900000000000}]'
    answer["/api/models/"] = (200, {}, b'{"id": "google/medgemma-1.5-4b-it", "siblings": ' + files + b"}")
    with pytest.raises(InputError, match=r"about 901\.4 GB on cpu with 16 slices, and 905\.5 GB with 85.*standin"):
        hub.find_model("google/medgemma-1.5-4b-it", device="cpu", quantized=False, endpoint=url)


def test_no_connection_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.models.hub.cached_model", lambda name: None)
    with pytest.raises(InputError, match="connection") as caught:
        hub.find_model("google/medgemma-4b-it", device="cpu", quantized=False, endpoint="http://127.0.0.1:9")
    assert "standin" in caught.value.remedy
