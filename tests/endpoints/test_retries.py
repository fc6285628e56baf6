"""Servers that fail: waited out where it may pass, told where it does not."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from helpers.endpoints import EndpointModel, connect
from helpers.endpoints.addresses import TOKEN_VARIABLE
from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.prompts import image_messages
from tests.endpoints.conftest import IMAGE, asking, questions
from tests.endpoints.fake_endpoint import FakeServer, Handler, answer_to


def storm(handler: Handler, number: int) -> bool:
    """Two of three requests are too many."""
    if number % 3 == 2:
        return False
    handler.send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
    return True


def dropped(handler: Handler, number: int) -> bool:
    """Every other answer breaks off in its middle."""
    if number % 2:
        return False
    payload = json.dumps(answer_to(handler.fake.requests[number])).encode()
    handler.start(200, len(payload))
    handler.wfile.write(payload[: len(payload) // 2])
    handler.hang_up()
    return True


def truncated(handler: Handler, number: int) -> bool:
    """Every other answer is whole by its length, and half of the JSON."""
    if number % 2:
        return False
    handler.send(200, json.dumps(answer_to(handler.fake.requests[number])).encode()[:-40])
    return True


def failing(handler: Handler, number: int) -> bool:
    """Every other answer is an error of the server's."""
    if number % 2:
        return False
    handler.send(503, b"<html>overloaded</html>", {"Content-Type": "text/html"})
    return True


@pytest.mark.parametrize("fault", [storm, dropped, truncated, failing])
def test_twenty_callers_through_a_fault_are_all_answered_once(fake: FakeServer, fault: Any) -> None:
    fake.fault, fake.pause = fault, 0.002
    chat = asking(fake, attempts=40)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda k: chat.generate(image_messages([IMAGE], f"question {k}")), range(40)))
    assert [reply.text for reply in replies] == [f"said: question {k}. Final Answer: yes" for k in range(40)]
    assert sorted(fake.answered) == sorted(f"question {k}" for k in range(40))
    assert fake.most_at_once <= chat.at_once
    assert (chat.totals.answers, chat.totals.failed) == (40, 0)
    assert chat.totals.retries == len(fake.requests) - 40 > 0


def drip(handler: Handler, number: int) -> bool:
    """A body that comes a byte at a time and never ends."""
    handler.start(200, 10_000)
    for _ in range(200):
        try:
            handler.wfile.write(b" ")
            time.sleep(0.02)
        except OSError:
            break
    handler.hang_up()
    return True


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda h, n: h.send(429, {"error": {"message": "quota"}}) or True, "got too many requests"),
        (lambda h, n: h.send(429, {}, {"Retry-After": "86400"}) or True, "got too many requests"),
        (lambda h, n: h.send(200, b'{"choices": [') or True, "cannot be read"),
        (lambda h, n: h.send(200, b"<html>a portal</html>") or True, "cannot be read"),
        (lambda h, n: h.hang_up() or True, "does not answer, or it broke the connection"),
        (drip, "not complete after 2 s"),
        (lambda h, n: h.send(401, {"error": {"message": "expired"}}) or True, f"Set {TOKEN_VARIABLE}"),
        (lambda h, n: h.send(404, {"error": {"message": "no model"}}) or True, "lists these models: fake"),
        (lambda h, n: h.send(413, {}) or True, "too large"),
        (
            lambda h, n: h.send(200, {"error": {"message": "one image", "code": 400}}) or True,
            "refused the request",
        ),
        (lambda h, n: h.send(200, {"error": "out of memory"}) or True, "The server failed (out of memory)"),
        (lambda h, n: h.send(200, {"message": "busy", "code": 429}) or True, "too many requests"),
        (lambda h, n: h.send(200, {"detail": "expired", "status": 401}) or True, f"Set {TOKEN_VARIABLE}"),
        (lambda h, n: h.send(307, b"", {"Location": "http://127.0.0.2:9/v1"}) or True, "sends on to another"),
    ],
)
def test_a_case_that_cannot_be_answered_is_recorded_with_the_reason(
    fake: FakeServer, tmp_path: Path, fault: Any, reason: str
) -> None:
    fake.fault = lambda handler, number: "question 1" in str(fake.requests[number]) and fault(handler, number)
    # Only the drip waits for the end of its time, once: a short one would cut good answers off on a busy machine.
    chat = asking(fake, at_once=3, **({"attempts": 1, "timeout": 2.0} if fault is drip else {"attempts": 3}))
    scores = run_evaluation(chat, questions(3), tmp_path)
    answers = {a["id"]: a for a in read_answers(tmp_path / "answers.jsonl")}
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == len(answers) == 3
    assert (scores["answers"], scores["failed"], chat.totals.failed) == (2, 1, 1)
    assert reason in answers["q1"]["error"] and fake.url in answers["q1"]["error"]
    fake.fault = lambda handler, number: False
    assert run_evaluation(chat, questions(3), tmp_path)["failed"] == 0
    assert sorted(fake.answered) == [f"question {k}" for k in range(3)]


