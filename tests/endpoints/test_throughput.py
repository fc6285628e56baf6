"""What a server does under load, against one that answers at a known pace."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from PIL import Image

from helpers.cli import main
from helpers.endpoints import image_urls, measure_loads
from helpers.errors import InputError
from helpers.prompts import image_messages
from tests.endpoints.conftest import asking
from tests.endpoints.fake_endpoint import FakeServer, Handler


def paced(handler: Handler, number: int) -> bool:
    """The first piece after 0.05 s, three more 0.05 s later, and a count of 8 tokens where one is asked for."""
    body = handler.fake.requests[number]
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()

    def say(**chunk: object) -> None:
        handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    time.sleep(0.05)
    say(choices=[{"index": 0, "delta": {"content": "one "}}])
    time.sleep(0.05)
    for k in range(3):
        say(choices=[{"index": 0, "delta": {"content": f"{k} "}, "finish_reason": "stop" if k == 2 else None}])
    if body.get("stream_options") and handler.fake.counts:
        say(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17})
    handler.hang_up()
    return True


@pytest.mark.parametrize("counts", [True, False])
def test_rates_are_those_of_the_pace_and_of_the_callers(fake: FakeServer, counts: bool) -> None:
    fake.fault, fake.counts = paced, counts
    asked: list[int] = []

    def prompt(number: int) -> list:
        asked.append(number)
        return image_messages([], f"{number}")

    one, four = measure_loads(asking(fake), prompt, callers=(1, 4), rounds=3)
    assert asked == list(range(1 + 3 + 12)) and len(fake.requests) == 16  # the first warms up, and is not counted
    assert (one.callers, one.requests, four.callers, four.requests) == (1, 3, 4, 12)
    assert one.failed == four.failed == 0 and fake.most_at_once == 4
    assert one.seconds >= 0.3 and one.first_token >= 0.05 and one.slowest_first_token >= one.first_token
    assert one.answer >= max(0.1, one.first_token)
    assert one.requests_per_second == pytest.approx(3 / one.seconds)
    assert one.tokens_per_second == pytest.approx(3 * (8 if counts else 4) / one.seconds)
    assert one.counted == four.counted == ("tokens" if counts else "pieces")
    assert four.requests_per_second > 1.5 * one.requests_per_second


def test_requests_that_fail_are_counted_and_told_and_never_sent_again(fake: FakeServer) -> None:
    fake.counts = True
    fake.fault = lambda handler, n: (
        (n == 2 and (handler.send(503, {"error": "busy"}) or True)) or paced(handler, n)
    )
    (load,) = measure_loads(asking(fake), lambda k: image_messages([], f"{k}"), callers=[2], rounds=2)
    assert (load.requests, load.failed, len(fake.requests)) == (4, 1, 5)
    assert "503: busy" in load.first_failure
    fake.fault = lambda handler, n: handler.send(503, {"error": "busy"}) or True
    with pytest.raises(InputError, match="busy"):
        list(measure_loads(asking(fake), lambda k: image_messages([], f"{k}"), callers=[1]))
    for wrong in ({"callers": [0]}, {"rounds": 0}):
        with pytest.raises(InputError, match="1 or more"):
            list(measure_loads(asking(fake), lambda k: [], **wrong))


def test_the_time_to_pack_images_is_not_the_servers(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.fault, fake.counts = paced, True
    packed = image_urls.image_bytes

    def slowly(*arguments: object) -> bytes:
        time.sleep(0.5)
        return packed(*arguments)

    monkeypatch.setattr(image_urls, "image_bytes", slowly)
    prompt = image_messages([Image.new("RGB", (4, 4))], "What?")
    (load,) = measure_loads(asking(fake), lambda k: prompt, callers=[1], rounds=1)
    assert load.seconds < 0.5 and load.answer < 0.5


def test_an_answer_at_once_or_without_words_is_timed_too(fake: FakeServer) -> None:
    for words in ("all at once", ""):
        told = {"choices": [{"message": {"content": words}, "finish_reason": "stop"}]}
        fake.fault = lambda handler, n, told=told: handler.send(200, told) or True
        (load,) = measure_loads(asking(fake), lambda k: image_messages([], "What?"), callers=[1], rounds=1)
        assert load.failed == 0 and 0 < load.first_token <= load.answer <= load.seconds


@pytest.mark.parametrize("shared", [False, True])
def test_the_command_measures_a_server_by_its_address(
    fake: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], shared: bool
) -> None:
    fake.fault, fake.counts = paced, True
    words = [
        "bench-serve",
        "--model",
        f"endpoint:{fake.url}",
        "--callers",
        "1",
        "2",
        "--rounds",
        "1",
        "--images",
        "2",
    ]
    output = tmp_path / "loads.json"
    assert main([*words, "--output", str(output), *(["--shared"] if shared else [])]) == 0
    kept = json.loads(output.read_text())
    assert [load["callers"] for load in kept["loads"]] == [1, 2]
    assert kept["images"] == 2 and "tokens/s" in capsys.readouterr().out
    asked = [body["messages"][0]["content"] for body in fake.requests]
    assert len(asked) == 4 and [part["type"] for part in asked[0]] == ["image_url", "image_url", "text"]
    for place in (0, 1):
        assert len({json.dumps(parts[place]) for parts in asked}) == (1 if shared else 4)
    assert len({parts[2]["text"] for parts in asked}) == (4 if shared else 1)
    assert main(["bench-serve", "--model", f"endpoint:{fake.url}", "--images", "86"]) == 2
