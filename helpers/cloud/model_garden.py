"""MedGemma 1.5 from Google Cloud's Model Garden: plan, deploy, find and call it, and delete everything that bills.

Routes: projects.locations.deploy, endpoints.list, endpoints.undeployModel and endpoints.delete of
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations/deploy and the pages beside it; the
address of a dedicated endpoint as in Google-Health/medgemma, notebooks/quick_start_with_model_garden.ipynb.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from helpers.cloud.vertex import Cloud, Gone
from helpers.errors import InputError
from helpers.prompts import IMAGE_TOKENS, MAX_PATCHES

MODEL = "publishers/google/models/medgemma@medgemma-1.5-4b-it"
DICOM_MODEL = f"{MODEL}-dicom"  # its container fetches DICOM images by itself, see helpers.cloud.dicom_requests
WRAPPER_TOKENS = 4  # around each image
TEXT_TOKENS = 1_024  # for the words of a prompt and the answer
CONTEXT = 40_960
# US dollars an hour in us-central1, from the price list in February 2026, never checked on a bill.
PRICES = {"g2-standard-24": 2.30}
PRICE_NOTE = "published list price of February 2026; check it at https://cloud.google.com/vertex-ai/pricing"
CONSOLE = "https://console.cloud.google.com/vertex-ai/online-prediction/endpoints"


@dataclass(frozen=True)
class Plan:
    """A deployment that is not made yet. ``str`` of it says what would be created and what that costs."""

    parent: str
    name: str
    model: str
    machine_type: str
    accelerator: str
    accelerators: int
    images: int
    context: int
    dollars_per_hour: float
    price_note: str
    terms_accepted: bool
    container: dict[str, Any] = field(repr=False)

    def request(self) -> dict[str, Any]:
        """Body of projects.locations.deploy: one replica, never more, behind its own address."""
        machine = {"machineType": self.machine_type}
        machine |= {"acceleratorType": self.accelerator, "acceleratorCount": self.accelerators}
        return {
            "publisherModelName": self.model,
            "modelConfig": {"acceptEula": self.terms_accepted, "containerSpec": self.container},
            "endpointConfig": {"endpointDisplayName": self.name, "dedicatedEndpointDisabled": False},
            "deployConfig": {
                "dedicatedResources": {"machineSpec": machine, "minReplicaCount": 1, "maxReplicaCount": 1}
            },
        }

    def __str__(self) -> str:
        return (
            f"Endpoint {self.name!r} in {self.parent}\n"
            f"  model    {self.model}\n"
            f"  machine  {self.machine_type} with {self.accelerators} x {self.accelerator}, one replica\n"
            f"  limits   {self.images} images a prompt, {self.context:,} tokens of context\n"
            f"  terms    Health AI Developer Foundations, {'' if self.terms_accepted else 'NOT '}accepted\n"
            f"  cost     {self.dollars_per_hour:.2f} US dollars an hour, {24 * self.dollars_per_hour:.0f} a day, "
            f"asked or not, until it is undeployed\n           ({self.price_note})"
        )


def plan_deployment(
    cloud: Cloud,
    *,
    name: str = "medgemma-tutorials",
    dicom: bool = False,
    machine_type: str = "g2-standard-24",
    accelerator: str = "NVIDIA_L4",
    accelerators: int = 2,
    images: int = MAX_PATCHES,
    context: int = CONTEXT,
    dollars_per_hour: float | None = None,
    accept_terms: bool = False,
) -> Plan:
    """Plan a deployment of MedGemma 1.5. This only reads; it creates nothing.

    This asks for Model Garden's own settings for the machine, and raises their limits of images and context,
    because they allow few images (16 when we looked). ``dicom`` plans the container that reads DICOMweb.

    Raises:
        InputError: fewer than 126 images, which a whole slide needs; a context that is too small for the images; a
            machine without settings in Model Garden; or a machine whose price this program does not know.
    """
    least = images * (IMAGE_TOKENS + WRAPPER_TOKENS) + TEXT_TOKENS
    if images < MAX_PATCHES:
        raise InputError(
            f"The limit is {images} images, but a slide's prompt has up to {MAX_PATCHES} images.",
            remedy="Raise it.",
        )
    if context < least:
        raise InputError(
            f"{images} images and their text need {least:,} tokens, but the context is {context:,}.",
            remedy="Raise it.",
        )
    price_note = "given by you"
    if dollars_per_hour is None:
        if cloud.region != "us-central1" or machine_type not in PRICES:
            raise InputError(
                f"This program does not know the price of {machine_type} in {cloud.region}.",
                remedy="Look up the price at https://cloud.google.com/vertex-ai/pricing, and give it as "
                "dollars_per_hour=.",
            )
        dollars_per_hour, price_note = PRICES[machine_type], PRICE_NOTE
    model = DICOM_MODEL if dicom else MODEL
    wanted = {"machineType": machine_type, "acceleratorType": accelerator, "acceleratorCount": accelerators}
    container = _settings(cloud.call("GET", model), wanted)
    args = with_argument(container.get("args", []), "--limit-mm-per-prompt", f"image={images}")
    container["args"] = with_argument(args, "--max-model-len", str(context))
    machine = (machine_type, accelerator, accelerators)
    cost = (dollars_per_hour, price_note)
    return Plan(cloud.parent, name, model, *machine, images, context, *cost, accept_terms, container)


def _settings(model: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The container of the published model's settings for a machine (publishers.models, supportedActions)."""
    actions = model.get("supportedActions", {})
    options = actions.get("multiDeployVertex", {}).get("multiDeployVertex", [])
    options = [*options, *([actions["deploy"]] if "deploy" in actions else [])]
    offered = []
    for option in options:
        spec = option.get("dedicatedResources", {}).get("machineSpec", {})
        if all(str(spec.get(key, "")) == str(value) for key, value in wanted.items()):
            if "containerSpec" in option:
                return copy.deepcopy(option["containerSpec"])
        elif spec:
            offered.append(
                f"{spec.get('machineType')} with {spec.get('acceleratorCount')} x {spec.get('acceleratorType')}"
            )
    raise InputError(
        f"Model Garden has no settings for {' '.join(str(v) for v in wanted.values())}.",
        path=str(model.get("name", MODEL)),
        remedy=f"Choose one of: {'; '.join(offered) or 'none is listed'}.",
    )


