"""Images leave this machine only when their files name nobody, or when somebody has said that they may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset

from helpers.data import fetch, manifest
from helpers.endpoints import EndpointModel
from helpers.errors import InputError
from helpers.images import check_may_leave
from helpers.images.deidentified import identifying
from helpers.models import load_model
from helpers.prompts import image_messages

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


def test_files_of_the_manifest_may_leave_and_others_without_a_header_may_not(tmp_path: Path) -> None:
    check_may_leave([fetch(name) for name, entry in manifest().items() if entry.bundled])
    picture = tmp_path / "photograph.png"
    picture.write_bytes(fetch("fundus").read_bytes())
    with pytest.raises(InputError, match=r"photograph\.png: This is not a DICOM file.*may_leave"):
        check_may_leave([picture])
    with pytest.raises(InputError, match="at an address cannot be checked"):
        check_may_leave(["https://dicom.example.org/studies/1/series/2"])


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
