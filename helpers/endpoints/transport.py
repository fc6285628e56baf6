"""Open the HTTP client for a served model: its certificates, its proxy, and the headers that it leaves out."""

from __future__ import annotations

import openai

from helpers.endpoints.addresses import check_address, trusted_certificates
from helpers.errors import InputError
from helpers.network import is_loopback

# Headers in which the client would tell every server about this machine and its owner's account.
_UNTOLD = [f"X-Stainless-{name}" for name in ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Async")]
_UNTOLD += ["X-Stainless-Runtime-Version", "X-Stainless-Retry-Count", "X-Stainless-Read-Timeout"]
_UNTOLD += ["OpenAI-Organization", "OpenAI-Project"]


def open_client(url: str, timeout: float) -> openai.OpenAI:
    """A client of the server at ``url`` that asks once, and sends nothing to anybody else.

    Raises `InputError` for an address, certificates or a proxy of the environment that cannot be used.
    """
    host, verify = check_address(url), trusted_certificates()
    try:
        # A redirect would send the images to another place. Requests to this machine itself need no proxy.
        http = openai.DefaultHttpxClient(
            timeout=openai.Timeout(timeout, connect=min(10.0, timeout)),
            trust_env=not is_loopback(host),
            follow_redirects=False,
            verify=verify,
        )
    except Exception as error:  # the client's own errors for a proxy that it cannot use
        raise InputError(
            f"The proxy that the environment names cannot be used ({type(error).__name__}).",
            path=url,
            remedy="Write HTTPS_PROXY=http://HOST:PORT, or unset it and ALL_PROXY, or name the host in NO_PROXY.",
        ) from None
    return openai.OpenAI(base_url=url, api_key="-", max_retries=0, http_client=http)


def headers_with(token: str) -> dict[str, object]:
    """The headers of a request with a bearer token, or without one if it is empty."""
    return {
        **{name: openai.Omit() for name in _UNTOLD},
        "Authorization": f"Bearer {token}" if token else openai.Omit(),
    }
