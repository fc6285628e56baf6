"""Each cause of a failure is told once, with the server's words and the remedy; what stays is asked once."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from helpers.endpoints import EndpointModel, connect
from helpers.endpoints.addresses import place_of
from helpers.endpoints.wire_answer import words_of
from helpers.errors import InputError
from helpers.prompts import image_messages
from tests.endpoints.conftest import asking
from tests.endpoints.fake_endpoint import FakeServer

ASKED = image_messages([], "a")
PATIENT = {"attempts": 7, "first_wait": 60.0, "may_leave": "made up"}  # asking again would last for minutes


def failing(fake: FakeServer, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
    fake.fault = lambda handler, number: handler.send(status, content, headers) or True


def answer(message: dict[str, Any] | None, reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason, **more}]}


@contextmanager
def encrypted(fake: FakeServer, certificate: trustme.LeafCert) -> Iterator[str]:
    """The fake server with a certificate; its https address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    plain, fake.http.socket = fake.http.socket, context.wrap_socket(fake.http.socket, server_side=True)
    fake.http.handle_error = lambda *_: None
    yield fake.url.replace("http:", "https:")
    plain.close()


@pytest.mark.parametrize(
    ("names", "dates", "trusted", "said"),
    [
        (["127.0.0.1"], {}, False, r"not trusted \(unable to get local issuer certificate\)\. Set SSL_CERT_FILE"),
        (
            ["127.0.0.1"],
            {"not_after": -1},
            True,
            r"not trusted \(certificate has expired\)\. Its owner has to renew",
        ),
        (["127.0.0.1"], {"not_before": 2, "not_after": 9}, True, r"not yet valid\)\. Set the clock"),
        (["other.example.org"], {}, True, r"IP address mismatch.*has to be the one that the certificate names"),
    ],
)
def test_a_certificate_is_refused_for_its_own_reason(
    fake: FakeServer, tmp_path: Path, monkeypatch: Any, names: list[str], dates: dict, trusted: bool, said: str
) -> None:
    authority, now = trustme.CA(), datetime.datetime.now(datetime.UTC)
    when = {name: now + datetime.timedelta(days=days) for name, days in dates.items()}
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with encrypted(fake, authority.issue_cert(*names, **when)) as url:
        with pytest.raises(InputError, match=said) as caught:
            EndpointModel(url, "fake", **PATIENT).generate(ASKED)
        assert "SSL_CERT_FILE" not in str(caught.value) or not trusted
        assert not fake.requests


