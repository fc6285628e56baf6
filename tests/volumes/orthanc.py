"""A real DICOM server for tests: Orthanc with its DICOMweb plugin on loopback, and a way to it that misbehaves."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.loopback import Quiet, free_port, listening

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ABSENT = None if shutil.which("Orthanc") and PLUGIN.exists() else "Orthanc or its DICOMweb plugin is not installed"


class Orthanc:
    """A server with its own folder; ``url`` is that of its REST interface."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "index"),
            "HttpPort": self.port,
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        config = folder / "orthanc.json"
        config.write_text(json.dumps(settings))
        self.log = (folder / "log.txt").open("w")
        self.process = subprocess.Popen(["Orthanc", str(config)], stdout=self.log, stderr=self.log)
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                requests.get(f"{self.url}/system", timeout=5).raise_for_status()
                return
            except requests.RequestException:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"Orthanc did not start: {(folder / 'log.txt').read_text()[-2000:]}")

    def upload(self, folder: Path) -> str:
        """Store the DICOM files of a folder; the path of their series below a DICOMweb server's address."""
        for file in sorted(folder.glob("*.dcm")):
            stored = requests.post(f"{self.url}/instances", data=file.read_bytes(), timeout=60)
            stored.raise_for_status()
        series = requests.get(f"{self.url}/series/{stored.json()['ParentSeries']}", timeout=60).json()
        study = requests.get(f"{self.url}/studies/{series['ParentStudy']}", timeout=60).json()
        uids = study["MainDicomTags"]["StudyInstanceUID"], series["MainDicomTags"]["SeriesInstanceUID"]
        return "/dicom-web/studies/{}/series/{}".format(*uids)

    def stop(self) -> None:
        """Kill the server at once."""
        self.process.kill()
        self.process.wait()
        self.log.close()


class Gate:
    """Passes requests on to a server, notes them, and fails as told.

    ``token``: what a request must carry. ``faults``: for the next requests, one each: a status, "drop" (the
    connection is closed without an answer) or "cut" (it is closed in the middle of the body).
    """

    def __init__(self, port: int) -> None:
        self.target, self.token, self.status = port, "", 0
        self.faults: list[int | str] = []
        self.paths: list[str] = []
        self.tokens: set[str] = set()
        self.lock = threading.Lock()

    def asked(self, ending: str = "/instances/") -> list[str]:
        """Paths asked for that are of single instances (or hold another text)."""
        return [path for path in self.paths if ending in path]


@contextmanager
def gate_to(port: int) -> Iterator[tuple[Gate, str]]:
    """A `Gate` to a loopback port, and its address."""
    gate = Gate(port)

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with gate.lock:
                gate.paths.append(self.path)
                gate.tokens.add(self.headers.get("Authorization", ""))
                fault = gate.faults.pop(0) if gate.faults else 0
            if gate.token and self.headers.get("Authorization") != f"Bearer {gate.token}":
                fault = 401
            fault = gate.status or fault
            self.close_connection = True
            if fault == "drop":
                return
            if isinstance(fault, int) and fault:
                self.send_error(fault)
                return
            onward = http.client.HTTPConnection("127.0.0.1", gate.target, timeout=60)
            onward.request("GET", self.path, headers={"Accept": self.headers.get("Accept", "*/*")})
            answer = onward.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            if fault != "cut":  # without a length, the client cannot tell from HTTP alone
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

    with listening(Handler) as url:
        yield gate, url
