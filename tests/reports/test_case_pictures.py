"""Pictures of cases: the very images that were asked about, and a user's own only on request."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.prompts import image_messages, prompt_key
from helpers.reports.case_pictures import NOT_ASKED_FOR, NOT_THE_SAME, SIDE, case_picture
from helpers.teaching import generate
from tests.evaluation.made_answers import closed


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """The answer about a picture of one's own: left half black, right half red."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:, 0] = 255
    path = tmp_path / "own.png"
    Image.fromarray(pixels).save(path)
    prompt = prompt_key(image_messages([Image.fromarray(pixels)], "What is it?"))
    about = {"id": "own.png-1", "kind": "image", "path": str(path), "question": "What is it?", "prompt": prompt}
    return closed(0, "yes", "no") | about


def test_a_picture_of_ones_own_is_shown_only_on_request_and_is_the_one_that_was_asked_about(
    own: dict[str, Any],
) -> None:
    assert case_picture(own, own=False).data == "" and case_picture(own, own=False).caption == NOT_ASKED_FOR
    found = case_picture(own, own=True)
    assert found.square and not found.teaching
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.data.partition(",")[2]))))
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown[:, : SIDE // 2 - 8].mean() < 8 and shown[:, SIDE // 2 + 8 :, 0].mean() > 240


def test_what_has_changed_is_gone_or_broken_is_said_in_its_place(own: dict[str, Any]) -> None:
    path = Path(own["path"])
    whole = path.read_bytes()
    Image.new("RGB", (64, 64), "blue").save(path)
    assert case_picture(own, own=True).caption == NOT_THE_SAME
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in case_picture(own, own=True).caption
    path.unlink()
    gone = case_picture(own, own=True)
    assert "no longer exists" in gone.caption and str(path) not in gone.caption and not gone.data


def test_a_teaching_case_is_drawn_again_and_one_of_another_version_is_not() -> None:
    case = generate("box", 1, 2_000_000)[0]
    answer = closed(0, "yes", "no") | {"id": case.id, "kind": "box", "prompt": prompt_key(case.messages)}
    found = case_picture(answer, own=False)
    assert found.data.startswith("data:image/jpeg;base64,") and found.teaching and found.square
    assert case_picture(answer | {"prompt": "other"}, own=True).caption == NOT_THE_SAME
    assert case_picture(closed(0, "yes", "no"), own=True).data == ""
