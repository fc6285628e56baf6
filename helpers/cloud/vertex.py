"""Send the few requests of the Vertex AI REST API that a deployment needs, with a short-lived token.

This uses plain REST, because Google's SDK is large and pins other packages to versions that are too old for us.
Reference: https://cloud.google.com/vertex-ai/docs/reference/rest
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from helpers.endpoints import check_address
from helpers.errors import InputError
from helpers.network import is_loopback, retried

TRIES = 4  # tries of a request that only reads
_PASSING = (429, 500, 502, 503, 504)  # statuses that may pass
_LOOK_AGAIN = "Check the network, then look again."


class Secret(str):
    """A text that is sent as it is but shown as ``[token]``, also inside lists and dictionaries.

    ``quota_project`` is the project that a user's own sign-in is counted for, "" for a service account.
    """

    def __new__(cls, text: str, quota_project: str = "") -> Secret:
        """Make a secret from the token's text."""
        made = super().__new__(cls, text)
        made.quota_project = quota_project
        return made

    def __repr__(self) -> str:
        return "[token]"


def access_token() -> Secret:
    """A token of application-default credentials, valid for about an hour.

    Raises `InputError` if google-auth is missing, or nobody is signed in.
    """
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
    except ImportError:
        raise InputError(
            "Google Cloud's sign-in needs the package google-auth, which is not installed.",
            remedy='Run: pip install "medgemma-tutorials[vertex]".',
        ) from None
    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(Request())
    except GoogleAuthError as error:
        raise InputError(
            f"There are no usable application-default credentials ({type(error).__name__}).",
            remedy="Run: gcloud auth application-default login (in Colab: google.colab.auth.authenticate_user()).",
        ) from None
    return Secret(credentials.token, getattr(credentials, "quota_project_id", None) or "")


class Gone(InputError):
    """The resource does not exist (404)."""


class Unanswered(InputError):
    """The request may or may not have arrived."""


@dataclass(frozen=True)
class Cloud:
    """A project and region of Google Cloud.

    Args:
        project: the project's id.
        region: for example "us-central1".
        address: the address of the API; default: that of the region. Only a loopback address may use http.
        token: a function that gives a fresh token for each request.
        poll_seconds: the seconds between two requests for the state of an operation.
    """

    project: str
    region: str = "us-central1"
    address: str = ""
    token: Callable[[], str] = field(default=access_token, repr=False)
    poll_seconds: float = 10.0

    @property
    def parent(self) -> str:
        """Resource name of the location."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def root(self) -> str:
        """Address of the API."""
        return self.address or f"https://{self.region}-aiplatform.googleapis.com"

    def call(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Send one request to ``v1/path`` and give the JSON of the answer. Only reading is tried again.

        Raises `InputError` with the API's own message; `Gone` for 404; `Unanswered` where no answer came.
        """

        import requests

        reads = method == "GET"

        def ask() -> dict[str, Any]:
            try:
                answer = self._send(method, path, body, query)
                content = answer.json() if answer.content else {}
            except requests.RequestException as error:  # one of JSON that cannot be read, too
                problem = f"The API gave no readable answer ({type(error).__name__})."
                raise Unanswered(problem, path=path, remedy=_LOOK_AGAIN) from None
            if answer.status_code < 300:
                return content
            problem = f"The API answered {answer.status_code}: {_message(content)}"
            if answer.status_code == 404:
                raise Gone(problem, path=path, remedy="Check the name and the region.")
            if reads and answer.status_code in _PASSING:
                raise Unanswered(f"{problem}.", path=path, remedy=_LOOK_AGAIN)
            remedy = _REMEDIES.get(answer.status_code, "Correct the error that the API names, then try again.")
            raise InputError(problem, path=path, remedy=remedy)

        return retried(
            ask,
            lambda error: isinstance(error, Unanswered),
            attempts=TRIES if reads else 1,
            first_wait=min(self.poll_seconds, 1.0),
        )

    def _send(self, method: str, path: str, body: Any, query: dict[str, str]) -> Any:
        import requests

        host = check_address(self.root)
        with requests.Session() as session:
            session.trust_env = not is_loopback(host)
            # As auth, so that a .netrc cannot replace it; and no redirect takes it elsewhere.
            session.auth = self._authorise
            return session.request(
                method,
                f"{self.root}/v1/{path}",
                json=body,
                params=query,
                timeout=(10, 120),
                allow_redirects=False,
            )

    def wait(self, operation: dict[str, Any], minutes: float) -> dict[str, Any]:
        """The ``response`` of a long-running operation when done. Raises `InputError`: it failed, or is slow."""
        name, until = operation["name"], time.monotonic() + 60 * minutes
        while not operation.get("done"):
            if time.monotonic() > until:
                raise Unanswered(
                    f"The operation has not ended after {minutes:g} minutes.",
                    path=name,
                    remedy="Look again later.",
                )
            time.sleep(self.poll_seconds)
            operation = self.call("GET", name)
        if "error" in operation:
            raise InputError(
                f"The operation failed: {_message(operation)}",
                path=name,
                remedy="Correct the error that the API names, then try again.",
            )
        return operation.get("response", {})

    def listed(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """All items of a listing, page by page."""
        page = ""
        while True:
            answer = self.call("GET", path, **({"pageToken": page} if page else {}))
            yield from answer.get(key, [])
            page = answer.get("nextPageToken", "")
            if not page:
                return

    def _authorise(self, request: Any) -> Any:
        token = self.token()
        request.headers["Authorization"] = f"Bearer {token}"
        if quota_project := getattr(token, "quota_project", ""):  # as google-auth itself does
            request.headers["X-Goog-User-Project"] = quota_project
        return request


_REMEDIES = {
    401: "Sign in again: gcloud auth application-default login.",
    403: (
        "Enable the Vertex AI API for the project, and get the role Vertex AI Administrator in it. If the "
        "API asks for a quota project, run: gcloud auth application-default set-quota-project PROJECT."
    ),
    429: "Ask for more quota of this accelerator in this region, or choose another region.",
}


def _message(content: Any) -> str:
    error = content.get("error", {}) if isinstance(content, dict) else {}
    return str(error.get("message") or "no reason given") if isinstance(error, dict) else str(error)
