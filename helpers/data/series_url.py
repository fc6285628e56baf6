"""The address of a series on a DICOMweb server (DICOM PS3.18)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from helpers.errors import InputError
from helpers.network import is_in_the_clear, without_secrets

DICOMWEB_TOKEN_VARIABLE = "DICOMWEB_TOKEN"
SERIES_URL_FORM = "https://HOST/.../studies/STUDY_UID/series/SERIES_UID"
_PATH = re.compile(r"(?P<root>.*)/studies/(?P<study>[0-9.]+)(?:/series/(?P<series>[0-9.]+))?")


class SeriesUrl(NamedTuple):
    """The parts of a series' address. ``series`` is empty if the address names a whole study."""

    root: str
    study: str
    series: str

    def __str__(self) -> str:
        return f"{self.root}/studies/{self.study}" + (f"/series/{self.series}" if self.series else "")


def parse_url(url: str) -> SeriesUrl:
    """Split the address of a series (or study) into its parts.

    Raises `InputError` for an address of another form; for http to another machine, because others on the network
    could read images and token; and for a password or query in the address, which would appear in messages.
    """
    try:
        parts = urlsplit(url)
        bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        match = _PATH.fullmatch(bare) if parts.hostname and parts.port != 0 and " " not in url else None
    except ValueError:  # e.g. open brackets, or a port that is not a number
        match = None
    if match is None or parts.scheme not in ("http", "https"):
        raise InputError(
            "This is not the address of a DICOMweb series.",
            path=without_secrets(url),
            remedy=f"Write the address as {SERIES_URL_FORM}.",
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(
            "The address holds a name, a password or a query.",
            path=bare,
            remedy=f"Give the address without them, and give the token with {DICOMWEB_TOKEN_VARIABLE} or token=.",
        )
    if is_in_the_clear(url):
        raise InputError(
            "With http, anyone on the network path can read the images and the token.",
            path=bare,
            remedy="Use https://.",
        )
    return SeriesUrl(match["root"], match["study"], match["series"] or "")
