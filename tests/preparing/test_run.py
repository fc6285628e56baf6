"""A run of prepare: killed, stopped, gone on with; what is corrupt, changed or gone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from helpers.cli import main
from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image
from helpers.preparing import prepare, prepared_images, read_prepared
from tests.preparing.conftest import VOXELS, contents, pictures, quarantined

ROOT = Path(__file__).parents[2]
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
            with pytest.raises(InputError, match="is not complete"):
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
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert main(["prepare", str(folder), "--output", str(output)]) == 0
    assert "11 prepared" in capsys.readouterr().out
    reasons = quarantined(output)
    expected = {
        "bad": "cut off",
        "2d/009.png": "image",
        "cut.svs": "cut off",
        "empty.nii.gz": "CT or MR",
        "gap": "unevenly spaced",
        "header": "0005.dcm is damaged",
        "header/0005.dcm": "",
        "zeros": "0000.dcm is damaged",
        "zeros/0000.dcm": "not a DICOM file",
        "elsewhere": "link",
        "gone.png": "is a link to a missing file",
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


def test_an_output_of_other_settings_or_another_folder_is_refused(tmp_path: Path) -> None:
    folder, output = pictures(tmp_path / "in", 1), tmp_path / "out"
    prepare(folder, output)
    before = contents(output)
    with pytest.raises(InputError, match="limit None, not 9") as caught:
        prepare(folder, output, limit=9)
    assert "another output" in caught.value.remedy
    with pytest.raises(InputError, match="same as the folder with the images"):
        prepare(folder, folder)
    with pytest.raises(InputError, match="holds other files"):
        prepare(folder, tmp_path)
    with pytest.raises(InputError, match="does not read web addresses"):
        prepare("https://dicom.example.org/studies/1/series/2", tmp_path / "web")
    with pytest.raises(InputError, match="another folder"):
        prepare(pictures(tmp_path / "in2", 1), output)
    assert contents(output) == before
    with pytest.raises(InputError, match="not among the 1"):
        prepared_images(output, "absent.png")
    with pytest.raises(InputError, match="holds no prepared images"):
        read_prepared(folder)
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="No image was found"):
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


def test_processes_make_what_one_makes(write_series, tmp_path: Path) -> None:
    folder = mixed(write_series, tmp_path)
    prepare(folder, tmp_path / "one")
    assert main(["prepare", str(folder), "--output", str(tmp_path / "two"), "--workers", "2"]) == 0
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    nibabel.save(nibabel.Nifti1Image(VOXELS.T.astype(np.int16), np.eye(4)), folder / "t1.nii.gz")
    prepare(folder, tmp_path / "one")
    assert "CT or MR" in quarantined(tmp_path / "one")["t1.nii.gz"]
    assert prepare(folder, tmp_path / "one", modality="mri").made == 1
