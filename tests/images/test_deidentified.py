"""Images leave this machine only when their files name nobody, or when somebody has said that they may."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage, UltrasoundImageStorage

from helpers.data import fetch, manifest, own_manifest
from helpers.endpoints import EndpointModel
from helpers.errors import InputError
from helpers.images import HashedFiles, check_may_leave, deidentified
from helpers.images.deidentified import identifying, may_show_text
from helpers.models import load_model
from helpers.prompts import image_messages
from tests.loopback import Quiet, listening

FAR = "https://models.example.org/v1"  # nothing is sent there
VOXELS = np.zeros((5, 8, 8))


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({}, []),
        ({"PatientName": "", "PatientID": "", "PatientBirthDate": ""}, []),
        ({"PatientName": "Doe^Jane", "PatientID": "7"}, ["PatientName", "PatientID"]),
        ({"PatientName": "P1", "PatientID": "P1", "PatientIdentityRemoved": "YES"}, []),
        ({"PatientIdentityRemoved": "YES", "PatientBirthDate": "19700101"}, ["PatientBirthDate"]),
        ({"PatientIdentityRemoved": "YES", "OtherPatientIDs": ["7", "8"]}, ["OtherPatientIDs"]),
        ({"PatientIdentityRemoved": "NO"}, ["PatientIdentityRemoved is NO"]),
        ({"PatientIdentityRemoved": "YES", "BurnedInAnnotation": "YES"}, ["BurnedInAnnotation is YES"]),
    ],
)
def test_what_identifies_a_patient(attributes: dict[str, object], found: list[str]) -> None:
    assert identifying(header(**attributes)) == found


def test_a_series_with_a_name_in_one_file_is_refused_without_the_name(write_series: Callable[..., Path]) -> None:
    names = {k: "Doe^Jane" if k == 3 else "" for k in range(5)}
    series = write_series(VOXELS, PatientName=names, PatientBirthDate="19700101")
    with pytest.raises(InputError) as caught:
        load_model(f"endpoint:{FAR}#m", sources=[series])
    text = str(caught.value)
    assert all(found in text for found in ("PatientName (1 of 5 files)", "PatientBirthDate (5 of 5", str(series)))
    assert "Doe" not in text and "1970" not in text


def test_another_file_in_a_public_ones_place_or_beside_it_is_checked_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for original in [own_manifest(), *Path(fetch("ct-head")).iterdir()]:
        copy = tmp_path / original.relative_to(own_manifest().parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, copy)
    monkeypatch.setattr(deidentified, "own_manifest", lambda: tmp_path / own_manifest().name)
    series = tmp_path / "data" / "ct_head"
    monkeypatch.setattr(deidentified, "identifying", lambda header: ["PatientName"])  # all but public files
    check_may_leave([series])
    first = sorted(series.iterdir())[0]
    kept = first.read_bytes()
    changed(first)
    with pytest.raises(InputError, match="may identify the patient"):
        check_may_leave([first])
    first.write_bytes(kept)
    check_may_leave([first, series])
    came(first)
    with pytest.raises(InputError, match="may identify the patient"):
        check_may_leave([series])


def test_files_of_the_manifest_may_leave_and_others_without_a_header_may_not(tmp_path: Path) -> None:
    check_may_leave([fetch(name) for name, entry in manifest().items() if entry.bundled])
    picture = tmp_path / "photograph.png"
    picture.write_bytes(fetch("fundus").read_bytes())
    with pytest.raises(InputError, match=r"photograph\.png: This is not a DICOM file.*may_leave"):
        check_may_leave([picture])
    with pytest.raises(InputError, match=r"address of a DICOMweb series.*may_leave"):
        check_may_leave(["https://dicom.example.org/viewer?image=1"])


def test_images_go_to_another_machine_only_after_a_statement(
    write_series: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, named = (write_series(VOXELS, folder=f, PatientID=i) for f, i in (("clean", ""), ("named", "7")))
    prompt = image_messages([Image.new("RGB", (4, 4))], "What?")
    sent = []
    answer = {"message": {"content": "ok"}, "usage": {}, "finish_reason": "stop", "logprobs": None}
    monkeypatch.setattr(EndpointModel, "_whole_answer", lambda self, body, wish: sent.append(self.name) or answer)
    with pytest.raises(InputError, match=r"nobody has said where they come from.*sources"):
        EndpointModel(FAR, "m", name="unsaid").generate(prompt)
    with pytest.raises(InputError, match="PatientID"):
        EndpointModel(FAR, "m", sources=[named])
    assert EndpointModel(FAR, "m", name="words").generate(image_messages([], "What?")).text == "ok"
    EndpointModel(FAR, "m", name="checked", sources=[clean]).generate(prompt)
    EndpointModel(FAR, "m", name="stated", sources=[named], may_leave="a phantom").generate(prompt)
    EndpointModel("http://127.0.0.1:9/v1", "m", name="here", sources=[named]).generate(prompt)
    assert sent == ["words", "checked", "stated", "here"]


@contextmanager
def telling(headers: list[Dataset], token: str = "") -> Iterator[str]:
    """The address of a series on a DICOMweb server that tells these headers, to whoever shows the token."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            wanted = f"Bearer {token}" if token else None
            found = [header.to_json_dict() for header in headers] if self.path.endswith("/metadata") else []
            content = json.dumps(found).encode()
            self.send_response(200 if self.headers.get("Authorization") == wanted else 401)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with listening(Handler) as url:
        yield f"{url}/studies/1.2/series/3.4"


