"""Prompts whose images the server fetches by their addresses."""

from __future__ import annotations

import json

import pytest

from helpers.cloud import image_dicom_request
from helpers.errors import InputError

SERIES = "https://healthcare.example.org/v1/dicomStores/s/dicomWeb/studies/1.2/series/3.4"


def test_a_volume_by_address_has_the_documented_form() -> None:
    instances = [f"{SERIES}/instances/5.{k}" for k in range(85)]
    request = image_dicom_request(instances, "Is there a bleed?", instruction="A head CT.", token="planted-token")
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
    public = image_dicom_request(SERIES, "Which organ?")["messages"][0]["content"]
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
