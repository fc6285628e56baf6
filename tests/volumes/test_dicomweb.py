"""Series from a real DICOMweb server: the same volume as from files, no more downloaded than asked for, faults."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from helpers import network
from helpers.data import DICOMWEB_TOKEN_VARIABLE, fetch, parse_url
from helpers.errors import InputError
from helpers.volumes import ct_to_rgb, mri_to_rgb, read_volume, select_slices
from helpers.volumes.dicomweb import TRIES, RemoteSeries
from tests.loopback import Quiet, listening
from tests.volumes.orthanc import ABSENT, Gate, Orthanc, gate_to

TOKEN = "planted-token-0123456789"
STUDY = "https://pacs.example.org/dicom-web/studies/1.2.3"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DICOMWEB_TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(network.time, "sleep", lambda _: None)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if ABSENT:
        pytest.skip(ABSENT)
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def head_path(orthanc: Orthanc) -> str:
    return orthanc.upload(fetch("ct-head"))


@pytest.fixture
def gate(orthanc: Orthanc) -> Iterator[tuple[Gate, str]]:
    with gate_to(orthanc.port) as found:
        yield found


# --- without a server ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, expected",
    [
        ("http://pacs.example.org/dicom-web/studies/1.2/series/3.4", "https://"),
        ("https://me:planted-token-0123456789@pacs.example.org/studies/1.2/series/3.4", "password"),
        ("https://pacs.example.org/studies/1.2/series/3.4?token=planted-token-0123456789", "query"),
        ("https://pacs.example.org/viewer", "not the address"),
        ("ftp://pacs.example.org/studies/1.2/series/3.4", "not the address"),
        ("https://[bad/studies/1.2/series/3.4?token=planted-token-0123456789", "not the address"),
        ("https://pacs.example.org:port/studies/1.2/series/3.4?token=planted-token-0123456789", "not the address"),
    ],
)
def test_an_address_that_is_unsafe_or_something_else_is_refused(url: str, expected: str) -> None:
    for call in (parse_url, fetch, read_volume):
        with pytest.raises(InputError, match=expected) as caught:
            call(url)
        assert "planted" not in str(caught.value) and caught.value.remedy


def test_a_sign_in_the_path_of_an_address_changes_no_host() -> None:
    parsed = parse_url("https://pacs.example.org/a@other.example.org/studies/1.2/series/3.4")
    assert parsed.root == "https://pacs.example.org/a@other.example.org"


def test_the_token_comes_from_the_environment_or_from_colabs_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{STUDY}/series/4.5"

    class Asked:
        headers: dict[str, str]

    def sent(token: str | None = None) -> str:
        request = Asked()
        request.headers = {}
        return RemoteSeries(url, token)._authorise(request).headers.get("Authorization", "")

    assert sent() == ""
    colab = types.ModuleType("google.colab")
    colab.userdata = types.SimpleNamespace(get=lambda name: {DICOMWEB_TOKEN_VARIABLE: f"{TOKEN}\n"}[name])
    google = types.ModuleType("google")
    google.__path__ = []
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    assert sent() == f"Bearer {TOKEN}"
    assert sent("given") == "Bearer given"
    monkeypatch.setenv(DICOMWEB_TOKEN_VARIABLE, "planted\ntoken")
    with pytest.raises(InputError, match=r"on one line.*DICOMWEB_TOKEN") as caught:
        sent()
    assert "planted" not in str(caught.value)


def test_fetch_leaves_a_series_where_it_is() -> None:
    assert fetch(f"{STUDY}/series/4.5/") == f"{STUDY}/series/4.5"


def test_a_redirect_to_plain_http_is_not_followed() -> None:
    class Elsewhere(Quiet):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "http://pacs.example.org/studies/1.2/series/3.4/metadata")
            self.end_headers()

    with listening(Elsewhere) as url, pytest.raises(InputError, match="not https"):
        read_volume(f"{url}/studies/1.2/series/3.4")


# --- a real server ------------------------------------------------------------------------------------------


def test_the_volume_equals_the_one_from_files_and_only_its_slices_are_downloaded(
    head_ct: Path, head_path: str, gate: tuple[Gate, str]
) -> None:
    seen, url = gate
    local, remote = read_volume(head_ct), read_volume(fetch(url + head_path), modality="CT")
    assert not seen.asked(), "reading the headers asked for an instance"
    for name in ("modality", "units", "shape", "spacing", "description"):
        assert getattr(remote, name) == getattr(local, name)
    assert np.array_equal(remote.affine, local.affine)
    chosen = select_slices(remote.shape[0], 7)
    assert np.array_equal(ct_to_rgb(remote, chosen), ct_to_rgb(local, chosen))
    assert len(seen.asked()) == len(set(seen.asked())) == 7
    remote.slices(chosen)
    assert len(seen.asked()) == 7, "downloaded a second time"
    assert all(np.array_equal(a, b) for a, b in zip(remote.batches(), local.batches(), strict=True))
    assert len(seen.asked()) == 108


def test_mr_is_scaled_by_its_whole_volume_and_each_slice_comes_once(
    orthanc: Orthanc, gate: tuple[Gate, str], write_series
) -> None:
    seen, url = gate
    folder = write_series(
        np.random.default_rng(0).integers(0, 900, (6, 8, 8)), modality="MR", StudyInstanceUID="1.9"
    )
    remote = read_volume(url + orthanc.upload(folder), modality="MR")
    assert np.array_equal(mri_to_rgb(remote, [1, 4]), mri_to_rgb(read_volume(folder), [1, 4]))
    assert len(seen.asked()) == 6


def test_spoiled_series_give_the_errors_of_files(orthanc: Orthanc, write_series) -> None:
    def stored(folder: str, study: str, n: int = 8, gone: int | None = None, **attributes) -> str:
        path = write_series(np.zeros((n, 4, 4)), folder=folder, StudyInstanceUID=study, **attributes)
        if gone is not None:
            sorted(path.iterdir())[gone].unlink()
        return orthanc.url + orthanc.upload(path)

    twice = {k: [0, 0, 2.5 * (k % 4)] for k in range(8)}
    expected = {
        stored("gap", "1.11", gone=3): r"unevenly spaced: 5\.00 mm.*1 missing",
        stored("flat", "1.12", ImageOrientationPatient=[1, 0, 0, 0, 0, -1]): "same position",
        stored("mixed", "1.13", AcquisitionNumber={k: 1 + k // 4 for k in range(8)}, ImagePositionPatient=twice): (
            r"(?s)2 volumes.*only=.*AcquisitionNumber"
        ),
        stored("double", "1.14", ImagePositionPatient=twice): "same position",
        stored("mr", "1.15", modality="MR"): "The modality of this volume is MR, but CT was asked for",
    }
    for url, message in expected.items():
        with pytest.raises(InputError, match=message) as caught:
            read_volume(url, modality="CT")
        assert caught.value.path.startswith(url) and caught.value.remedy


def test_tokens_are_sent_and_shown_nowhere(
    head_path: str, gate: tuple[Gate, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen, url = gate
    seen.token = TOKEN
    caplog.set_level(logging.DEBUG)
    texts = []
    for token, message in ((None, "asks for a token"), ("planted-token-that-expired", "does not accept")):
        with pytest.raises(InputError, match=message) as caught:
            read_volume(url + head_path, token=token)
        texts += [str(caught.value), repr(caught.value)]
    monkeypatch.setenv(DICOMWEB_TOKEN_VARIABLE, TOKEN)
    remote = read_volume(url + head_path)
    remote.slices([3])
    assert f"Bearer {TOKEN}" in seen.tokens and len(seen.asked()) == 1
    series = RemoteSeries(url + head_path, TOKEN)
    texts += [repr(remote), str(series.url), repr(series), repr(series._client), caplog.text]
    assert caplog.text and not [text for text in texts if "planted" in text]


def test_faults_that_pass_are_overcome_and_the_volume_is_the_same(
    head_ct: Path, head_path: str, gate: tuple[Gate, str]
) -> None:
    seen, url = gate
    seen.faults = ["drop", 503, "cut"]
    remote = read_volume(url + head_path)
    seen.faults = ["cut", "drop", 429]
    assert np.array_equal(remote.slices([50, 51]), read_volume(head_ct).slices([50, 51]))
    assert not seen.faults


def test_a_cut_off_body_is_not_taken_for_a_whole_one(
    orthanc: Orthanc, gate: tuple[Gate, str], write_series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncompressed pixels, of which half an answer could pass for an image."""
    seen, url = gate
    values = np.random.default_rng(1).integers(0, 900, (5, 64, 64))
    path = orthanc.upload(write_series(values, StudyInstanceUID="1.16"))
    monkeypatch.setattr(
        "helpers.volumes.dicomweb.TemporaryDirectory", lambda **_: type("Here", (), {"name": str(tmp_path)})
    )
    remote = read_volume(url + path)
    seen.faults = ["cut"] * TRIES
    with pytest.raises(InputError, match=r"not a complete DICOM.*4 times") as caught:
        remote.slices([2])
    assert "/instances/" in caught.value.path and not list(tmp_path.glob("*.dcm"))
    assert np.array_equal(remote.slices([2])[0], values[2])
    (kept,) = tmp_path.glob("*.dcm")
    assert pydicom.dcmread(kept).SOPInstanceUID == kept.stem