def with_argument(args: list[str], name: str, value: str) -> list[str]:
    """A container's arguments with one set to a value, in the spelling that is there (``_``, JSON, quotes)."""
    args = list(args)
    for k, arg in enumerate(args):
        flag, equals, old = arg.partition("=")
        if flag.replace("_", "-") != name:
            continue
        if not equals and k + 1 < len(args):
            args[k + 1] = _respelt(args[k + 1], value)
        else:
            args[k] = f"{flag}={_respelt(old, value)}"
        return args
    return [*args, f"{name}={value}"]


def _respelt(old: str, value: str) -> str:
    """``image=126`` as vLLM's newer versions want it ({"image": 126}) where the old value has that form."""
    key, _, number = value.partition("=")
    if number and "{" in old:
        return re.sub(rf'("{key}"\s*:\s*)\d+', rf"\g<1>{number}", old)
    if old[:1] in ("'", '"'):
        return f"{old[0]}{value}{old[0]}"
    return value


@dataclass(frozen=True)
class Endpoint:
    """An endpoint in the cloud: its resource name, its own host, and the models deployed behind it, which bill."""

    name: str
    display_name: str
    host: str
    deployed: tuple[str, ...]

    @property
    def openai_url(self) -> str:
        """Base URL for `helpers.endpoints.EndpointModel`, whose token is then `helpers.cloud.access_token`."""
        region = self.name.split("/")[3]
        return f"https://{self.host or f'{region}-aiplatform.googleapis.com'}/v1beta1/{self.name}"


def find_endpoint(cloud: Cloud, name: str = "medgemma-tutorials") -> Endpoint | None:
    """The endpoint with a display name; None without one. Raises `InputError` if there are several."""
    found = [
        _endpoint(e)
        for e in cloud.listed(f"{cloud.parent}/endpoints", "endpoints")
        if e.get("displayName") == name
    ]
    if len(found) > 1:
        raise InputError(
            f"{len(found)} endpoints have this name, and each may bill: {', '.join(e.name for e in found)}.",
            path=name,
            remedy=f"Delete all but one: {CONSOLE}?project={cloud.project}",
        )
    return found[0] if found else None


def _endpoint(found: dict[str, Any]) -> Endpoint:
    deployed = tuple(model["id"] for model in found.get("deployedModels", []))
    return Endpoint(found["name"], found.get("displayName", ""), found.get("dedicatedEndpointDns", ""), deployed)


def ask_on_screen(text: str) -> bool:
    """Show a text and ask for a typed "yes". Returns False if nobody can answer (an unattended run)."""
    try:
        return input(f"{text}\nCreate this and pay for it? Type yes: ").strip().lower() == "yes"
    except (EOFError, NotImplementedError, OSError):  # no terminal; a kernel without a user; a closed stdin
        return False


