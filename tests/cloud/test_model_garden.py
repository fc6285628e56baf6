"""Deploying, finding and deleting on a stand-in of the cloud's API; requests that name images by their address."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from helpers.cloud import Cloud, access_token, deploy, find_endpoint, plan_deployment, undeploy_and_delete
from helpers.cloud.model_garden import DICOM_MODEL, MODEL, Plan, ask_on_screen, with_argument
from helpers.cloud.vertex import Secret
from helpers.errors import InputError
from tests.cloud.fake_vertex import FakeVertex, running


@pytest.fixture
def site() -> Iterator[tuple[FakeVertex, Cloud]]:
    with running() as (fake, address):
        yield fake, Cloud("p", address=address, token=lambda: Secret(fake.token), poll_seconds=0.001)


def planned(cloud: Cloud) -> Plan:
    return plan_deployment(cloud, accept_terms=True)


def yes(_: str) -> bool:
    return True


def test_a_plan_creates_nothing_and_says_what_would_be_and_what_it_costs(site) -> None:
    fake, cloud = site
    text = str(planned(cloud))
    for words in (
        "g2-standard-24 with 2 x NVIDIA_L4",
        "126 images",
        "2.30 US dollars an hour",
        "check it",
        "accepted",
    ):
        assert words in text
    assert not fake.changes() and "planted" not in text + repr(cloud)


def test_a_users_own_sign_in_names_its_quota_project(site) -> None:
    fake, cloud = site
    planned(cloud)
    assert set(fake.quota_projects) == {None}
    fake.quota_projects.clear()
    planned(replace(cloud, token=lambda: Secret(fake.token, quota_project="mine")))
    assert set(fake.quota_projects) == {"mine"}


def test_the_request_has_the_documented_form_and_the_limits_raised(site) -> None:
    cloud = site[1]
    assert planned(cloud).request() == {
        "publisherModelName": MODEL,
        "modelConfig": {
            "acceptEula": True,
            "containerSpec": {
                "imageUri": "docker.example/vllm:1",
                "args": ["--max-model-len=40960", "--limit_mm_per_prompt='image=126'", "--tensor-parallel-size=2"],
            },
        },
        "endpointConfig": {"endpointDisplayName": "medgemma-tutorials", "dedicatedEndpointDisabled": False},
        "deployConfig": {
            "dedicatedResources": {
                "machineSpec": {
                    "machineType": "g2-standard-24",
                    "acceleratorType": "NVIDIA_L4",
                    "acceleratorCount": 2,
                },
                "minReplicaCount": 1,
                "maxReplicaCount": 1,
            }
        },
    }
    assert plan_deployment(cloud, dicom=True).request()["publisherModelName"] == DICOM_MODEL


@pytest.mark.parametrize(
    "args, expected",
    [
        (["--a"], ["--a", "--limit-mm-per-prompt=image=126"]),
        (["--limit-mm-per-prompt", "image=16"], ["--limit-mm-per-prompt", "image=126"]),
        (
            ['--limit_mm_per_prompt={"image": 16, "video": 0}'],
            ['--limit_mm_per_prompt={"image": 126, "video": 0}'],
        ),
    ],
)
def test_an_argument_keeps_the_spelling_that_it_has(args: list[str], expected: list[str]) -> None:
    assert with_argument(args, "--limit-mm-per-prompt", "image=126") == expected


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": 16}, "up to 126 images"),
        ({"context": 32_768}, "need 33,784 tokens"),
        ({"machine_type": "a3-highgpu-1g"}, "price"),
        (
            {"machine_type": "a3-highgpu-1g", "dollars_per_hour": 9.0},
            "no settings.*g2-standard-24 with 2 x NVIDIA_L4",
        ),
    ],
)
def test_a_plan_that_would_not_do_is_refused(site, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan_deployment(site[1], **change)
    assert caught.value.remedy


def test_nothing_is_created_without_confirmation_or_accepted_terms(site, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, cloud = site
    shown = []
    unattended = {"confirm": ask_on_screen}  # pytest gives no terminal
    for plan, how in (
        (planned(cloud), {"confirm": lambda text: shown.append(text)}),
        (planned(cloud), unattended),
        (plan_deployment(cloud), {"confirm": yes}),
    ):
        with pytest.raises(InputError, match="nothing was created"):
            deploy(cloud, plan, **how)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(InputError, match="nothing was created"):
        deploy(cloud, planned(cloud))
    assert "dollars an hour" in shown[0] and not fake.changes()


def test_from_deployment_to_nothing_left(site) -> None:
    fake, cloud = site
    fake.endpoints["x"] = {"name": "x", "displayName": "somebody else's", "deployedModels": [{"id": "1"}]}
    made = deploy(cloud, planned(cloud), yes)
    assert find_endpoint(cloud) == made and made.deployed == ("77",)
    assert made.openai_url == f"https://{made.host}/v1beta1/projects/p/locations/us-central1/endpoints/101"
    with pytest.raises(InputError, match="exists already, so nothing was created"):
        deploy(cloud, planned(cloud), yes)
    undeploy_and_delete(cloud, made)
    assert list(fake.endpoints) == ["x"] and find_endpoint(cloud) is None
    assert [(m, p.rpartition("/")[2]) for m, p, _ in fake.changes()] == [
        ("POST", "us-central1:deploy"),
        ("POST", "101:undeployModel"),
        ("DELETE", "101"),
    ]
    undeploy_and_delete(cloud, made)  # gone already


def test_two_endpoints_of_one_name_are_told(site) -> None:
    fake, cloud = site
    for name in "ab":
        fake.endpoints[name] = {"name": name, "displayName": "medgemma-tutorials"}
    with pytest.raises(InputError, match=r"2 endpoints.*each may bill: a, b"):
        find_endpoint(cloud)


@pytest.mark.parametrize("trouble", ["undeployModel", "DELETE", "operation", "stubborn", "no answer"])
def test_a_deletion_that_fails_says_what_still_bills_and_how_to_delete_it(site, trouble: str) -> None:
    fake, cloud = site
    made = deploy(cloud, planned(cloud), yes)
    if trouble == "operation":
        fake.failing_operation = "internal error"
    elif trouble == "stubborn":
        fake.stubborn = True
    elif trouble == "no answer":
        cloud = replace(cloud, address="http://127.0.0.1:9")
    else:
        fake.broken[trouble] = 403
    with pytest.raises(InputError, match="STILL THERE") as caught:
        undeploy_and_delete(cloud, made)
    text = str(caught.value)
    assert "gcloud ai endpoints delete 100 --region=us-central1 --project=p" in text and "console" in text
    if trouble in ("undeployModel", "no answer"):
        assert "1 deployed model(s), WHICH BILL" in text and "undeploy-model 100 --deployed-model-id=77" in text


def test_a_deployment_that_fails_or_is_interrupted_says_what_may_bill(site) -> None:
    fake, cloud = site
    fake.failing_operation = "no capacity for NVIDIA_L4"
    with pytest.raises(InputError, match=r"no capacity.*endpoints/100 exists and may bill, at 2\.30") as caught:
        deploy(cloud, planned(cloud), yes)
    assert "undeploy_and_delete" in caught.value.remedy
    fake.endpoints.clear()
    fake.broken["operations"] = 403
    with pytest.raises(InputError, match=r"may bill.*operations/2 may still go on"):
        deploy(cloud, planned(cloud), yes)
    fake.endpoints.clear()
    fake.broken = {":deploy": 429}
    with pytest.raises(InputError, match=r"429.*no endpoint of this name"):
        deploy(cloud, planned(cloud), yes)
    assert len([p for _, p, _ in fake.changes() if p.endswith(":deploy")]) == 3, "a deployment was sent twice"


def test_refusals_of_the_api_are_clear_and_show_no_token(site) -> None:
    fake, cloud = site
    expired = replace(cloud, token=lambda: Secret("planted-old-token"))
    with pytest.raises(InputError, match=r"401.*gcloud auth") as caught:
        find_endpoint(expired)
    assert "planted" not in str(caught.value) + repr(expired) + repr([cloud.token()])
    fake.broken["endpoints"] = 403
    with pytest.raises(InputError, match=r"403.*Enable the Vertex AI API"):
        find_endpoint(cloud)
    with pytest.raises(InputError, match="https"):
        find_endpoint(replace(cloud, address="http://us-central1-aiplatform.example.org"))


def test_sign_in_is_explained_where_it_is_missing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(InputError, match="gcloud auth application-default login"):
        access_token()
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(InputError, match="vertex"):
        access_token()