def test_refusals_and_wrong_addresses_are_one_clear_error(head_path: str, gate: tuple[Gate, str]) -> None:
    seen, url = gate
    study, _, series = head_path.partition("/series/")
    with pytest.raises(InputError, match=rf"(?s)404.*Series of this study:\s+{series}.*CT.*Check"):
        read_volume(f"{url}{study}/series/1.2.3.4")
    with pytest.raises(InputError, match=rf"(?s)This is the address of a study.*{series}.*/series/SERIES_UID"):
        read_volume(url + study)
    with pytest.raises(InputError, match="the series does not exist"):
        read_volume(f"{url}/dicom-web/studies/1.2.3/series/1.2.3.4")
    with pytest.raises(InputError, match="404"):
        read_volume(url + head_path.replace("/dicom-web", "/elsewhere"))
    asked = len(seen.paths)
    for seen.status, expected in ((403, "has no access"), (500, "500")):
        with pytest.raises(InputError, match=expected):
            read_volume(url + head_path)
    assert len(seen.paths) == asked + 2, "a refusal was tried again"


def test_a_server_that_is_killed_between_headers_and_pixels(
    orthanc: Orthanc, tmp_path: Path, write_series
) -> None:
    server = Orthanc(tmp_path / "server")
    try:
        volume = read_volume(
            server.url + server.upload(write_series(np.zeros((5, 4, 4)), StudyInstanceUID="1.17"))
        )
    finally:
        server.stop()
    for call in (lambda: volume.slices([1]), lambda: read_volume(str(volume.path))):
        with pytest.raises(InputError, match=r"cannot be reached.*4 times in a row") as caught:
            call()
        assert str(volume.path) in caught.value.path
