"""A served model: a real server answers as the local one, and every fault ends in an answer or a reason."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.cli import main
from helpers.endpoints import EndpointModel, Limits, image_bytes
from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.models import ChatModel, load_model
from helpers.prompts import CT_QUESTION, image_messages, volume_messages
from helpers.teaching import HELD_OUT, generate
from helpers.volumes import ct_to_rgb, read_volume, select_slices
from tests.endpoints.conftest import IMAGE, asking
from tests.endpoints.fake_endpoint import FakeServer, Handler, fake_server


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    """The stand-in behind a real server."""
    from helpers.models import serve

    with serve() as server:
        yield server


@pytest.mark.parametrize(
    ("served", "is_standin"),
    [
        ("standin", True),
        ("standin_weights", True),
        ("standin+mine", True),
        ("standin_weights+mine", True),
        ("mine", False),
        ("standin2+mine", False),
        ("mine+standin", False),
    ],
)
def test_the_standin_is_known_by_its_served_name_with_an_adapter_too(served: str, is_standin: bool) -> None:
    assert EndpointModel("http://localhost:9/v1", served).is_standin is is_standin


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
    assert all("does not answer, or it broke the connection" in error for error in errors)
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
    for reason in ("out of memory", "stops before its end"):
        pieces = chat.stream(image_messages([], "go"))
        assert [next(pieces), next(pieces)] == ["one ", "two"]
        with pytest.raises(InputError, match=reason):
            next(pieces)
    assert (chat.totals.answers, chat.totals.failed) == (1, 2)


def test_what_is_over_the_limits_is_not_sent(fake: FakeServer) -> None:
    chat = load_model(f"endpoint:{fake.url}")
    name = f"fake@127.0.0.1:{fake.http.server_port}"
    assert (chat.served, chat.name, chat.limits.context_tokens) == ("fake", name, 9_000)
    prompt = image_messages([IMAGE] * 3, "What?")
    with pytest.raises(InputError, match="3 images are more than the server's limit of 2"):
        replace(chat, limits=Limits(images=2)).generate(prompt)
    with pytest.raises(InputError, match="over the server's context of 9,000"):
        chat.generate(image_messages([IMAGE] * 40, "What?"))
    with pytest.raises(InputError, match=r"the server takes 0\.00 MB.*jpeg"):
        replace(chat, limits=Limits(request_bytes=200)).generate(prompt)
    with pytest.raises(InputError, match="png, webp or jpeg"):
        replace(chat, image_format="gif")
    assert not fake.requests


def test_webp_loses_nothing_and_is_smaller_than_png(fake: FakeServer, head_ct: Path) -> None:
    volume = read_volume(head_ct, modality="CT")
    slices = [Image.fromarray(one) for one in ct_to_rgb(volume, [20, 50, 80])]
    chat = asking(fake, image_format="webp")
    chat.generate(image_messages(slices, "What?"))
    sent = [part["image_url"]["url"] for part in fake.requests[0]["messages"][0]["content"][:-1]]
    for url, image in zip(sent, slices, strict=True):
        head, _, data = url.partition(",")
        assert head == "data:image/webp;base64"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), np.asarray(image))
    sizes = {form: sum(len(image_bytes(image, form)) for image in slices) for form in ("png", "webp", "jpeg")}
    assert sizes["webp"] < 0.75 * sizes["png"] and sizes["jpeg"] < 0.75 * sizes["webp"]
    noted = Image.new("RGB", (4, 4))
    noted.info = {"exif": b"Exif\0\0Doe^Jane", "icc_profile": b"Doe^Jane", "xmp": b"Doe^Jane"}
    assert b"Doe" not in image_bytes(noted, "webp")


def test_a_format_is_chosen_by_name_and_for_servers_alone(fake: FakeServer) -> None:
    assert load_model(f"endpoint:{fake.url}", image_format="webp").image_format == "webp"
    with pytest.raises(InputError, match="Only a server gets images in a format"):
        load_model("standin", image_format="webp")
    with pytest.raises(InputError, match="png, webp or jpeg"):
        load_model(f"endpoint:{fake.url}", image_format="bmp")


def test_a_dedicated_endpoint_takes_ten_megabytes_and_the_ways_out_are_told_in_order() -> None:
    url = "https://1.us-central1-2.prediction.vertexai.goog/v1/projects/2/locations/us-central1/endpoints/1"
    chat = EndpointModel(url, "", may_leave="made up")
    assert chat.limits.request_bytes == 10_000_000
    assert EndpointModel(url, "", limits=Limits(images=9)).limits.request_bytes == 64_000_000
    assert EndpointModel("https://models.example.org/v1", "").limits == Limits()
    noise = np.random.default_rng(0).integers(0, 256, (12, 640, 640, 3), np.uint8)
    with pytest.raises(InputError, match=r"19\.\d+ MB, but the server takes 10\.00 MB.*webp.*jpeg.*fewer.*DICOM"):
        chat.generate(image_messages([Image.fromarray(one) for one in noise], "What?"))


def test_a_name_must_lead_to_one_model_of_a_server_that_is_there(fake: FakeServer) -> None:
    fake.models = [{"id": name, "object": "model", "created": 0, "owned_by": "me"} for name in ("a", "b")]
    with pytest.raises(InputError, match=r"lists 2 models: a, b\. Name one model: endpoint:http.*#MODEL"):
        load_model(f"endpoint:{fake.url}")
    assert load_model(f"endpoint:{fake.url}#b").served == "b"
    with pytest.raises(InputError, match="chosen only where the model runs"):
        load_model(f"endpoint:{fake.url}#b", quantized=True)
    with fake_server() as gone:
        pass
    with pytest.raises(InputError, match="Check that the server runs"):
        load_model(f"endpoint:{gone.url}#b")


@pytest.mark.parametrize("listing", [b"<html>here</html>", b"[]", b'{"data": ["x"]}', b'{"data": [{"id": "fa'])
def test_what_is_no_list_of_models_is_said_and_hides_no_refusal(fake: FakeServer, listing: bytes) -> None:
    fake.listing = listing
    with pytest.raises(InputError, match="list of models"):
        load_model(f"endpoint:{fake.url}")
    fake.fault = lambda handler, number: handler.send(404, {"error": {"message": "no such model"}}) or True
    with pytest.raises(InputError, match="no such model"):
        asking(fake).generate(image_messages([], "a"))


def test_the_command_for_reports_sends_the_image_format_that_is_asked_for(
    fake: FakeServer, tmp_path: Path
) -> None:
    IMAGE.save(tmp_path / "page.png")
    words = ["ask", str(tmp_path / "page.png"), "--schema", "lab-report", "--output", str(tmp_path / "out")]
    words += ["--model", f"endpoint:{fake.url}#fake", "--may-leave", "made up", "--image-format", "webp"]
    main(words)
    sent = json.dumps(fake.requests[-1])
    assert "data:image/webp" in sent and "data:image/png" not in sent


def test_an_evaluation_says_which_cases_are_for_the_standin_alone(
    fake: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--cases", "teaching:text", "--model", f"endpoint:{fake.url}#fake"]
    assert main([*words, "--n", "2", "--output", str(tmp_path / "two")]) == 0
    assert "1 of 2 cases are left out" in capsys.readouterr().out
    assert main([*words, "--n", "1", "--output", str(tmp_path / "one")]) == 2
    assert "None of the 1 cases has an answer" in capsys.readouterr().err
