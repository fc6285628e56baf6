"""Write a file of prompts for a batch job of Vertex AI, which bills while it computes, and plan the job.

This file creates nothing on the cloud. Each line of the request file is an instance in the form of Model Garden's
vLLM container (``@requestFormat``: ``chatCompletions``); the job has the form of
projects.locations.batchPredictionJobs of
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.cloud.model_garden import PRICE_NOTE, PRICES
from helpers.cloud.vertex import Cloud
from helpers.endpoints import wire_messages
from helpers.errors import InputError, check_count
from helpers.images import HEADERS_REMEDY, ImageSource, check_all_unchanged, check_may_leave
from helpers.prompts import MAX_NEW_TOKENS, Message, check_max_new_tokens, images_of
from helpers.storage import whole_file

# The limit of a request to a dedicated endpoint; the container gets each line as one request.
LINE_BYTES = 10_000_000
_MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/[^/]+")


@dataclass(frozen=True)
class BatchPlan:
    """A batch job that is not made yet. ``str`` of it says what would be created and what an hour of it costs."""

    parent: str
    name: str
    model: str
    source: str
    output: str
    machine_type: str
    accelerator: str
    accelerators: int
    replicas: int
    dollars_per_hour: float
    price_note: str

    def request(self) -> dict[str, Any]:
        """Body of POST v1/{parent}/batchPredictionJobs."""
        machine = {"machineType": self.machine_type}
        machine |= {"acceleratorType": self.accelerator, "acceleratorCount": self.accelerators}
        return {
            "displayName": self.name,
            "model": self.model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [self.source]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": self.output}},
            "dedicatedResources": {
                "machineSpec": machine,
                "startingReplicaCount": self.replicas,
                "maxReplicaCount": self.replicas,
            },
            # One prompt in each request. With the default of 64, prompts of 85 images would make a request of over
            # a gigabyte.
            "manualBatchTuningParameters": {"batchSize": 1},
        }

    def __str__(self) -> str:
        return (
            f"Batch job {self.name!r} in {self.parent}\n"
            f"  model    {self.model}, of your Model Registry\n"
            f"  input    {self.source}\n"
            f"  output   {self.output}\n"
            f"  machine  {self.machine_type} with {self.accelerators} x {self.accelerator}, "
            f"{self.replicas} replica(s)\n"
            f"  cost     {self.replicas * self.dollars_per_hour:.2f} US dollars for each hour that it runs, "
            f"its start included\n           ({self.price_note})"
        )


def write_batch(
    path: str | os.PathLike[str],
    prompts: Iterable[Sequence[Message]],
    *,
    max_tokens: int = MAX_NEW_TOKENS,
    image_format: str = "png",
    sources: Sequence[ImageSource] | None = None,
    may_leave: str = "",
) -> int:
    """Write a JSON Lines file with one prompt a line, to be copied into a bucket; greedy. Returns how many.

    Args:
        path: the file, which is written completely or not at all.
        prompts: as for a model's `generate`.
        max_tokens: the most tokens of an answer.
        image_format: "png" or "webp", which lose nothing, or "jpeg".
        sources: files and folders that the images come from, whose headers are checked; or
        may_leave: why the images may go to a bucket.

    Raises:
        InputError: there are no prompts, neither ``sources`` nor ``may_leave`` is given, a file names a patient or
            changes meanwhile, or a prompt is larger than the limit of a line.
    """
    check_max_new_tokens(max_tokens)
    if sources and not may_leave:
        sources = check_may_leave(sources)
    n = 0
    with whole_file(path) as unfinished, Path(unfinished).open("w", encoding="utf-8") as stream:
        for messages in prompts:
            if images_of(messages) and not (sources or may_leave):
                raise InputError(
                    "Not written: nobody has said where these images come from, and a bucket is another machine.",
                    path=path,
                    remedy=f"Name their files: write_batch(..., sources=[...]). {HEADERS_REMEDY}",
                )
            instance = {"@requestFormat": "chatCompletions", "messages": wire_messages(messages, image_format)}
            line = json.dumps({**instance, "max_tokens": max_tokens, "temperature": 0}, ensure_ascii=False)
            if (size := len(line.encode())) > LINE_BYTES:
                raise InputError(
                    f"Prompt {n + 1} has {size / 1e6:.2f} MB; a line may have {LINE_BYTES / 1e6:.2f} MB.",
                    path=path,
                    remedy='Use image_format="webp", which loses nothing, then "jpeg", or fewer images.',
                )
            stream.write(f"{line}\n")
            n += 1
        if not n:
            raise InputError("There are no prompts.", path=path, remedy="Give one or more.")
        check_all_unchanged(sources or (), {})  # their images were read while the file was written
    return n


def plan_batch(
    cloud: Cloud,
    model: str,
    source: str,
    output: str,
    *,
    name: str = "medgemma-tutorials",
    machine_type: str = "g2-standard-24",
    accelerator: str = "NVIDIA_L4",
    accelerators: int = 2,
    replicas: int = 1,
    dollars_per_hour: float | None = None,
) -> BatchPlan:
    """Plan a batch job. This sends no request and creates nothing.

    Args:
        cloud: project and region.
        model: resource name in your Model Registry, ``projects/P/locations/L/models/ID``.
        source: ``gs://`` address of the file that `write_batch` wrote.
        output: ``gs://`` folder for the answers.
        name: the name of the job.
        machine_type: the type of machine of each replica.
        accelerator: the kind of accelerator.
        accelerators: the number of accelerators in one machine.
        replicas: the number of machines that work at the same time.
        dollars_per_hour: the price of one machine, if this package does not know it.

    Raises:
        InputError: the model or an address has another form, there are no replicas, or the price is not known.
    """
    if not _MODEL.fullmatch(model):
        raise InputError(
            "This is not a model of the Model Registry.",
            path=model,
            remedy="Give projects/PROJECT/locations/REGION/models/ID: a batch job asks a model, not an endpoint.",
        )
    for address in (source, output):
        if not re.fullmatch(r"gs://[a-z0-9._-]+/\S+", address):
            raise InputError("This is not an address in a bucket.", path=address, remedy="Write gs://BUCKET/PATH.")
    check_count(replicas, f"There cannot be {replicas!r} replicas.", path=name, remedy="Use 1 or more.")
    note = "given by you"
    if dollars_per_hour is None:
        if cloud.region != "us-central1" or machine_type not in PRICES:
            raise InputError(
                f"The price of {machine_type} in {cloud.region} is not noted here.",
                remedy="Look it up at https://cloud.google.com/vertex-ai/pricing and give dollars_per_hour=.",
            )
        dollars_per_hour, note = PRICES[machine_type], PRICE_NOTE
    machine = (machine_type, accelerator, accelerators, replicas)
    return BatchPlan(cloud.parent, name, model, source, output, *machine, dollars_per_hour, note)
