"""Prompts whose images the server fetches by their addresses."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from helpers.cloud import image_dicom_request
from helpers.errors import InputError
from helpers.volumes import ct_to_rgb, find_dicom_files, read_volume
from tests.test_project import ROOT

SERIES = "https://healthcare.example.org/v1/dicomStores/s/dicomWeb/studies/1.2/series/3.4"


def test_a_volume_by_address_has_the_documented_form() -> None:
    instances = [f"{SERIES}/instances/5.{k}" for k in range(85)]
    with pytest.warns(UserWarning, match="135 to 215"):
        request = image_dicom_request(
            instances, "Is there a bleed?", instruction="A head CT.", token="planted-token"
        )
    assert request == {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "A head CT."},
                    {
                        "type": "image_dicom",
                        "image_dicom": {"dicom_source": instances, "access_credential": "planted-token"},
                    },
                    {"type": "text", "text": "Is there a bleed?"},
                ],
            }
        ],
        "max_tokens": 500,
        "temperature": 0,
    }
    assert "planted" in json.dumps(request) and "planted" not in repr(request)
    public = image_dicom_request(SERIES, "Which organ?", modality="MR")["messages"][0]["content"]
    assert public[0] == {"type": "image_dicom", "image_dicom": {"dicom_source": SERIES}}


def test_a_slide_by_address_has_the_documented_form() -> None:
    level = f"{SERIES}/instances/5.1"
    request = image_dicom_request(level, "Diagnosis?", patches=[(0, 0), (896, 1792)])
    assert request["messages"][0]["content"][0]["image_dicom"] == {
        "dicom_source": level,
        "patch_coordinates_list": [
            {"x_origin": 0, "y_origin": 0, "width": 896, "height": 896},
            {"x_origin": 896, "y_origin": 1792, "width": 896, "height": 896},
        ],
    }


@pytest.mark.parametrize(
    "sources, how, message",
    [
        ("http://healthcare.example.org/studies/1/series/2", {}, "not an https address"),
        ("https://me:planted-token@example.org/x/studies/1/series/2", {}, "not an https address"),
        (f"{SERIES}?access=planted-token", {}, "not an https address"),
        ([], {}, "no images"),
        ([SERIES, f"{SERIES}/instances/1"], {}, "is a series"),
        ([f"{SERIES}/instances/{k}" for k in range(86)], {}, "86 slices"),
        (SERIES, {"patches": [(0, 0)]}, "one DICOM instance"),
        (f"{SERIES}/instances/1", {"patches": []}, "0 patches"),
        (f"{SERIES}/instances/1", {"patches": [(k, 0) for k in range(127)]}, "127 patches"),
        (f"{SERIES}/instances/1", {"patches": [(-1, 0)]}, "outside"),
    ],
)
def test_a_request_that_the_server_would_refuse_is_refused_here(sources, how: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        image_dicom_request(sources, "Why?", **how)
    assert "planted" not in str(caught.value)


@pytest.fixture(scope="module")
def container() -> dict[str, Any]:
    """What the script of the report defines and computes; the report tells what it prints."""
    text = (ROOT / "docs" / "upstream" / "medgemma_ct_windows.md").read_text(encoding="utf-8")
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda *words: printed.append(" ".join(map(str, words)))}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    assert "\n".join(printed) == re.search(r"```text\n(.*?)\n```", text, re.DOTALL)[1]
    return {**names, "text": text}


def test_what_the_container_makes_of_single_values(container: dict[str, Any]) -> None:
    """By hand: 40 HU in 0 to 80 is 128; -100 in -1024 to 1024 is 115; 60 lies below 135 and 175 halfway to 215."""
    colours = container["ct_colours"](np.array([40, 60, 175, -100], np.int16), 1, 0)
    assert colours[:, 1].tolist() == [0, 0, 128, 0]
    assert colours[0, 2] == 128 and colours[3, 0] == 115
    unsigned = container["ct_colours"](np.array([0, 923, 1024], np.uint16), 1, -1024)
    assert unsigned.tolist() == [[255] * 3, [255] * 3, [128, 0, 0]]  # -1024 and -101 are white, water is not


def test_what_the_container_would_make_of_the_bundled_ct(container: dict[str, Any], head_ct: Path) -> None:
    volume = read_volume(head_ct, modality="CT")
    middle = volume.shape[0] // 2
    headers = [pydicom.dcmread(file) for file in find_dicom_files(head_ct)]
    header = sorted(headers, key=lambda header: header.ImagePositionPatient[2])[middle]
    stored = header.pixel_array
    assert stored.dtype == np.uint16
    theirs = container["ct_colours"](stored, float(header.RescaleSlope), float(header.RescaleIntercept))
    ours, hu = ct_to_rgb(volume, [middle])[0], stored.astype(int) - 1024
    brain, air = (hu > 20) & (hu < 50), hu < -900
    assert (theirs[air] == 255).all() and ours[air].max() < 20
    assert (theirs[brain][:, 1] == 0).all() and ours[brain][:, 1].mean() > 110
    assert np.array_equal(theirs[hu >= 0][:, [0, 2]], ours[hu >= 0][:, [0, 2]])  # from water on only green differs
    rows = {
        "white": [100 * (colours == 255).all(-1).mean() for colours in (ours, theirs)],
        "air": [colours[air].mean(0) for colours in (ours, theirs)],
        "brain": [colours[brain].mean(0) for colours in (ours, theirs)],
    }
    told = [f"| {' | '.join(f'{share:.1f} %' for share in rows['white'])} |"]
    told += [
        f"| {' | '.join(', '.join(f'{c:.0f}' for c in m) for m in rows[name])} |" for name in ("air", "brain")
    ]
    assert all(row in container["text"] for row in told), told
    assert f"{100 * (ours != theirs).any(-1).mean():.0f} % of its pixels" in container["text"]


@pytest.mark.parametrize(
    ("how", "warned"),
    [
        ({}, True),
        ({"modality": "CT"}, True),
        ({"modality": "ct "}, True),
        ({"modality": "MR"}, False),
        ({"modality": "DX"}, False),
        ({"patches": [(0, 0)]}, False),
    ],
)
def test_a_ct_by_address_warns_of_the_colours_of_the_container(how: dict, warned: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image_dicom_request(f"{SERIES}/instances/5.1", "Why?", **how)
    assert [("135 to 215" in str(one.message), Path(one.filename).name) for one in caught] == [
        (True, Path(__file__).name)
    ] * warned