def deploy(
    cloud: Cloud, plan: Plan, confirm: Callable[[str], bool] = ask_on_screen, minutes: float = 60
) -> Endpoint:
    """Show the plan and its cost to ``confirm``; if it returns True, create the deployment and wait until it
    serves.

    Raises:
        InputError: the cost was not confirmed, the terms were not accepted, or an endpoint of this name exists, so
            nothing was created; or the deployment failed, and the error says what may bill now.
    """
    if not plan.terms_accepted:
        raise InputError(
            "You did not accept the model's terms, so nothing was created.",
            path=plan.name,
            remedy="Read https://developers.google.com/health-ai-developer-foundations/terms, then plan with "
            "accept_terms=True.",
        )
    if there := find_endpoint(cloud, plan.name):
        raise InputError(
            "An endpoint of this name exists already, so nothing was created.",
            path=there.name,
            remedy="Get it with find_endpoint.",
        )
    if confirm(str(plan)) is not True:
        raise InputError(
            "You did not confirm the cost, so nothing was created.",
            path=plan.name,
            remedy="Type yes to accept the cost.",
        )
    sent = None
    try:
        sent = cloud.call("POST", f"{plan.parent}:deploy", plan.request())
        name = cloud.wait(sent, minutes)["endpoint"]
        return _endpoint(cloud.call("GET", name))
    except BaseException as error:  # also for an interrupt, because the deployment goes on and bills
        raise _may_bill(cloud, plan, sent, error) from error


def _may_bill(cloud: Cloud, plan: Plan, sent: Any, error: BaseException) -> InputError:
    try:
        there = find_endpoint(cloud, plan.name)
        what = f"{there.name} exists and may bill" if there else "no endpoint of this name is listed yet"
    except InputError:
        what = "the program cannot find out now whether an endpoint exists"
    begun = f" The operation {sent['name']} may still go on." if sent and "name" in sent else ""
    return InputError(
        f"The deployment failed ({type(error).__name__}: {error}), and {what}, at "
        f"{plan.dollars_per_hour:.2f} US dollars an hour.{begun}",
        path=plan.name,
        remedy="Check with find_endpoint, and remove an endpoint with undeploy_and_delete. You can also do "
        f"both at {CONSOLE}?project={cloud.project}",
    )


def undeploy_and_delete(cloud: Cloud, endpoint: Endpoint, minutes: float = 30) -> None:
    """Undeploy all models of an endpoint, delete it, and check that it is gone. It may be gone already.

    The model's entry in the Model Registry stays; it costs nothing.

    Raises `InputError` that says what still bills and how to delete it by hand.
    """
    reason = "it still exists after its deletion"
    try:
        now = _endpoint(cloud.call("GET", endpoint.name))
        for model in now.deployed:
            with suppress(Gone):
                cloud.wait(cloud.call("POST", f"{now.name}:undeployModel", {"deployedModelId": model}), minutes)
        cloud.wait(cloud.call("DELETE", now.name), minutes)
    except Gone:
        pass
    except InputError as error:
        reason = str(error)
    except BaseException as error:  # also for an interrupt, because it still bills
        raise _still_bills(cloud, _left(cloud, endpoint) or endpoint, type(error).__name__) from error
    if left := _left(cloud, endpoint):
        raise _still_bills(cloud, left, reason)


def _left(cloud: Cloud, endpoint: Endpoint) -> Endpoint | None:
    """The endpoint as it is now; None if it is gone. Without an answer, the old state: it may still bill."""
    try:
        return _endpoint(cloud.call("GET", endpoint.name))
    except Gone:
        return None
    except InputError:
        return endpoint


def _still_bills(cloud: Cloud, left: Endpoint, reason: str) -> InputError:
    where = f"--region={cloud.region} --project={cloud.project}"
    number = left.name.rpartition("/")[2]
    steps = [f"gcloud ai endpoints undeploy-model {number} --deployed-model-id={m} {where}" for m in left.deployed]
    steps.append(f"gcloud ai endpoints delete {number} {where}")
    models = f"{len(left.deployed)} deployed model(s), WHICH BILL" if left.deployed else "no deployed model"
    lines = "\n  ".join(steps)
    return InputError(
        f"STILL THERE, with {models} ({reason}).",
        path=left.name,
        remedy=f"Try again, or delete it yourself with\n  {lines}\nor at {CONSOLE}?project={cloud.project}",
    )