def test_images_of_a_dicomweb_series_are_checked_by_the_headers_that_its_server_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DICOMWEB_TOKEN", "a-token\n")
    clean = [header(Modality="CT", PatientIdentityRemoved="YES", PatientID="P1") for _ in range(3)]
    with telling(clean, token="a-token") as url:
        chat = EndpointModel(FAR, "m", sources=[url])
        assert chat.sources[0].path == url
    named = [*clean, header(Modality="CT", PatientName="Doe^Jane", PatientBirthDate="19700101")]
    with telling(named, token="a-token") as url, pytest.raises(InputError) as caught:
        load_model(f"endpoint:{FAR}#m", sources=[url])
    told = str(caught.value)
    assert "PatientName (1 of 4 instances)" in told and "PatientBirthDate (1 of 4" in told and url in told
    assert "Doe" not in told and "1970" not in told
    with telling(clean, token="another") as url, pytest.raises(InputError, match="does not accept the token"):
        EndpointModel(FAR, "m", sources=[url])
    monkeypatch.setenv("DICOMWEB_TOKEN", "")
    with (
        telling(clean, token="another") as url,
        pytest.raises(InputError, match=r"cannot be checked.*Set DICOMWEB_TOKEN"),
    ):
        EndpointModel(FAR, "m", sources=[url])
    with telling([]) as url, pytest.raises(InputError, match="lists no instances"):
        EndpointModel(FAR, "m", sources=[url])
    with telling([header(Modality="US")]) as url, pytest.warns(UserWarning, match=r"kind \(US\).*drawn into"):
        EndpointModel(FAR, "m", sources=[url])


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"Modality": "CT"}, ""),
        ({"Modality": "US"}, "US"),
        ({"Modality": "us "}, "US"),
        ({"Modality": "SC", "BurnedInAnnotation": ""}, "SC"),
        ({"Modality": "XC"}, "XC"),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, ""),
        ({"Modality": "CT", "SOPClassUID": SecondaryCaptureImageStorage}, "Secondary Capture"),
        ({"Modality": "", "SOPClassUID": UltrasoundImageStorage}, "Ultrasound"),
        ({"Modality": "CT", "SOPClassUID": CTImageStorage}, ""),
        ({}, ""),
    ],
)
def test_images_that_often_have_words_drawn_into_them_are_known_by_their_kind(attributes: dict, kind: str) -> None:
    assert may_show_text(header(**attributes)) == kind


@pytest.mark.parametrize(("modality", "warned"), [("US", True), ("SC", True), ("XC", True), ("CT", False)])
def test_words_in_pixels_are_warned_of_before_images_go(
    write_series: Callable, modality: str, warned: bool
) -> None:
    series = write_series(VOXELS, Modality=modality, PatientID="")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_may_leave([series])
    of_text = [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    assert [f"({modality})" in text for text in of_text] == [True] * warned


def changed(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0\0")


def came(file: Path) -> None:
    shutil.copy(file, file.with_name("another.dcm"))


def vanished(file: Path) -> None:
    file.unlink()


def rewritten_with_its_times(file: Path) -> None:
    times, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", [changed, came, vanished, rewritten_with_its_times])
@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_is_another_than_the_one_that_was_checked_is_not_sent(
    write_series: Callable, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], whole: bool
) -> None:
    series = write_series(VOXELS, PatientID="")
    files = sorted(series.iterdir())
    if change is came and not whole:
        pytest.skip("a file that came is none of those that were named")
    answer = {"message": {"content": "ok"}, "usage": {}, "finish_reason": "stop", "logprobs": None}
    monkeypatch.setattr(EndpointModel, "_whole_answer", lambda *_: answer)
    chat = EndpointModel(FAR, "m", sources=[series] if whole else files)
    prompt = image_messages([Image.new("RGB", (4, 4))], "What?")
    assert chat.generate(prompt).text == "ok"
    os.utime(files[0])  # touched: the content is the same
    assert chat.generate(prompt).text == "ok"
    change(files[0])
    with pytest.raises(InputError, match=r"Not sent: the file (was changed after|came after|is gone)"):
        chat.generate(prompt)
    assert chat.generate(image_messages([], "Words alone")).text == "ok"


def test_a_file_that_changes_between_its_reading_and_its_check_is_not_sent(write_series: Callable) -> None:
    series = write_series(VOXELS, PatientID="")
    read = HashedFiles(series)  # when its images are read
    changed(sorted(series.iterdir())[0])
    with pytest.raises(InputError, match="was changed after it was read"):
        EndpointModel(FAR, "m", sources=[read])
