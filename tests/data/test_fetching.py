"""Images by name: every bundled file, what is refused, and downloads that are cut off."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import ssl
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
import trustme
from pydicom.uid import JPEG2000Lossless

from helpers.data import fetch, fetching as data, manifest
from helpers.errors import InputError

ROOT = Path(__file__).parents[2]
BUNDLED = ["ct-head", "mri-t1", "slide-he", "fundus", "chest-radiograph", "ihc-patch"]
CONTENT = bytes(range(256)) * 4000
ENTRY = """\
sample:
  kind: image-2d
  title: A sample
  source:
    url: https://example.org
    text: Written by a test.
  licence: CC0-1.0
  citation: none
  notes: none
"""


@pytest.fixture
def sample(tmp_path: Path) -> Callable[[str], Path]:
    """Write a manifest of one entry; how it is had is the argument."""

    def write(access: str) -> Path:
        path = tmp_path / "project" / "manifest.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(ENTRY + access)
        return path

    return write


def as_file(path: str, content: bytes = CONTENT) -> str:
    return f"{{path: {path}, bytes: {len(content)}, sha256: {hashlib.sha256(content).hexdigest()}}}"


# --- bundled ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_image_is_there_and_is_the_one_of_the_manifest(name: str) -> None:
    path = fetch(name)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    assert [f.name for f in files] == [Path(f.path).name for f in manifest()[name].bundled]
    assert sum(f.stat().st_size for f in files) == manifest()[name].bytes


def test_files_in_the_data_folder_are_all_in_the_manifest() -> None:
    listed = {file.path for entry in manifest().values() for file in entry.bundled or []}
    images = {p.relative_to(ROOT).as_posix() for p in (ROOT / "data").rglob("*") if p.is_file()}
    other = {p for p in images if p.startswith("data/LICENSES/") or p.endswith((".py", ".md", ".pyc"))}
    assert images - other == listed


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


def test_an_installed_package_finds_its_own_copy(tmp_path: Path) -> None:
    """As pyproject.toml lays it out: helpers/bundled/data_manifest.yaml and helpers/bundled/data/."""
    package = tmp_path / "site-packages" / "helpers"
    shutil.copytree(ROOT / "helpers", package, ignore=shutil.ignore_patterns("standin_weights", "__pycache__"))
    (package / "bundled" / "data").mkdir(parents=True)
    shutil.copy(ROOT / "data_manifest.yaml", package / "bundled")
    shutil.copy(ROOT / "data" / "retina.jpg", package / "bundled" / "data")
    code = "from helpers.data import fetch; print(fetch('fundus'))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=package.parent, capture_output=True, text=True, check=True
    )
    assert Path(run.stdout.splitlines()[-1]) == package / "bundled" / "data" / "retina.jpg"


# --- names --------------------------------------------------------------------------------------------------


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


# --- the manifest -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "line", "says"),
    [
        ("licence: CC0", "licens: CC0", 7, "field licens: There is no such field. Did you mean licence"),
        ("text: W", "txt: W", 6, "field source.txt: There is no such field. Did you mean text"),
        ("  bundled:", "  bundeled:", 10, "field bundeled: There is no such field. Did you mean bundled"),
        ("  citation: none\n", "", 1, "field citation: The field is missing"),
        ("image-2d", "image-3d", 2, "field kind: Input should be 'ct-series'"),
        ("url: https", "url: http", 5, "field source.url: The address must begin with https"),
        ("bytes: 1024000", "bytes: many", 11, "field bundled[0].bytes: Input should be a valid integer"),
        ("sha256: ", "sha256: f", 11, "field bundled[0].sha256: String should match"),
        ("path: a", "path: ../a", 11, "field bundled[0].path: The path must be relative"),
        ("notes: none", "notes: 1: 2", 9, "The manifest is not YAML: mapping values are not allowed here"),
        ("notes: none", "title: Again", 9, "title is there twice"),
        ("sample:", "- sample:", 1, "The whole: Input should be a valid dictionary"),
    ],
)
def test_a_slip_in_the_manifest_is_one_error_with_its_line(
    sample: Callable[[str], Path], right: str, wrong: str, line: int, says: str
) -> None:
    path = sample(f"  bundled:\n    - {as_file('a.png')}\n")
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        manifest(path)
    entry = "Entry sample, " * says.startswith("field")
    assert f"{path}:{line}: {entry}{says}" in str(caught.value)


def test_an_entry_is_had_in_exactly_one_way(sample: Callable[[str], Path]) -> None:
    download = as_file("a.png").replace("{", "{url: https://example.org/a.png, ")
    for access in ("", f"  bundled: [{as_file('a.png')}]\n  download: {download}\n"):
        with pytest.raises(InputError, match="Entry sample: An entry has exactly one of"):
            manifest(sample(access))


# --- downloads ----------------------------------------------------------------------------------------------


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


def download(url: str, content: bytes = CONTENT) -> str:
    return f"  download: {as_file('sample.png', content).replace('{', f'{{url: {url}, ')}\n"


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


# --- Imaging Data Commons -----------------------------------------------------------------------------------


def test_every_idc_series_is_in_the_index_as_the_manifest_says() -> None:
    import duckdb
    import idc_index_data

    series = [entry.idc for entry in manifest().values() if entry.idc]
    assert {s.modality for s in series} >= {"CT", "MR", "SM"}
    rows = duckdb.execute(
        "SELECT SeriesInstanceUID, collection_id, Modality, crdc_series_uuid, instanceCount, "
        "CAST(round(series_size_MB * 1e6) AS BIGINT), license_short_name FROM read_parquet(?) "
        "WHERE SeriesInstanceUID IN (SELECT unnest(?))",
        [str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH), [s.series_instance_uid for s in series]],
    ).fetchall()
    assert {row[:-1] for row in rows} == {
        (s.series_instance_uid, s.collection, s.modality, s.crdc_series_uuid, s.instances, s.bytes) for s in series
    }
    licences = {row[0]: row[-1].replace(" ", "-") for row in rows}
    assert all(licences[e.idc.series_instance_uid] == e.licence for e in manifest().values() if e.idc)


@pytest.fixture
def idc_entry(sample: Callable[[str], Path], head_ct: Path) -> Path:
    """A manifest whose entry is the head CT, as if Imaging Data Commons had it."""
    files = list(head_ct.iterdir())
    return sample(
        "  idc:\n"
        f"    series_instance_uid: {pydicom.dcmread(files[0]).SeriesInstanceUID}\n"
        "    crdc_series_uuid: 00000000-1111\n"
        "    collection: none\n    modality: CT\n    index_version: '0'\n"
        f"    instances: {len(files)}\n    bytes: {sum(f.stat().st_size for f in files)}\n"
    )


class Client:
    """Stands for idc_index.IDCClient, which needs a network: copies the first ``whole`` files of the head CT."""

    whole = 108
    version = "00000000-1111"

    @classmethod
    def client(cls) -> Client:
        return cls()

    def sql_query(self, _: str) -> dict[str, list[str]]:
        return {"crdc_series_uuid": [self.version]}

    def download_from_selection(self, downloadDir: str, **_: object) -> None:
        for path in sorted(fetch("ct-head").iterdir())[: self.whole]:
            shutil.copy(path, downloadDir)


def test_an_idc_series_is_taken_only_when_it_is_whole(
    idc_entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = type("Client", (Client,), {"whole": 50})
    monkeypatch.setitem(sys.modules, "idc_index", types.SimpleNamespace(IDCClient=client))
    folder = tmp_path / "idc" / "00000000-1111"
    with pytest.raises(InputError, match=r"holds 50 files .* the series has 108"):
        fetch("sample", tmp_path, idc_entry)
    assert not folder.exists()
    client.whole = 108
    assert fetch("sample", tmp_path, idc_entry) == folder
    assert list(folder.parent.iterdir()) == [folder]

    monkeypatch.setitem(sys.modules, "idc_index", None)  # not installed: the cache does
    assert fetch("sample", tmp_path, idc_entry) == folder
    victim = next(folder.iterdir())
    victim.write_bytes(bytes(victim.stat().st_size))
    with pytest.raises(InputError, match="This file is not of series"):
        fetch("sample", tmp_path, idc_entry)


def test_an_idc_series_needs_idc_index_and_its_own_version(
    idc_entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "idc_index", None)
    with pytest.raises(InputError, match="pip install"):
        fetch("sample", tmp_path, idc_entry)
    newer = type("Client", (Client,), {"version": "22222222-3333"})
    monkeypatch.setitem(sys.modules, "idc_index", types.SimpleNamespace(IDCClient=newer))
    with pytest.raises(InputError, match="does not list version 00000000-1111"):
        fetch("sample", tmp_path, idc_entry)
