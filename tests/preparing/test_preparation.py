"""Images prepared once: the pixels of the files, whole after any kill, and nothing bad is lost or let in."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import fsspec
import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread

from helpers.cli import main
from helpers.data import fetch, manifest
from helpers.errors import InputError
from helpers.evaluation import read_cases
from helpers.images import check_may_leave, read_image
from helpers.preparing import prepare, prepared_images, read_prepared
from helpers.preparing.sources import Root, find_sources
from helpers.prompts import image_messages, slide_messages, volume_messages
from helpers.slides import open_slide, read_patches, sample_patches
from helpers.volumes import ct_to_rgb, mri_to_rgb, read_volume, select_slices

ROOT = Path(__file__).parents[2]
VOXELS = np.random.default_rng(0).integers(-100, 900, (6, 16, 16))


def contents(output: Path) -> dict[str, bytes]:
    """Every file of an output."""
    files = (path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def quarantined(output: Path) -> dict[str, str]:
    lines = (output / "_quarantine.jsonl").read_text().splitlines()
    return {entry["path"]: entry["reason"] for entry in map(json.loads, lines)}


def pictures(folder: Path, n: int, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, values in enumerate(np.random.default_rng(seed).integers(0, 256, (n, 24, 32, 3), np.uint8)):
        Image.fromarray(values).save(folder / f"{k:03d}.png")
    return folder


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
    for case, words in zip(held, ("PatientID", "no DICOM file"), strict=True):
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
    with pytest.raises(InputError, match=r"prepared as ct, not mri\n.*not among"):
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
    with pytest.raises(InputError, match="nothing at this address"):
        prepare("memory://no-such", tmp_path / "none")


KILLED = """
import sys
from helpers.preparing.sources import Root
from helpers.preparing import prepare
from helpers.parallel import in_processes
prepare(sys.argv[1], sys.argv[2], mapped=in_processes(2) if sys.argv[3:] else map)
"""


def mixed(write_series, tmp_path: Path) -> Path:
    """Two CT series, an MR series, eight pictures, one bad picture and one bad series."""
    for k in range(2):
        write_series(np.tile(VOXELS, (2, 8, 8)), folder=f"in/ct{k}")
    write_series(VOXELS, folder="in/mr", modality="MR")
    bad = write_series(VOXELS, folder="in/bad")
    (bad / "0002.dcm").write_bytes((bad / "0002.dcm").read_bytes()[:-20])
    pictures(tmp_path / "in" / "2d", 8)
    (tmp_path / "in" / "2d" / "009.png").write_bytes(b"\x89PNG no picture")
    return tmp_path / "in"


def test_a_run_killed_at_any_moment_ends_as_one_that_was_not(write_series, tmp_path: Path) -> None:
    folder, output = mixed(write_series, tmp_path), tmp_path / "killed"
    summary = prepare(folder, tmp_path / "whole")
    assert (summary.prepared, summary.quarantined) == (11, 2)
    rng, kills = random.Random(0), 0
    for attempt in range(4):
        run = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(output), *["processes"] * (attempt % 2)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        wanted = attempt * 3  # shards, so that each kill strikes later in the work
        while run.poll() is None and len(list(output.glob("*.parquet"))) < wanted:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
        if run.returncode == -signal.SIGKILL and (output / "_prepared.json").exists():
            with pytest.raises(InputError, match="not whole yet"):
                read_prepared(output)
    assert kills >= 2
    assert prepare(folder, output).prepared == 11
    assert contents(output) == contents(tmp_path / "whole")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=st.lists(st.integers(0, 6), max_size=4), order=st.randoms(use_true_random=False))
def test_where_a_run_is_stopped_and_the_order_of_work_leave_no_trace(tmp_path_factory, stops, order) -> None:
    """The law: files of an output depend on the sources alone."""
    folder = tmp_path_factory.getbasetemp() / "law"
    if not folder.exists():
        pictures(folder, 5)
        (folder / "bad.png").write_text("none")
    output, plain = tmp_path_factory.mktemp("law-out"), tmp_path_factory.mktemp("law-plain")

    def shuffled(function, items, stop=None):
        items = list(items)
        order.shuffle(items)
        for k, item in enumerate(items):
            if k == stop:
                raise KeyboardInterrupt
            yield function(item)

    for stop in stops:
        try:
            prepare(folder, output, mapped=lambda function, items, stop=stop: shuffled(function, items, stop))
        except KeyboardInterrupt:
            continue
    prepare(folder, output, mapped=shuffled)
    prepare(folder, plain)
    assert contents(output) == contents(plain)


def test_what_is_corrupt_is_quarantined_and_the_others_go_on(write_series, tmp_path: Path, capsys) -> None:
    folder, output = mixed(write_series, tmp_path), tmp_path / "out"
    slide = (fetch("slide-he").read_bytes())[:4000]
    (folder / "cut.svs").write_bytes(slide)
    (folder / "empty.nii.gz").touch()
    gap = write_series(VOXELS, folder="in/gap")
    (gap / "0003.dcm").unlink()
    header = write_series(VOXELS, folder="in/header")  # the outermost slice: no gap would show
    (header / "0005.dcm").write_bytes((header / "0005.dcm").read_bytes()[:200])
    zeros = write_series(VOXELS, folder="in/zeros")
    (zeros / "0000.dcm").write_bytes(bytes(900))
    (folder / "elsewhere").symlink_to(tmp_path)
    assert main(["prepare", str(folder), "--output", str(output)]) == 0
    assert "11 prepared" in capsys.readouterr().out
    reasons = quarantined(output)
    expected = {
        "bad": "cut off",
        "2d/009.png": "image",
        "cut.svs": "slide",
        "empty.nii.gz": "CT or MR",
        "gap": "unevenly spaced",
        "header": "0005.dcm is damaged",
        "header/0005.dcm": "",
        "zeros": "0000.dcm is damaged",
        "zeros/0000.dcm": "not a DICOM file",
        "elsewhere": "link",
    }
    assert reasons.keys() == expected.keys()
    assert all(words in reasons[path] for path, words in expected.items()), reasons
    assert not [reason for reason in reasons.values() if str(tmp_path) in reason]
    assert len(read_prepared(output)) == 11


def test_quarantine_is_tried_again_when_its_files_change_or_when_asked(tmp_path: Path, monkeypatch) -> None:
    folder, output = pictures(tmp_path / "in", 3), tmp_path / "out"
    good = (folder / "001.png").read_bytes()
    (folder / "001.png").write_bytes(b"none")
    tried = []

    def counted(function, items):
        for item in items:
            tried.append(item.path)
            yield function(item)

    for again, expected in ((False, ["000.png", "001.png", "002.png"]), (False, []), (True, ["001.png"])):
        tried.clear()
        assert prepare(folder, output, retry=again, mapped=counted).quarantined == 1
        assert tried == expected
    (folder / "001.png").write_bytes(good)
    summary = prepare(folder, output)
    assert (summary.made, summary.prepared, summary.quarantined) == (1, 3, 0)
    assert quarantined(output) == {}
    (folder / "bad.png").write_bytes(b"none")
    assert prepare(folder, output).quarantined == 1
    (folder / "bad.png").unlink()
    assert prepare(folder, output).quarantined == 0


def test_a_changed_source_is_made_anew_and_one_that_is_gone_is_kept(tmp_path: Path) -> None:
    folder, output = pictures(tmp_path / "in", 3), tmp_path / "out"
    prepare(folder, output)
    pictures(folder, 1, seed=5)  # another 000.png
    (folder / "002.png").unlink()
    summary = prepare(folder, output)
    assert (summary.made, summary.prepared, summary.gone) == (1, 3, 1)
    assert len(list(output.glob("*.parquet"))) == 3
    assert prepared_images(output, "000.png")[0] == read_image(folder / "000.png")
    (output / read_prepared(output)["001.png"].shard).unlink()
    assert prepare(folder, output).made == 1  # a shard that was lost is missed


def test_series_of_one_folder_are_told_apart_by_their_uid(write_series, tmp_path: Path) -> None:
    one, other = (write_series(VOXELS + k, folder=f"in/{k}") for k in (0, 50))
    for file in other.iterdir():
        file.rename(one / f"other-{file.name}")
    prepare(tmp_path / "in", tmp_path / "out")
    uids = [dcmread(one / name).SeriesInstanceUID for name in ("0000.dcm", "other-0000.dcm")]
    held = read_prepared(tmp_path / "out")
    assert held.keys() == {f"0#{uid}" for uid in uids}
    assert held[f"0#{uids[0]}"].images() != held[f"0#{uids[1]}"].images()


def test_a_series_in_two_folders_is_whole_in_neither(write_series, tmp_path: Path) -> None:
    one = write_series(np.tile(VOXELS, (2, 1, 1)), folder="in/one")
    other = tmp_path / "in" / "two"
    other.mkdir()
    for file in sorted(one.iterdir())[6:]:
        file.rename(other / file.name)
    write_series(VOXELS, folder="in/three")
    output = tmp_path / "out"
    assert prepare(tmp_path / "in", output).prepared == 1
    assert {path: "too" in reason for path, reason in quarantined(output).items()} == {"one": True, "two": True}
    for file in other.iterdir():
        file.rename(one / file.name)
    other.rmdir()
    prepare(tmp_path / "in", output)
    assert len(prepared_images(output, "one")) == 12
    one.rename(tmp_path / "in" / "moved")
    assert prepare(tmp_path / "in", output).prepared == 2
    assert read_prepared(output).keys() == {"moved", "three"}


def test_an_output_of_other_settings_or_another_folder_is_refused(tmp_path: Path) -> None:
    folder, output = pictures(tmp_path / "in", 1), tmp_path / "out"
    prepare(folder, output)
    before = contents(output)
    with pytest.raises(InputError, match="limit None, not 9") as caught:
        prepare(folder, output, limit=9)
    assert "another output" in caught.value.remedy
    with pytest.raises(InputError, match="folder that is prepared"):
        prepare(folder, folder)
    with pytest.raises(InputError, match="something else"):
        prepare(folder, tmp_path)
    with pytest.raises(InputError, match="Web addresses"):
        prepare("https://dicom.example.org/studies/1/series/2", tmp_path / "web")
    with pytest.raises(InputError, match="another folder"):
        prepare(pictures(tmp_path / "in2", 1), output)
    assert contents(output) == before
    with pytest.raises(InputError, match="not among the 1"):
        prepared_images(output, "absent.png")
    with pytest.raises(InputError, match="Nothing was prepared"):
        read_prepared(folder)
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="no image here"):
        prepare(tmp_path / "words", tmp_path / "none")


def test_memory_does_not_grow_with_the_number_of_sources(tmp_path: Path) -> None:
    peaks = []
    for n in (4, 24):
        folder = tmp_path / f"in{n}"
        folder.mkdir()
        for k, values in enumerate(np.random.default_rng(n).integers(0, 256, (n, 512, 512, 3), np.uint8)):
            Image.fromarray(values).save(folder / f"{k}.png", compress_level=0)
        tracemalloc.start()
        prepare(folder, tmp_path / f"out{n}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 512 * 512 * 3  # not by one picture, for twenty more


def test_sources_are_found_one_at_a_time_without_opening_a_file(tmp_path: Path, monkeypatch) -> None:
    for k in range(3):
        pictures(tmp_path / "in" / f"{k}", 2)
    (tmp_path / "in" / ".hidden").touch()
    root = Root(tmp_path / "in")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    found = find_sources(root)
    assert next(found).path == "0/000.png"
    assert [source.path for source in found] == ["0/001.png", "1/000.png", "1/001.png", "2/000.png", "2/001.png"]


def test_processes_make_what_one_makes(write_series, tmp_path: Path) -> None:
    folder = mixed(write_series, tmp_path)
    prepare(folder, tmp_path / "one")
    assert main(["prepare", str(folder), "--output", str(tmp_path / "two"), "--workers", "2"]) == 0
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    nibabel.save(nibabel.Nifti1Image(VOXELS.T.astype(np.int16), np.eye(4)), folder / "t1.nii.gz")
    prepare(folder, tmp_path / "one")
    assert "CT or MR" in quarantined(tmp_path / "one")["t1.nii.gz"]
    assert prepare(folder, tmp_path / "one", modality="mri").made == 1
