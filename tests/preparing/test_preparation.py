"""Images prepared once: the pixels of the files, whole after any kill, and nothing bad is lost or let in."""

from __future__ import annotations

import io
import itertools
import json
import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread

from helpers.data import fetch, manifest
from helpers.errors import InputError
from helpers.evaluation import read_cases
from helpers.images import check_may_leave, read_image
from helpers.preparing import prepare, prepared_images, read_prepared
from helpers.preparing.shards import as_png
from helpers.prompts import image_messages, slide_messages, volume_messages
from helpers.slides import open_slide, read_patches, sample_patches
from helpers.volumes import ct_to_rgb, mri_to_rgb, read_volume, select_slices
from tests.preparing.conftest import VOXELS, contents, pictures


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of all bundled images, and what was prepared of it, 5 of each."""
    folder, output = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("prepared")
    shutil.copytree(fetch("ct-head"), folder / "patients" / "1" / "head")
    for name in ("mri-t1", "slide-he", "fundus", "chest-radiograph"):
        shutil.copy(fetch(name), folder)
    (folder / "notes.txt").write_text("none")
    summary = prepare(folder, output, modality="mri", limit=5)
    assert (summary.prepared, summary.made, summary.quarantined, summary.passed_over) == (5, 5, 0, 1)
    return folder, output


def test_prepared_pixels_are_those_of_the_files(bundled: tuple[Path, Path]) -> None:
    folder, output = bundled
    ct = read_volume(folder / "patients" / "1" / "head")
    mri = read_volume(folder / "mni_icbm152_t1.nii.gz", modality="MR")
    with open_slide(folder / "CMU-1-Small-Region.svs") as slide:
        patches = sample_patches(slide, limit=5)
        slide_images = list(read_patches(slide, patches))
    chosen = select_slices(ct.shape[0], 5)
    expected = {
        "patients/1/head": list(ct_to_rgb(ct, chosen)),
        "mni_icbm152_t1.nii.gz": list(mri_to_rgb(mri, select_slices(mri.shape[0], 5))),
        "CMU-1-Small-Region.svs": slide_images,
        "retina.jpg": [read_image(folder / "retina.jpg")],
        "chest_radiograph.dcm": [read_image(folder / "chest_radiograph.dcm")],
    }
    held = read_prepared(output)
    assert held.keys() == expected.keys()
    for path, images in expected.items():
        made = prepared_images(output, path)
        assert [image.mode for image in made] == ["RGB"] * len(images)
        for one, other in zip(made, images, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert [place["slice"] for place in held["patients/1/head"].places()] == chosen
    places = held["CMU-1-Small-Region.svs"].places()
    assert places == [{"x": p.x, "y": p.y, "size": p.size} for p in patches]
    images = held["patients/1/head"].images()
    assert volume_messages(images, "What?") == volume_messages(expected["patients/1/head"], "What?")
    assert slide_messages(held["CMU-1-Small-Region.svs"].images()) == slide_messages(slide_images)
    assert len(image_messages(held["retina.jpg"].images(), "What?")[0]["content"]) == 2


def test_provenance_says_which_files_and_how(bundled: tuple[Path, Path]) -> None:
    folder, output = bundled
    held = read_prepared(output)
    facts = held["patients/1/head"].provenance()
    assert len(facts["files"]) == 108 and facts["settings"]["limit"] == 5 and facts["kind"] == "ct"
    assert (
        facts["series_instance_uid"] == dcmread(folder / "patients" / "1" / "head" / "001.dcm").SeriesInstanceUID
    )
    listed = manifest()["fundus"].bundled[0]
    assert held["retina.jpg"].provenance()["files"] == [{"bytes": listed.bytes, "sha256": listed.sha256}]


@settings(deadline=None)  # the first picture also loads the encoder
@given(
    pixels=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    grey=st.booleans(),
)
def test_a_png_holds_exactly_the_pixels(pixels: np.ndarray, grey: bool) -> None:
    shown = np.repeat(pixels[..., :1], 3, axis=2) if grey else pixels
    for image in (shown, shown[::-1, ::2]):
        png = as_png(Image.fromarray(np.ascontiguousarray(image)), grey=grey)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")), image)


def test_nothing_of_the_patient_is_written(write_series, tmp_path: Path) -> None:
    who = {
        "PatientName": "Quux^Zebedee",
        "PatientID": "QUUXID77",
        "SeriesDescription": "QUUX AX",
        "PatientSex": "O",
    }
    series = write_series(VOXELS, folder="in/s1", PatientBirthDate="19010203", **who)
    exif, text = Image.Exif(), PngInfo()
    exif[0x013B] = "Quux"  # artist
    text.add_text("Title", "Quux")
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "p.jpg", exif=exif, comment="Quux")
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "p.png", pnginfo=text, exif=exif)
    for k, file in enumerate(sorted(series.iterdir())):
        file.rename(file.with_name(f"Quux_Zebedee.CT.{k:04d}.IMA"))  # as some scanners export
    prepare(tmp_path / "in", tmp_path / "out")
    facts = read_prepared(tmp_path / "out")["s1"].provenance()
    assert facts["identifying"] == ["PatientBirthDate", "PatientID", "PatientName"]
    written = b"".join(contents(tmp_path / "out").values()).lower()
    assert not [word for word in (b"quux", b"zebedee", b"19010203") if word in written]


def test_a_table_asks_about_what_was_prepared_when_the_files_are_elsewhere(write_series, tmp_path: Path) -> None:
    series = write_series(VOXELS, folder="in/s1", PatientID="QUUX")
    pictures(tmp_path / "in", 1)
    rows = [
        {"path": "s1", "modality": "ct", "condition": "oedema", "answer": "no"},
        {"path": "000.png", "modality": "image", "question": "What?", "answer": "Noise."},
    ]
    for folder in ("in", "elsewhere"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prepare(tmp_path / "in", tmp_path / "out")
    direct = read_cases(tmp_path / "in" / "t.jsonl")
    held = read_cases(tmp_path / "elsewhere" / "t.jsonl", tmp_path / "out")
    assert [case.messages for case in held] == [case.messages for case in direct]
    assert [case.id for case in held] == [case.id for case in direct]
    for case, words in zip(held, ("PatientID", "not prepared from a DICOM"), strict=True):
        with pytest.raises(InputError, match=words):
            check_may_leave([case.source])
    for file in series.iterdir():
        header = dcmread(file)
        del header.PatientID
        header.save_as(file)
    prepare(tmp_path / "in", tmp_path / "out")
    check_may_leave([read_prepared(tmp_path / "out")["s1"]])
    rows[0]["modality"], rows[1]["path"] = "mri", "001.png"
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=r"prepared as ct, not mri\n.*does not hold this path"):
        read_cases(tmp_path / "t.jsonl", tmp_path / "out")


def test_a_bucket_is_read_and_written_as_a_folder_is(write_series, tmp_path: Path) -> None:
    pictures(tmp_path / "in" / "2d", 2)
    write_series(VOXELS, folder="in/ct")
    bucket = fsspec.filesystem("memory")
    bucket.put(str(tmp_path / "in"), "/bucket-in", recursive=True)
    prepare(tmp_path / "in", tmp_path / "out")
    for source in (tmp_path / "in", "memory://bucket-in"):
        output = f"memory://out-{'b' if isinstance(source, str) else 'f'}"

        def stopped(function, items):
            for item in itertools.islice(items, 2):
                yield function(item)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(source, output, mapped=stopped)
        assert prepare(source, output).made in (1, 2)  # what was made and noted is not made again
        assert prepare(source, output).made == 0
        for path, part in read_prepared(tmp_path / "out").items():
            assert prepared_images(output, path) == part.images()
        assert not [name for name in bucket.find(output) if "partial" in name]
    bucket.pipe_file("/bucket-in/ct/0003.dcm", b"damaged")
    assert prepare("memory://bucket-in", "memory://out-b").quarantined == 2
    with pytest.raises(InputError, match="No file exists at this address"):
        prepare("memory://no-such", tmp_path / "none")
