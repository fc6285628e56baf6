"""A served model: a real server answers as the local one, and every fault ends in an answer or a reason."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
import time
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from helpers.endpoints import EndpointModel, Limits, check_address, image_bytes
from helpers.endpoints.addresses import TOKEN_VARIABLE
from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.models import ChatModel, load_model
from helpers.prompts import CT_QUESTION, Message, image_messages, volume_messages
from helpers.teaching import HELD_OUT, generate
from helpers.volumes import ct_to_rgb, read_volume, select_slices
from tests.endpoints.fake_endpoint import FakeServer, Handler, answer_to, fake_server

PLANTED = "planted-token-0123456789"
IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    """The stand-in behind a real server."""
    from helpers.models import serve

    with serve() as server:
        yield server


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


def asking(fake: FakeServer, **settings: Any) -> EndpointModel:
    return EndpointModel(fake.url, "fake", **{"first_wait": 0.001, "timeout": 20.0, **settings})


@dataclass(frozen=True)
class Question:
    """A question about words."""

    id: str
    messages: list[Message]
    group: str = "g"
    kind: str = "image"
    condition: str = ""
    options: tuple[str, ...] = ("yes", "no")
    truth: str = "yes"


def questions(n: int) -> list[Question]:
    return [Question(f"q{k}", image_messages([], f"question {k}")) for k in range(n)]


def test_a_real_server_answers_token_for_token_as_the_local_model(
    served: Any, standin: ChatModel, head_ct: Path
) -> None:
    volume = read_volume(head_ct, modality="CT")
    slices = ct_to_rgb(volume, select_slices(volume.shape[0]))
    question = CT_QUESTION.format(history="Headache.", condition="intracranial haemorrhage")
    prompts = [volume_messages(slices, question), volume_messages(slices[::5][:16], question)]
    prompts += [volume_messages(slices[-16:], question)]
    prompts += [
        case.messages for kind, n in {"image": 5, "text": 2}.items() for case in generate(kind, n, HELD_OUT)
    ]
    remote = load_model(served.model)
    for prompt in prompts:
        here, there = standin.generate(prompt, 64), remote.generate(prompt, 64)
        assert replace(there, seconds=0) == replace(here, seconds=0)
        assert here.finished
    assert len(prompts) == remote.totals.answers == 10
    assert "".join(remote.stream(prompts[1], 64)) == standin.generate(prompts[1], 64).text
    cut = remote.generate(prompts[1], 3)
    assert replace(cut, seconds=0) == replace(standin.generate(prompts[1], 3), seconds=0)
    with pytest.raises(InputError, match=r"'other' .*pinned"):
        load_model(served.model.replace(served.name, "other")).generate(prompts[-1])


def test_an_evaluation_over_a_server_is_the_local_one_and_outlives_the_server(
    standin: ChatModel, tmp_path: Path
) -> None:
    from helpers.models import serve

    cases = generate("image", 8, HELD_OUT + 20)
    run_evaluation(standin, cases, tmp_path / "here", max_new_tokens=40)
    here = {a["id"]: a for a in read_answers(tmp_path / "here" / "answers.jsonl")}
    with serve() as server:
        remote = replace(load_model(server.model), attempts=2, first_wait=0.01, at_once=2)
        port = int(server.url.split(":")[2].split("/")[0])

        def kill_in_mid_run() -> None:
            while remote.totals.answers < 3:
                time.sleep(0.001)
            server.process.kill()

        killer = threading.Thread(target=kill_in_mid_run)
        killer.start()
        broken = run_evaluation(remote, cases, tmp_path / "there", max_new_tokens=40)
        killer.join()
    assert broken["failed"] > 0 and broken["answers"] + broken["failed"] == len(cases)
    errors = [a["error"] for a in read_answers(tmp_path / "there" / "answers.jsonl") if "error" in a]
    assert all("does not answer, or broke off" in error for error in errors)
    with serve(port=port) as server:
        remote = load_model(server.model)
        whole = run_evaluation(remote, cases, tmp_path / "there", max_new_tokens=40)
    assert (whole["failed"], whole["answers"]) == (0, len(cases))
    assert remote.totals.answers == broken["failed"]
    for answer in read_answers(tmp_path / "there" / "answers.jsonl"):
        assert [answer[k] for k in ("text", "prompt", "prompt_tokens")] == [
            here[answer["id"]][k] for k in ("text", "prompt", "prompt_tokens")
        ]


def test_what_goes_over_the_wire_is_pixels_and_words(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    image = IMAGE.copy()
    image.info = {"comment": b"Doe^Jane", "icc_profile": b"Doe^Jane", "exif": b"Doe^Jane"}
    chat = asking(fake)
    reply = chat.generate(image_messages([image], "What is it?"), max_new_tokens=7)
    assert (reply.text, reply.prompt_tokens, reply.finished) == ("said: What is it?. Final Answer: yes", 10, True)
    body = fake.requests[0]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("fake", 7, 0)
    shown, asked = body["messages"][0]["content"]
    data = base64.b64decode(shown["image_url"]["url"].removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(IMAGE))
    assert asked == {"type": "text", "text": "What is it?"}
    assert b"Doe" not in data and b"Doe" not in image_bytes(image, "jpeg")
    assert chat.request_bytes(image_messages([image], "What is it?")) == chat.totals.bytes_sent
    told = {name.lower() for name in fake.headers[0]} - {"x-stainless-raw-response"}  # "stream", of the client
    assert not [name for name in told if name.startswith(("x-stainless", "openai", "authorization"))]
    assert "Doe" not in json.dumps(fake.headers)


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
        (lambda h, n: h.send(429, {"error": {"message": "quota"}}) or True, "has too many requests"),
        (lambda h, n: h.send(429, {}, {"Retry-After": "86400"}) or True, "has too many requests"),
        (lambda h, n: h.send(200, b'{"choices": [') or True, "cannot be read"),
        (lambda h, n: h.send(200, b"<html>a portal</html>") or True, "cannot be read"),
        (lambda h, n: h.hang_up() or True, "does not answer, or broke off"),
        (drip, "not whole after 0.2 s"),
        (lambda h, n: h.send(401, {"error": {"message": "expired"}}) or True, f"Set {TOKEN_VARIABLE}"),
        (lambda h, n: h.send(404, {"error": {"message": "no model"}}) or True, "lists these models: fake"),
        (lambda h, n: h.send(413, {}) or True, "too large"),
        (lambda h, n: h.send(307, b"", {"Location": "http://127.0.0.2:9/v1"}) or True, "The server failed"),
    ],
)
def test_a_case_that_cannot_be_answered_is_recorded_with_the_reason(
    fake: FakeServer, tmp_path: Path, fault: Any, reason: str
) -> None:
    fake.fault = lambda handler, number: "question 1" in str(fake.requests[number]) and fault(handler, number)
    chat = asking(fake, attempts=3, timeout=0.2, at_once=3)
    scores = run_evaluation(chat, questions(3), tmp_path)
    answers = {a["id"]: a for a in read_answers(tmp_path / "answers.jsonl")}
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == len(answers) == 3
    assert (scores["answers"], scores["failed"], chat.totals.failed) == (2, 1, 1)
    assert reason in answers["q1"]["error"] and fake.url in answers["q1"]["error"]
    fake.fault = lambda handler, number: False
    assert run_evaluation(chat, questions(3), tmp_path)["failed"] == 0
    assert sorted(fake.answered) == [f"question {k}" for k in range(3)]


def test_a_stream_gives_pieces_and_one_that_breaks_off_says_so(fake: FakeServer) -> None:
    def events(handler: Handler, number: int) -> bool:
        lines = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in ("one ", "two")]
        text = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        text += ["data: " + json.dumps(end), 'data: {"error": {"message": "out of memory"}}', ""][number] + "\n\n"
        handler.send(200, text.encode(), {"Content-Type": "text/event-stream"})
        return True

    fake.fault = events
    chat = asking(fake)
    assert list(chat.stream(image_messages([], "go"))) == ["one ", "two"]
    for reason in ("out of memory", "stops without its end"):
        pieces = chat.stream(image_messages([], "go"))
        assert [next(pieces), next(pieces)] == ["one ", "two"]
        with pytest.raises(InputError, match=reason):
            next(pieces)
    assert (chat.totals.answers, chat.totals.failed) == (1, 2)


def test_what_is_over_the_limits_is_not_sent(fake: FakeServer) -> None:
    chat = load_model(f"endpoint:{fake.url}")
    assert (chat.served, chat.name, chat.limits.context_tokens) == ("fake", "fake@127.0.0.1", 9_000)
    prompt = image_messages([IMAGE] * 3, "What?")
    with pytest.raises(InputError, match="3 images are over the server's limit of 2"):
        replace(chat, limits=Limits(images=2)).generate(prompt)
    with pytest.raises(InputError, match="over the server's context of 9,000"):
        chat.generate(image_messages([IMAGE] * 40, "What?"))
    with pytest.raises(InputError, match=r"the server takes 0\.00 MB.*jpeg"):
        replace(chat, limits=Limits(request_bytes=200)).generate(prompt)
    with pytest.raises(InputError, match="png or jpeg"):
        replace(chat, image_format="gif").generate(prompt)
    assert not fake.requests


def test_a_name_must_lead_to_one_model_of_a_server_that_is_there(fake: FakeServer) -> None:
    fake.models = [{"id": name, "object": "model", "created": 0, "owned_by": "me"} for name in ("a", "b")]
    with pytest.raises(InputError, match=r"lists 2 models: a, b\. Name one: endpoint:http.*#MODEL"):
        load_model(f"endpoint:{fake.url}")
    assert load_model(f"endpoint:{fake.url}#b").served == "b"
    with pytest.raises(InputError, match="the server's to choose"):
        load_model(f"endpoint:{fake.url}#b", quantized=True)
    with fake_server() as gone:
        pass
    with pytest.raises(InputError, match="Is it running"):
        load_model(f"endpoint:{gone.url}#b")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://example.org/v1", "unencrypted"),
        ("http://127.0.0.1@example.org/v1", "secret"),
        ("http://127.0.0.1.example.org/v1", "unencrypted"),
        ("http://0.0.0.0:8000/v1", "unencrypted"),
        ("https://me:hunter22@example.org/v1", "secret"),
        ("https://example.org/v1?key=hunter22", "secret"),
        ("ftp://example.org", "no address"),
        ("example.org/v1", "no address"),
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


@pytest.mark.parametrize("listing", [b"<html>here</html>", b"[]", b'{"data": ["x"]}', b'{"data": [{"id": "fa'])
def test_what_is_no_list_of_models_is_said_and_hides_no_refusal(fake: FakeServer, listing: bytes) -> None:
    fake.listing = listing
    with pytest.raises(InputError, match="list of models"):
        load_model(f"endpoint:{fake.url}")
    fake.fault = lambda handler, number: handler.send(404, {"error": {"message": "no such model"}}) or True
    with pytest.raises(InputError, match="no such model"):
        asking(fake).generate(image_messages([], "a"))


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
