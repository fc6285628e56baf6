"""Read a series from a DICOMweb server: the headers of all slices, and the pixels of slices when they are needed.

The package dicomweb-client sends the requests (QIDO-RS and WADO-RS of DICOM PS3.18). The results are records of
`helpers.volumes.dicom_record`, so a series is checked and decoded in the same way as one in files.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urljoin, urlsplit

from pydicom import Dataset, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from helpers.data import DICOMWEB_TOKEN_VARIABLE, SERIES_URL_FORM, checked_token, parse_url, secret_token
from helpers.errors import InputError
from helpers.network import is_in_the_clear, is_loopback, retried
from helpers.storage import whole_file
from helpers.volumes.dicom_files import PassedOver, what_else
from helpers.volumes.dicom_record import HEADER_KEYWORDS, Slice, slices_of_header
from helpers.volumes.dicom_slices import without_localizers

TRIES = 4
TIMEOUT = (10, 60)  # seconds to connect, and seconds without data while reading
_PASSING = {429, 502, 503, 504}  # the server is busy or starting
_NATIVE = {
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
}
_UID = re.compile(r"[0-9.]{1,64}")


class RemoteSeries:
    """One series of a server. No request is sent before `slices` is called.

    Args:
        url: its address, see `parse_url`.
        token: bearer token; default: the value of the environment variable DICOMWEB_TOKEN, in Colab also of its
            secrets, or else no token.

    Downloaded instances are kept in a private temporary folder, which is removed with this object.

    Raises:
        InputError: from any method, with the address: dicomweb-client is not installed, or the server refuses the
            request, does not have the series, or cannot be reached.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = parse_url(url)
        given = token or secret_token(DICOMWEB_TOKEN_VARIABLE)
        self._token = checked_token(given, DICOMWEB_TOKEN_VARIABLE, str(self.url)) or None
        self._client = self._connect()
        self._folder = TemporaryDirectory(prefix="dicomweb-", ignore_cleanup_errors=True)
        self.passed_over: list[PassedOver] = []  # instances that are not slices; known after `slices`
        self._locks: dict[str, threading.Lock] = {}

    def _connect(self) -> Any:
        try:
            from dicomweb_client import DICOMwebClient
        except ImportError:
            raise InputError(
                "Reading a DICOMweb series needs the package dicomweb-client, which is not installed.",
                path=str(self.url),
                remedy='Run: pip install "medgemma-tutorials[dicomweb]" (or: pip install dicomweb-client).',
            ) from None
        import requests

        session = requests.Session()
        session.auth = self._authorise  # called for each request, so that no stored header holds the token
        session.hooks["response"].append(_refuse_insecure_redirect)
        # Requests to this machine itself use no proxy.
        session.trust_env = not is_loopback(urlsplit(self.url.root).hostname or "")
        client = DICOMwebClient(self.url.root, session=session, timeout=TIMEOUT)
        client.set_http_retry_params(retry=False)  # its own retry waits half a minute and raises another error
        return client

    def _authorise(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def headers(self) -> list[Dataset]:
        """The headers of all instances of the series, with all that the server sends except pixels."""
        return [_header(instance) for instance in self._metadata()]

    def _metadata(self) -> list[dict[str, Any]]:
        study, series = self.url.study, self.url.series
        if not series:
            raise InputError(
                f"This is the address of a study, not of a series.{self._listing()}",
                path=str(self.url),
                remedy=f"Give the address of one series: {SERIES_URL_FORM}.",
            )
        return self._ask(lambda: self._client.retrieve_series_metadata(study, series))

    def slices(self) -> list[Slice]:
        """The records of all slices of the series, from its metadata; no pixels are requested."""
        found = self._metadata()
        wanted = {f"{tag_for_keyword(keyword):08X}" for keyword in HEADER_KEYWORDS}
        passed: list[PassedOver] = []
        known: dict[tuple, dict[str, Any]] = {}
        records = []
        for instance in found:
            header = _header(instance, wanted)
            if other := what_else(header):
                passed.append(PassedOver(Path(str(header.get("SOPInstanceUID", ""))), other))
                continue
            uid = str(header.get("SOPInstanceUID", ""))
            if not _UID.fullmatch(uid):  # it becomes the name of a file
                raise InputError(
                    f"The server lists an instance with the invalid UID {uid!r}.",
                    path=str(self.url),
                    remedy="Tell the owner of the server.",
                )
            path = f"{self.url}/instances/{uid}"
            records += slices_of_header(path, header, known, whole=partial(_header, instance))
        if passed and not records:
            raise InputError(
                f"This is not a CT or MR series: {', '.join(sorted({one.what for one in passed}))}.",
                path=str(self.url),
                remedy="Give the address of a CT or MR series.",
            )
        if not records:
            raise InputError("The server lists no slices.", path=str(self.url), remedy="Check the address.")
        records, self.passed_over = without_localizers(records, passed)
        return records

    def file(self, record: Slice) -> Path:
        """The path of the DICOM file of a record's instance, which is downloaded and checked at the first call."""
        uid = str(record.path).rpartition("/")[2]
        path = Path(self._folder.name) / f"{uid}.dcm"
        with self._locks.setdefault(uid, threading.Lock()):
            if not path.exists():
                study, series = self.url.study, self.url.series
                ask = self._client.retrieve_instance
                dataset = self._ask(lambda: _whole(ask(study, series, uid), series, uid), str(record.path))
                # Pixels are read at their place in the file. In a deflated file, they have no place.
                if dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
                    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                with whole_file(path) as unfinished:
                    dcmwrite(unfinished, dataset, enforce_file_format=True)
        return path

    def _ask(self, call: Callable[[], Any], path: str = "") -> Any:
        """Send a request and return the answer; try again after a lost connection, a busy server or an incomplete
        answer.
        """
        import requests

        path = path or str(self.url)
        # Errors of a lost connection, or of an answer that is cut off.
        unreadable = (requests.RequestException, EOFError, IndexError, KeyError, ValueError)

        def may_pass(error: Exception) -> bool:
            if isinstance(error, requests.HTTPError):
                return error.response.status_code in _PASSING
            return isinstance(error, unreadable) and not isinstance(error, InputError)

        try:
            return retried(call, may_pass, attempts=TRIES, first_wait=0.5)
        except InputError:
            raise
        except requests.HTTPError as error:
            status = error.response.status_code
            problem = f"The server answered {status} ({error.response.reason})"
            if status not in _PASSING:
                problem, remedy = self._refusal(status, problem)
                raise InputError(problem, path=path, remedy=remedy) from None
        except unreadable as error:
            # The error's own text is not shown, because it may name proxies with their passwords.
            lost = isinstance(error, requests.ConnectionError | requests.Timeout)
            what = "The server cannot be reached" if lost else "The answer is not a complete DICOM"
            problem = f"{what} ({type(error).__name__})"
        raise InputError(
            f"{problem}, {TRIES} times in a row.",
            path=path,
            remedy="Check the network and that the server runs, then try again. No part of the series was kept.",
        ) from None

    def _refusal(self, status: int, problem: str) -> tuple[str, str]:
        """Problem and remedy for a status that another try would not change."""
        if status == 401 and not self._token:
            return (
                f"{problem}: the server asks for a token.",
                f"Set {DICOMWEB_TOKEN_VARIABLE}, or give read_volume(..., token=...).",
            )
        if status == 401:
            return (
                f"{problem}: the server does not accept the token.",
                "Get a new token. Tokens are often valid for one hour.",
            )
        if status == 403:
            return (
                f"{problem}: the owner of the token has no access to this series.",
                "Ask for access to this series.",
            )
        if status == 404:
            return f"{problem}: the series does not exist.{self._listing()}", "Check the UIDs and the address."
        return f"{problem}.", "Check the address, and check that the server offers WADO-RS at this address."

    def _listing(self) -> str:
        """The series of the study, by QIDO-RS, for messages; "" if the server does not answer this either."""
        try:
            found = self._client.search_for_series(self.url.study)
        except Exception:  # this only adds to an error that is raised already
            return ""
        lines = []
        for item in found[:20]:
            ds = Dataset.from_json(item)
            words = (ds.get("Modality"), ds.get("SeriesDescription"))
            lines.append(f"  {ds.get('SeriesInstanceUID')} {' '.join(str(w) for w in words if w)}")
        return "\nSeries of this study:\n" + "\n".join(lines) + "\n" if lines else ""


def _header(instance: dict[str, Any], wanted: Collection[str] | None = None) -> Dataset:
    """The ``wanted`` attributes of an instance's metadata; by default all that the server sent."""
    return Dataset.from_json(
        {
            tag: value
            for tag, value in instance.items()
            if (wanted is None or tag in wanted) and "BulkDataURI" not in value and not tag.startswith("7FE0")
        }
    )


def _whole(dataset: Dataset, series: str, uid: str) -> Dataset:
    """The instance, if it is the requested one with all pixels. Raises errors after which `_ask` tries again."""
    if (dataset.get("SeriesInstanceUID"), dataset.get("SOPInstanceUID")) != (series, uid):
        raise ValueError("it is not the instance that was asked for")
    if "PixelData" not in dataset:  # pydicom only warns of compressed pixels that are cut off, and leaves them out
        raise EOFError("it has no complete pixel data")
    native = dataset.file_meta.TransferSyntaxUID in _NATIVE
    if native and len(dataset.PixelData) < get_expected_length(dataset):
        raise EOFError("the pixel data is cut off")
    return dataset


def _refuse_insecure_redirect(response: Any, **_: Any) -> None:
    """Refuse a redirect to an address that is not https; requests calls this before it follows one."""
    target = urljoin(response.url, response.headers.get("location", ""))
    if response.is_redirect and is_in_the_clear(target):
        raise InputError(
            "The server redirects to an address that is not https.",
            path=urlsplit(response.url)._replace(query="").geturl(),
            remedy="Ask the owner of the server for the https address.",
        )
