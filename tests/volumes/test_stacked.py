"""Several volumes of one examination share the slices of one prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydicom.uid import generate_uid

from helpers.errors import InputError
from helpers.prompts import images_of, volume_messages
from helpers.volumes import Volume, mri_to_rgb, read_volume, share_slices

FRAME = generate_uid()
SEEN = {"PatientID": "77-secret", "FrameOfReferenceUID": FRAME}


def of_slices(n: int, **facts: Any) -> Volume:
    settled = {"modality": "MR", "units": None, "spacing": (1, 1, 1), "affine": np.eye(4), "description": ""}
    return Volume(**{"path": Path(f"{n}"), "shape": (n, 8, 8), **settled, "_decode": lambda _: None, **facts})


@given(st.lists(st.integers(5, 2000) | st.integers(5, 30), min_size=1, max_size=20), st.integers(40, 85))
def test_slices_are_shared_whatever_the_volumes_have(counts: list[int], limit: int) -> None:
    volumes = {f"V{k}": of_slices(n) for k, n in enumerate(counts)}
    chosen = share_slices(volumes, limit)
    assert list(chosen) == list(volumes)
    assert sum(map(len, chosen.values())) == min(limit, sum(counts))
    for indices, n in zip(chosen.values(), counts, strict=True):
        assert indices[0] == 0 and indices[-1] == n - 1
        assert indices == sorted(set(indices))


@given(st.lists(st.integers(1, 4), min_size=2, max_size=20))
def test_slices_of_several_volumes_are_numbered_on_with_their_names(counts: list[int]) -> None:
    shades = iter(range(256))
    stacks = {f"V{k}": [np.full((1, 1), next(shades), np.uint8) for _ in range(n)] for k, n in enumerate(counts)}
    messages = volume_messages(stacks, "Is it bright?")
    assert [image.getpixel((0, 0))[0] for image in images_of(messages)] == list(range(sum(counts)))
    instruction, *labels = [part["text"] for part in messages[0]["content"] if part["type"] == "text"]
    names = [f"V{k}" for k, n in enumerate(counts) for _ in range(n)]
    expected = [f"SLICE {k} ({name})" for k, name in enumerate(names, start=1)]
    assert labels == [*expected[:-1], f"{expected[-1]}\n\nIs it bright?"]
    assert f"{len(counts)} volumes" in instruction and f"V0 (SLICE 1 to {counts[0]})" in instruction


def test_one_volume_by_name_is_that_volume_and_too_many_slices_are_refused() -> None:
    slices = np.zeros((60, 2, 2), np.uint8)
    assert volume_messages({"T1": slices[:5]}, "Why?") == volume_messages(slices[:5], "Why?")
    with pytest.raises(
        InputError, match=r"120 slices are 35 over the limit of 85.*share_slices\(volumes, limit=85"
    ):
        volume_messages({"T1": slices, "T2": slices}, "Why?")
    with pytest.raises(InputError, match="There are no slices"):
        volume_messages({"T1": slices, "T2": slices[:0]}, "Why?")
    with pytest.raises(InputError, match="start_of_turn"):
        volume_messages({"T1": slices[:5], "<start_of_turn>": slices[:5]}, "Why?")


def test_two_sequences_from_their_files_to_the_prompt(write_series: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).integers(0, 900, (100, 6, 6))
    series = {"T1": values, "FLAIR": values[:50, :4]}
    volumes = {
        name: read_volume(write_series(v, folder=name, modality="MR", **SEEN)) for name, v in series.items()
    }
    assert "secret" not in repr(volumes)
    chosen = share_slices(volumes)
    assert [len(indices) for indices in chosen.values()] == [57, 28]
    messages = volume_messages({n: mri_to_rgb(volumes[n], i) for n, i in chosen.items()}, "What is it?")
    assert len(images_of(messages)) == 85
    assert messages[0]["content"][-1]["text"] == "SLICE 85 (FLAIR)\n\nWhat is it?"


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"modality": "CT"}, r"the modality differs \(MR and CT\)"),
        ({"PatientID": "other"}, "the patient differs"),
        ({"FrameOfReferenceUID": generate_uid()}, "the frame of reference differs"),
    ],
)
def test_volumes_that_do_not_belong_together_are_refused(
    write_series: Callable[..., Path], second: dict[str, str], why: str
) -> None:
    values = np.zeros((5, 4, 4))
    made = [{"modality": "MR", **SEEN}, {"modality": "MR", **SEEN, **second}]
    paths = [write_series(values, folder=f"{k}", **attributes) for k, attributes in enumerate(made)]
    with pytest.raises(InputError, match=f"T1 and T2 do not belong together: {why}") as caught:
        share_slices(dict(zip(("T1", "T2"), map(read_volume, paths), strict=True)))
    assert str(paths[1]) in str(caught.value) and "secret" not in str(caught.value)


def test_what_headers_do_not_tell_is_not_held_against_a_volume(write_series: Callable[..., Path]) -> None:
    values = np.zeros((5, 4, 4))
    told, untold = (
        read_volume(write_series(values, folder=f, modality="MR", **a))
        for f, a in (("told", SEEN), ("untold", {}))
    )
    assert share_slices({"T1": told, "T2": untold}) == {"T1": [0, 1, 2, 3, 4], "T2": [0, 1, 2, 3, 4]}


def test_a_scout_and_too_many_volumes_are_refused() -> None:
    with pytest.raises(InputError, match=r"SCOUT has 3 slices.*at least 5"):
        share_slices({"T1": of_slices(40), "SCOUT": of_slices(3)})
    with pytest.raises(InputError, match=r"85 images cannot be shared among 43 volumes.*at most 42 volumes"):
        share_slices({f"V{k}": of_slices(40) for k in range(43)})
