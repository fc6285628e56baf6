"""A batch job's request file and plan, in their documented forms."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.cloud import Cloud, plan_batch, write_batch
from helpers.data import fetch
from helpers.errors import InputError
from helpers.prompts import Message, image_messages

CLOUD = Cloud("p", token=lambda: "planted-token")
MODEL = "projects/p/locations/us-central1/models/42"
IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


def test_the_file_has_a_prompt_a_line_in_the_form_of_the_container(tmp_path: Path) -> None:
    file = tmp_path / "batch.jsonl"
    prompts = [image_messages([IMAGE], f"Question {k}?") for k in range(3)]
    assert write_batch(file, prompts, max_tokens=9, image_format="webp", may_leave="made up") == 3
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 3
    for k, line in enumerate(lines):
        assert (line["@requestFormat"], line["max_tokens"], line["temperature"]) == ("chatCompletions", 9, 0)
        image, words = line["messages"][0]["content"]
        assert words == {"type": "text", "text": f"Question {k}?"}
        data = base64.b64decode(image["image_url"]["url"].removeprefix("data:image/webp;base64,"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(IMAGE))


def test_what_may_not_go_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "batch.jsonl"
    named = tmp_path / "photograph.png"
    IMAGE.save(named)
    prompt = image_messages([IMAGE], "Why?")
    with pytest.raises(InputError, match="nobody has said where these images come from"):
        write_batch(file, [prompt])
    with pytest.raises(InputError, match="not a DICOM file"):
        write_batch(file, [prompt], sources=[named])
    with pytest.raises(InputError, match="no prompts"):
        write_batch(file, [])
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1600, 1600, 3), np.uint8))
    with pytest.raises(InputError, match=r"Prompt 2 has 10\.\d+ MB; a line may have 10\.00 MB.*webp"):
        write_batch(file, [prompt, image_messages([noise], "Why?")], may_leave="made up")
    assert not file.exists()
    assert write_batch(file, [prompt], sources=[fetch("fundus")]) == 1
    assert write_batch(file, [image_messages([], "Words alone")]) == 1


def test_files_that_change_while_they_are_read_end_the_file(
    tmp_path: Path, write_series: Callable[..., Path]
) -> None:
    series, file = write_series(np.zeros((3, 4, 4)), PatientID=""), tmp_path / "batch.jsonl"

    def prompts() -> Iterator[list[Message]]:
        yield image_messages([IMAGE], "Why?")
        sorted(series.iterdir())[0].unlink()

    with pytest.raises(InputError, match="Not sent: the file is gone"):
        write_batch(file, prompts(), sources=[series])
    assert not file.exists()


def test_the_plan_says_what_an_hour_costs_and_has_the_documented_form() -> None:
    plan = plan_batch(CLOUD, MODEL, "gs://b/in.jsonl", "gs://b/out", replicas=2)
    assert "4.60 US dollars for each hour" in str(plan) and "check it" in str(plan)
    assert "planted" not in f"{plan}{plan.request()}"
    assert plan.request() == {
        "displayName": "medgemma-tutorials",
        "model": MODEL,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/in.jsonl"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://b/out"}},
        "dedicatedResources": {
            "machineSpec": {
                "machineType": "g2-standard-24",
                "acceleratorType": "NVIDIA_L4",
                "acceleratorCount": 2,
            },
            "startingReplicaCount": 2,
            "maxReplicaCount": 2,
        },
        "manualBatchTuningParameters": {"batchSize": 1},
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "projects/p/locations/l/endpoints/1"}, "not a model of the Model Registry"),
        ({"source": "in.jsonl"}, "not an address in a bucket"),
        ({"output": "gs://"}, "not an address in a bucket"),
        ({"replicas": 0}, "cannot be 0 replicas"),
        ({"machine_type": "a3-highgpu-8g"}, "price of a3-highgpu-8g"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict, said: str) -> None:
    given = {"model": MODEL, "source": "gs://b/in.jsonl", "output": "gs://b/out"} | change
    with pytest.raises(InputError, match=said):
        plan_batch(CLOUD, given.pop("model"), given.pop("source"), given.pop("output"), **given)
