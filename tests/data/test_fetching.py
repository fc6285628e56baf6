"""Images by name: every bundled file, what is refused, and downloads that are cut off."""

from __future__ import annotations

import http.server
import runpy
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import trustme
from pydicom.uid import JPEG2000Lossless

from helpers.data import fetch, fetching as data, manifest
from helpers.errors import InputError
from tests.data.conftest import CONTENT, as_file, download

BUNDLED = ["ct-head", "mri-t1", "mri-t1-head", "slide-he", "fundus", "chest-radiograph", "ihc-patch"]


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_image_is_there_and_is_the_one_of_the_manifest(name: str) -> None:
    path = fetch(name)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    assert [f.name for f in files] == [Path(f.path).name for f in manifest()[name].bundled]
    assert sum(f.stat().st_size for f in files) == manifest()[name].bytes


def test_head_ct_is_one_deidentified_lossless_series(head_ct: Path) -> None:
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in head_ct.iterdir()]
    assert len({ds.SOPInstanceUID for ds in slices}) == len({ds.InstanceNumber for ds in slices}) == 108
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({ds[keyword].value for ds in slices}) == 1
    for ds in slices:
        assert ds.file_meta.TransferSyntaxUID == JPEG2000Lossless
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert ds.ImagePositionPatient[2] == 1.5 * (ds.InstanceNumber - 1)  # from inferior to superior
        assert ds.PatientIdentityRemoved == "YES" and ds.RecognizableVisualFeatures == "NO"
        assert {item.CodeValue for item in ds.DeidentificationMethodCodeSequence} >= {"113100", "113102"}
        assert not any(e.value for e in ds.iterall() if e.VR in ("PN", "DA", "TM", "DT"))


def test_head_mri_has_no_face_and_no_ears_but_the_whole_brain() -> None:
    image = nibabel.load(fetch("mri-t1-head"))
    volume = np.asanyarray(image.dataobj)
    assert volume.shape == (181, 217, 181) and nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert b"/" not in image.header["db_name"].tobytes()  # the published header names a folder

    def around(x: int, y: int, z: int) -> np.ndarray:
        """Voxels up to 3 mm from a place in mm of MNI space."""
        i, j, k = nibabel.affines.apply_affine(np.linalg.inv(image.affine), (x, y, z)).round().astype(int)
        return volume[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4]

    removed = {"right eye": (32, 62, -38), "left eye": (-32, 62, -38), "nose": (0, 86, -65), "ear": (88, -30, -40)}
    kept = {"frontal pole": (-20, 62, 0), "gyrus rectus": (4, 40, -20), "temporal pole": (-40, 16, -28)}
    kept |= {"pons": (0, -24, -34), "forehead": (0, 83, 5)}
    assert not any(around(*place).any() for place in removed.values())
    assert all(np.median(around(*place)) > 40 for place in kept.values())
    script = runpy.run_path(str(Path(data.__file__).parents[2] / "data" / "make_brain_mri.py"))
    gone = script["removed"](volume.shape, image.affine)
    assert not volume[gone].any()
    assert script["brain_removed"](gone, image.affine) == 0


def test_a_changed_byte_a_missing_file_and_a_foreign_file_are_refused(sample: Callable[[str], Path]) -> None:
    source = sample(f"  bundled:\n    - {as_file('series/1.dcm')}\n    - {as_file('series/2.dcm')}\n")
    series = source.parent / "series"
    series.mkdir()
    for number in "12":
        (series / f"{number}.dcm").write_bytes(CONTENT)
    assert fetch("sample", manifest_file=source) == series

    (series / "3.dcm").write_bytes(CONTENT)
    with pytest.raises(InputError, match=r"3\.dcm: This file is not part of the series"):
        fetch("sample", manifest_file=source)
    (series / "3.dcm").unlink()
    (series / "2.dcm").write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(InputError, match=r"2\.dcm: .*SHA-256"):
        fetch("sample", manifest_file=source)
    (series / "2.dcm").unlink()
    with pytest.raises(InputError, match=r"2\.dcm: .*missing"):
        fetch("sample", manifest_file=source)


def test_an_own_path_is_returned_as_it_is(tmp_path: Path) -> None:
    assert fetch(tmp_path) == tmp_path
    assert fetch(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["ct-haed", "", "/no/such/folder"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError) as caught:
        fetch(name)
    assert all(known in str(caught.value) for known in BUNDLED)
    assert ("Did you mean ct-head" in str(caught.value)) == (name == "ct-haed")


def test_title_licence_and_citation_are_named_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_announced", set())
    fetch("fundus"), fetch("fundus")
    line = capsys.readouterr().out
    entry = manifest()["fundus"]
    assert line.count("\n") == 1
    assert all(words in line for words in (entry.title, entry.licence, entry.citation))


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT by https on this machine, and cuts the first ``cuts`` answers off half-way."""

    cuts = 0
    requests = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/file")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.server.requests <= self.server.cuts else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)  # the pauses between attempts
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Server(("localhost", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def test_a_download_that_is_cut_off_is_done_again(
    server: Server, sample: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.cuts = 1
    source = sample(download(f"{server.url}/file"))
    monkeypatch.setenv(data.CACHE_VARIABLE, str(tmp_path / "cache"))
    path = fetch("sample", manifest_file=source)
    assert path == tmp_path / "cache" / "sample.png" and path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert fetch("sample", manifest_file=source) == path and server.requests == 2  # the second time from the cache
    path.write_bytes(CONTENT[:100])
    assert fetch("sample", manifest_file=source).read_bytes() == CONTENT and server.requests == 3


@pytest.mark.parametrize(
    ("address", "content", "cuts", "says"),
    [
        ("/file", CONTENT, 99, "IncompleteRead"),
        ("/file", CONTENT[::-1], 0, "does not match the known hash"),
        ("/moved", CONTENT, 0, "which is not https"),
    ],
)
def test_a_download_that_fails_leaves_nothing_behind(
    server: Server,
    sample: Callable[[str], Path],
    tmp_path: Path,
    address: str,
    content: bytes,
    cuts: int,
    says: str,
) -> None:
    server.cuts = cuts
    source = sample(download(f"{server.url}{address}", content))
    with pytest.raises(InputError, match=f"sample: The download from .* failed .*{says}"):
        fetch("sample", tmp_path / "cache", source)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_a_download_is_one_error(
    server: Server, sample: Callable[[str], Path], tmp_path: Path
) -> None:
    server.server_close()
    with pytest.raises(InputError, match="Check the network"):
        fetch("sample", tmp_path / "cache", sample(download(f"{server.url}/file")))
