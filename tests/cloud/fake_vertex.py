"""A server on loopback with the routes of the Vertex AI REST API that `helpers.cloud.model_garden` uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import Quiet, listening


class FakeVertex:
    """Endpoints and operations in memory. ``broken`` maps a verb or route part to the error it answers with."""

    def __init__(self) -> None:
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.broken: dict[str, int] = {}
        self.stubborn = False  # says that it deleted, and did not
        self.failing_operation = ""
        self.token = "planted-cloud-token"
        self.quota_projects: list[str | None] = []  # that requests were to be counted for
        self.args = ["--max-model-len=32768", "--limit_mm_per_prompt='image=16'", "--tensor-parallel-size=2"]

    def changes(self) -> list[tuple[str, str, Any]]:
        """Requests that were to change something."""
        return [request for request in self.requests if request[0] != "GET"]

    def operation(self, response: Any) -> dict[str, Any]:
        name = f"projects/p/locations/us-central1/operations/{len(self.operations) + 1}"
        done = {"name": name, "done": True, "response": response}
        if self.failing_operation:
            done = {"name": name, "done": True, "error": {"code": 8, "message": self.failing_operation}}
        self.operations[name] = {"looks": 2, "then": done}
        return {"name": name}

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        for part, status in self.broken.items():
            if part in f"{method} {path}":
                return status, {"error": {"code": status, "message": f"made to fail with {status}"}}
        if path in self.operations:
            operation = self.operations[path]
            operation["looks"] -= 1
            return 200, operation["then"] if operation["looks"] <= 0 else {"name": path}
        if path.startswith("publishers/"):
            machine = {"machineType": "g2-standard-24", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 2}
            option = {"dedicatedResources": {"machineSpec": machine}}
            option["containerSpec"] = {"imageUri": "docker.example/vllm:1", "args": self.args}
            return 200, {"name": path, "supportedActions": {"multiDeployVertex": {"multiDeployVertex": [option]}}}
        if path.endswith(":deploy"):
            name = f"{path.removesuffix(':deploy')}/endpoints/{100 + len(self.endpoints)}"
            config = body["endpointConfig"]
            self.endpoints[name] = {"name": name, "displayName": config["endpointDisplayName"]}
            self.endpoints[name] |= {"dedicatedEndpointDns": "100.us-central1-1.prediction.vertexai.goog"}
            self.endpoints[name]["deployedModels"] = [{"id": "77"}]
            return 200, self.operation({"endpoint": name})
        if path.endswith("/endpoints"):  # one a page
            listed = list(self.endpoints.values())
            k = int(query.partition("=")[2] or 0)
            more = {"nextPageToken": str(k + 1)} if k + 1 < len(listed) else {}
            return 200, {"endpoints": listed[k : k + 1], **more}
        name, _, verb = path.partition(":")
        if name not in self.endpoints:
            return 404, {"error": {"code": 404, "message": f"{name} is not found"}}
        if verb == "undeployModel":
            deployed = self.endpoints[name]["deployedModels"]
            deployed[:] = [model for model in deployed if model["id"] != body["deployedModelId"]]
            return 200, self.operation({})
        if method == "DELETE":
            if self.endpoints[name]["deployedModels"]:
                return 400, {"error": {"code": 400, "message": "models are deployed to it"}}
            if not self.stubborn:
                del self.endpoints[name]
            return 200, self.operation({})
        return 200, self.endpoints[name]


@contextmanager
def running() -> Iterator[tuple[FakeVertex, str]]:
    """A `FakeVertex` and its address."""
    fake = FakeVertex()

    class Handler(Quiet):
        def _any(self) -> None:
            path, _, query = re.sub(r"^/v1/", "", self.path).partition("?")
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            fake.requests.append((self.command, path, body))
            fake.quota_projects.append(self.headers.get("X-Goog-User-Project"))
            if self.headers.get("Authorization") == f"Bearer {fake.token}":
                status, content = fake.answer(self.command, path, query, body)
            else:
                status, content = 401, {"error": {"code": 401, "message": "no valid credentials"}}
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _any

    with listening(Handler) as url:
        yield fake, url