def test_a_certificate_of_an_authority_of_ones_own_is_trusted_on_this_machine_too(
    fake: FakeServer, tmp_path: Path, monkeypatch: Any
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with encrypted(fake, authority.issue_cert("127.0.0.1")) as url:
        assert connect(f"endpoint:{url}").generate(ASKED).finished


@contextmanager
def speaking(words: bytes) -> Iterator[str]:
    """Host and port of something that answers every connection with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(1 << 16)
                    caller.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_port_without_encryption_is_told_at_once() -> None:
    said = r"No encrypted connection can be made \(WRONG_VERSION_NUMBER\)"
    with speaking(b"SSH-2.0-OpenSSH_9.6\r\n") as place, pytest.raises(InputError, match=said):
        EndpointModel(f"https://{place}/v1", "m", **PATIENT).generate(ASKED)


def test_nothing_that_listens_is_named_with_its_place() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        InputError, match=rf"nothing listens at {place} \(Connection refused\)\. Check that the server runs"
    ):
        connect(f"endpoint:http://{place}/v1#m")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:port/v1", "not the address .*'port'"),
        ("http://127.0.0.1:0/v1", "there is no port 0"),
        ("http://127.0.0.1:-1/v1", "not the address"),
        ("http://127.0.0.1:80 80/v1", "not the address"),
        ("http://127.0.0.1:8000/v1\nx", "a space or a line end"),
        ("https://exa mple.org/v1", "a space or a line end"),
        ("https://a..b/v1", "not the address .*label"),
        (f"https://{'a' * 70}.org/v1", "not the address .*label"),
    ],
)
def test_an_address_that_cannot_be_one_is_told_before_anything_is_sent(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        connect(f"endpoint:{url}#m")
    assert "\n" not in str(caught.value) and "HOST:PORT" in str(caught.value)


def test_spaces_around_a_name_are_none_of_it(fake: FakeServer) -> None:
    assert connect(f"endpoint:{fake.url} \n").url == fake.url


@pytest.mark.parametrize("proxy", ["127.0.0.1:abc", "foo://x", "socks5://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: Any, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InputError, match=r"proxy that the environment names cannot be used .*HTTPS_PROXY="):
        EndpointModel("https://models.example.org/v1", "m", **PATIENT)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (
            400,
            {"error": {"message": "At most 1 image"}},
            r"refused the request to 'fake' \(400: At most 1 image\)",
        ),
        (400, {"object": "error", "message": "no room", "code": 400}, r"\(400: no room\)"),
        (405, {"detail": "Method Not Allowed"}, r"\(405: Method Not Allowed\).*Most addresses end in /v1"),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "no"}]}, r"\(422: body\.x: no\)\. Correct the error"),
        (403, {"error": {"message": "Permission denied on m"}}, r"wants a token.*\(403: Permission denied on m\)"),
        (401, [{"error": {"code": 401, "message": "expired"}}], r"\(401: expired\)\. Set ENDPOINT_TOKEN"),
        (402, {"error": "pay first"}, r"refused .*\(402: pay first\)"),
        (413, b"<html><head><title>413 Too Large</title></head><body>nginx</body></html>", r"too large .*413 Too"),
        (
            429,
            {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}},
            "A quota is",
        ),
        (
            400,
            {"error": {"message": "Request payload size exceeds the limit: 10485760."}},
            "too large .*webp",
        ),
        (400, {"error": {"message": "Failed to load image or audio file"}}, r"refused .*image_format=\"png\""),
        (500, {"error": "image input is not supported - you may need to provide the mmproj"}, "takes no images"),
        (501, {"error": {"message": "This server does not do that"}}, r"server failed \(501: This server"),
        (
            307,
            b"",
            r"sends on to another address \(307: https://elsewhere\.example\.org/v1\)\. Images are not sent",
        ),
        # With status 200:
        (200, {"error": {"message": "no m", "type": "invalid_request_error"}}, r"refused .*\(no m\)"),
        (200, {"error": {"message": "sign in", "status": "UNAUTHENTICATED"}}, r"wants a token.*\(sign in\)"),
        (200, [{"error": {"code": 404, "message": "no endpoint"}}], r"refused .*\(no endpoint\)"),
        (200, {"errors": [{"message": "bad", "code": 400}], "code": 400}, r"refused .*\(bad\)"),
        (200, answer(None, "error", error={"message": "content", "code": 400}), r"refused .*\(content\)"),
        (
            200,
            b"<html><head><title>Sign in</title></head><body>Hotel</body></html>",
            r"a web page \(Sign in\. Hotel",
        ),
        (200, {"response": "hello", "done": True}, r"no choices of messages .*hello.*most end in /v1"),
        (200, {"choices": []}, "no choices of messages"),
        (200, [], "no choices of messages"),
        (200, answer({"content": {"a": 1}}), "it is not text"),
        (
            200,
            answer({"content": None, "refusal": "I cannot help."}),
            r"refuses to answer \(I cannot help\.\)\. Ask",
        ),
        (200, answer({"content": ""}, "content_filter"), "filter kept the answer back. Ask in other words"),
        (
            200,
            answer({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls"),
            "call of a tool.*without tools",
        ),
        (
            200,
            answer({"content": None, "reasoning": "Final Answer: yes"}),
            r"Final Answer: yes\).*reasoning-parser",
        ),
        (200, answer({"content": "", "reasoning_content": "So it is."}), r"thinking trace \(So it is\.\)"),
    ],
)
def test_what_cannot_pass_is_told_once_and_not_asked_again(
    fake: FakeServer, status: int, content: Any, said: str
) -> None:
    where = {"Location": "https://elsewhere.example.org/v1?key=planted"} if status == 307 else {}
    failing(fake, status, content, where | ({"Content-Type": "text/html"} if isinstance(content, bytes) else {}))
    with pytest.raises(InputError, match=said) as caught:
        asking(fake, first_wait=60.0).generate(ASKED)
    assert len(fake.requests) == 1
    told = str(caught.value)
    assert told.startswith(fake.url) and "planted" not in told and ".." not in told
    words = words_of(content) if content not in (b"", []) else ""
    assert not words or told.count(words) <= 1


def test_a_quota_of_the_minute_and_a_server_that_starts_are_waited_for(fake: FakeServer) -> None:
    faults = [
        (429, {"error": {"message": "Rate limit"}}),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}),
        (200, {"error": {"message": "slow down", "type": "rate_limit_error"}}),
        (200, b'{"choices": [{"mess'),
    ]
    fake.fault = lambda handler, n: n < len(faults) and (handler.send(*faults[n]) or True)
    assert asking(fake).generate(ASKED).finished
    assert len(fake.requests) == 5


@pytest.mark.parametrize("status", [404, 503, 302])
def test_a_list_of_models_that_is_needed_tells_why_it_is_not_there(fake: FakeServer, status: int) -> None:
    fake.listing = {"error": {"message": "planted words"}}
    fake.list_status = status
    with pytest.raises(InputError, match=rf"\({status}"):
        connect(f"endpoint:{fake.url}")
    if status != 302:  # the name is enough, and the list is not needed
        assert connect(f"endpoint:{fake.url}#fake").generate(ASKED).finished


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ({"error": {"message": "no such model", "code": 404}}, "application/json", "refused .*no such model"),
        (b"<html><body>Sign in</body></html>", "text/html", r"a web page \(Sign in\)"),
        (
            [{"choices": [{"index": 0, "delta": {"refusal": "I cannot."}, "finish_reason": "stop"}]}],
            "",
            "I cannot",
        ),
        (
            [{"choices": [{"index": 0, "delta": {"reasoning": "So."}, "finish_reason": "stop"}]}],
            "",
            "thinking trace",
        ),
        ([{"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}], "", "filter"),
        ([{"message": "out of memory", "code": 500}], "", r"server failed \(out of memory\)"),
    ],
)
def test_a_stream_without_an_answer_tells_why(fake: FakeServer, content: Any, kind: str, said: str) -> None:
    if isinstance(content, list):
        lines = "".join(f"data: {json.dumps(line)}\n\n" for line in content)
        content, kind = lines.encode(), "text/event-stream"
    failing(fake, 200, content, {"Content-Type": kind})
    with pytest.raises(InputError, match=said):
        list(asking(fake).stream(ASKED))


def test_two_servers_on_one_host_have_two_names() -> None:
    urls = [
        "https://h.example.org/v1",
        "https://h.example.org:8443/v1",
        "https://h.example.org/v1/projects/p/locations/l/endpoints/1",
        "https://h.example.org/v1/projects/p/locations/l/endpoints/2",
        "https://h.example.org",
        "http://127.0.0.1:8000/v1",
        "http://127.0.0.1:8001/v1",
        "http://[::1]:8000/v1",
    ]
    assert len({EndpointModel(url, "m").name for url in urls}) == len(urls)
    assert EndpointModel(urls[0], "m").name == "m@h.example.org"
    same = ["https://H.example.org:443/v1/", "https://h.example.org/v1"]
    assert {place_of(url) for url in same} == {"h.example.org"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Final "}, {"type": "text", "text": "Answer: yes"}], "Final Answer: yes"),
        ("", ""),
    ],
)
def test_an_answer_in_parts_and_an_empty_one_are_answers(fake: FakeServer, content: Any, text: str) -> None:
    failing(fake, 200, answer({"content": content}))
    reply = asking(fake).generate(ASKED)
    assert (reply.text, reply.finished) == (text, True)


@pytest.mark.parametrize(
    ("reason", "written", "finished"),
    [
        *(("eos_token", 0, True), ("STOP", 9, True), ("length", 3, False), ("MAX_TOKENS", 3, False)),
        *((None, 0, False), (None, 3, True), (None, 8, False)),  # no reason, but the tokens of at most 8
    ],
)
def test_an_answer_is_finished_where_the_server_says_so(
    fake: FakeServer, reason: Any, written: int, finished: bool
) -> None:
    usage = {"usage": {"prompt_tokens": 9, "completion_tokens": written}} if written else {}
    failing(fake, 200, answer({"content": "yes"}, reason) | usage)
    assert asking(fake).generate(ASKED, max_new_tokens=8).finished is finished


def test_an_empty_answer_with_an_unknown_reason_is_none(fake: FakeServer) -> None:
    failing(fake, 200, answer({"content": ""}, "SAFETY"))
    with pytest.raises(InputError, match="the server names a reason for this"):
        asking(fake).generate(ASKED)


def test_half_of_a_sign_is_no_fault_of_the_answer(fake: FakeServer) -> None:
    failing(fake, 200, answer({"content": "yes \ud83d"}))  # JSON holds it, and UTF-8 does not
    assert asking(fake).generate(ASKED).text == "yes \ufffd"


@pytest.mark.parametrize(
    "token", [lambda: "planted\ntoken", lambda: "Bearer planted-token", lambda: "\ufeffplanted"]
)
def test_a_token_that_no_header_holds_is_not_shown(fake: FakeServer, token: Callable[[], str]) -> None:
    with pytest.raises(InputError, match="without the word Bearer") as caught:
        asking(fake, token=token).generate(ASKED)
    assert "planted" not in str(caught.value) and not fake.requests