def test_an_error_that_will_stay_is_told_at_once_in_whatever_status_it_comes(fake: FakeServer) -> None:
    fake.fault = lambda h, n: h.send(200, {"error": {"message": "At most 1 image", "code": "400"}}) or True
    with pytest.raises(InputError, match=r"refused the request to 'fake' \(At most 1 image\)\. Correct the error"):
        asking(fake).generate(image_messages([], "a"))
    assert len(fake.requests) == 1


def test_thinking_is_kept_under_either_name(fake: FakeServer) -> None:
    for name in ("reasoning", "reasoning_content"):
        message = {"content": None, name: "Long thought."}
        answer = {"choices": [{"message": message, "finish_reason": "length"}]}
        fake.fault = lambda h, n, answer=answer: h.send(200, answer) or True
        reply = asking(fake).generate(image_messages([], "a"))
        assert (reply.text, reply.thinking, reply.finished) == ("", "Long thought.", False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that nobody trusts, with its key, for this machine."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, signed = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "signed.pem"))
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(signed)]
    subprocess.run(words, check=True, capture_output=True)
    return key, signed


def test_a_certificate_that_is_not_trusted_is_named_and_can_be(
    fake: FakeServer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, signed = certificate
    fake.http.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    plain, fake.http.socket = fake.http.socket, context.wrap_socket(fake.http.socket, server_side=True)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    model = f"endpoint:{fake.url.replace('http:', 'https:')}#fake"
    with pytest.raises(InputError, match=r"certificate is not trusted \(self.signed .*\. Set SSL_CERT_FILE"):
        connect(model)
    monkeypatch.setenv("SSL_CERT_FILE", str(signed))
    assert connect(model).generate(image_messages([], "a")).finished
    plain.close()


def test_a_name_that_nobody_knows_and_a_port_without_encryption_are_told_at_once(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    settings = {"attempts": 30, "first_wait": 60.0, "may_leave": "made up"}  # waiting would last for hours
    with pytest.raises(
        InputError, match=r"No encrypted connection can be made .* Check that the server speaks https"
    ):
        EndpointModel(fake.url.replace("http:", "https:"), "m", **settings).generate(image_messages([], "a"))
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        InputError, match=r"'no-such-host\.invalid', or the name of the proxy, does not belong to any machine"
    ):
        EndpointModel("https://no-such-host.invalid/v1", "m", **settings).generate(image_messages([], "a"))


def test_memory_stays_where_it_is_over_many_prompts_with_faults(fake: FakeServer) -> None:
    fake.fault = truncated
    remote = asking(fake, attempts=40)
    noise = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    messages = image_messages([Image.fromarray(plane) for plane in noise], "x")  # 0.5 MB on the wire

    def resident() -> float:
        """MB after 60 answers; the fake server forgets what it was sent."""
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: remote.generate(messages), range(60)))
        fake.requests.clear()
        fake.headers.clear()
        return psutil.Process().memory_info().rss / 1e6

    resident()
    usual = resident()
    assert max(resident() for _ in range(4)) - usual < 60  # keeping every request would take 120 and more


@pytest.mark.parametrize(
    ("status", "said"),
    [
        # As vLLM (two versions), TGI and llama.cpp say it.
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5096 tokens"),
        (400, "'max_tokens' or 'max_completion_tokens' is too large: 2000."),
        (
            422,
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens",
        ),
        (400, "the request exceeds the available context size, try increasing it"),
    ],
)
def test_a_server_without_room_for_the_answer_is_one_error_with_the_way_out(
    fake: FakeServer, status: int, said: str
) -> None:
    fake.fault = lambda handler, number: handler.send(status, {"error": {"message": said}}) or True
    with pytest.raises(InputError, match=r"refused .*Ask for a shorter answer.*--max-new-tokens") as caught:
        asking(fake).generate(image_messages([], "a"))
    assert said[:60] in str(caught.value)
    assert len(fake.requests) == 1 and fake.requests[0]["max_tokens"] == 2_000


def test_a_server_that_takes_no_max_tokens_is_not_told_to_be_short(fake: FakeServer) -> None:
    said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    fake.fault = lambda handler, number: handler.send(400, {"error": {"message": said}}) or True
    with pytest.raises(InputError, match="Correct the error that the server names"):
        asking(fake).generate(image_messages([], "a"))
