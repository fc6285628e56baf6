"""A small HTTP server that stands where a model's server would, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeServer:
    """Answers a prompt with ``said: <its last words>``; ``fault(handler, number)`` may answer instead (True)."""

    def __init__(self) -> None:
        self.fault: Callable[[Handler, int], bool] = lambda handler, number: False
        self.pause = 0.0
        self.requests: list[dict[str, Any]] = []  # the bodies, in order
        self.headers: list[dict[str, str]] = []
        self.answered: list[str] = []  # last words of the prompts that got a whole answer
        self.most_at_once = self._now = 0
        self.models = [{"id": "fake", "object": "model", "created": 0, "owned_by": "me", "max_model_len": 9_000}]
        self.listing: Any = None  # sent in place of the list of models
        self.list_status = 200
        self.version = ""  # as vLLM tells it
        self._lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"fake": self}))
        self.http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    @contextmanager
    def one_more(self) -> Iterator[int]:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            number = len(self.requests)
        try:
            yield number
        finally:
            with self._lock:
                self._now -= 1


class Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/version":
            self.send(200 if self.fake.version else 404, {"version": self.fake.version})
            return
        listed = {"object": "list", "data": self.fake.models}
        self.send(self.fake.list_status, listed if self.fake.listing is None else self.fake.listing)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        with self.fake.one_more() as number:
            self.fake.requests.append(body)
            time.sleep(self.fake.pause)
            if self.fake.fault(self, number):
                return
            self.send(200, answer_to(body))
            self.fake.answered.append(words_of(body))

    def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.start(status, len(payload), headers)
        self.wfile.write(payload)

    def start(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        """Send status and headers alone."""
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": length,
            **(headers or {}),
        }.items():
            self.send_header(name, str(value))
        self.end_headers()

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def words_of(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"][-1]["text"]


def answer_to(body: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"said: {words_of(body)}. Final Answer: yes"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [choice],
        "usage": usage,
    }


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    fake = FakeServer()
    thread = threading.Thread(target=fake.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.http.shutdown()
        fake.http.server_close()
