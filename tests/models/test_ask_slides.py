"""``medgemma-tutorials ask`` and ``prepare`` of slides: what is said of scale and tissue, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.cli import main
from helpers.evaluation import read_cases
from helpers.images import Reading, find_study
from helpers.models import opening as models
from helpers.models.ask import study_messages
from helpers.preparing import prepare, prepared_images, read_prepared
from helpers.prompts import images_of
from tests.models.conftest import refused
from tests.slide_files import REAL_SLIDE, blank_glass, real_tissue, write_tiff_slide


@pytest.fixture(scope="module")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cores of 0.3 mm on a slide whose objective alone tells its scale: 0.5 um a pixel."""
    pixels = blank_glass(6000, 5000)
    for x, y in ((1000, 1000), (4000, 1500), (2000, 3800)):
        pixels[y : y + 600, x : x + 600] = real_tissue()[2350:2950, 760:1360]
    return write_tiff_slide(tmp_path_factory.mktemp("cores") / "cores.svs", pixels, says="AppMag = 20")


def test_scale_and_share_of_the_tissue_are_said(asked: Callable[..., tuple], cores: Path) -> None:
    code, out, err = asked(cores, "Which stain?", "--json")
    answer = json.loads(out)
    assert (code, answer["images"]) == (0, 3)
    assert answer["tissue_shown"] >= 0.99
    estimated, shown = answer["notes"]
    assert estimated == "The microns per pixel were estimated from the objective (20x): 0.5."
    assert shown.startswith("3 patches show ") and shown.endswith(" % of the tissue.")
    assert estimated in err and shown in err
    given = json.loads(asked(cores, "Which stain?", "--json", "--mpp", "0.25")[1])
    assert not any("estimated" in note for note in given["notes"])


def test_a_given_scale_and_magnification_decide_the_patches(cores: Path, tmp_path: Path) -> None:
    prepare(cores, tmp_path / "10x", mpp=0.25)
    prepare(cores, tmp_path / "20x", mpp=0.25, magnification=20)
    (one,) = read_prepared(tmp_path / "10x").values()
    assert {place["size"] for place in one.places()} == {4 * 896}  # of 0.25 um for one of 1 um
    assert one.notes[-1].endswith("% of the tissue.")
    (other,) = read_prepared(tmp_path / "20x").values()
    assert {place["size"] for place in other.places()} == {2 * 896}
    table = tmp_path / "cases.csv"
    row = "cores.svs,slide,Tissue.,0.25,20x"
    table.write_text(f"path,modality,answer,mpp,magnification\n{row}\n", encoding="utf-8")
    (tmp_path / "cores.svs").symlink_to(cores)
    (case,) = read_cases(table)
    for shown, wanted in zip(
        images_of(case.messages), prepared_images(tmp_path / "20x", "cores.svs"), strict=True
    ):
        assert np.array_equal(np.asarray(shown), np.asarray(wanted))


@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("name", ["slide.tif", "slide.svs", "slide"])
def test_a_slide_that_stopped_half_way_is_cut_off_by_whatever_name(
    asked: Callable[..., tuple], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, share: float
) -> None:
    monkeypatch.setattr(models, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    content = REAL_SLIDE.read_bytes()
    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / name).write_bytes(content[: int(len(content) * share)])
    assert "cut off" in refused(asked, folder / name)
    assert "cut off" in refused(asked, folder)
    assert main(["prepare", str(folder), "--output", str(tmp_path / "out")]) == 0
    (entry,) = map(json.loads, (tmp_path / "out" / "_quarantine.jsonl").read_text(encoding="utf-8").splitlines())
    assert entry["path"] == name and "cut off" in entry["reason"]
    assert not read_prepared(tmp_path / "out")


def test_colours_can_be_left_as_they_are_stored(tmp_path: Path) -> None:
    slide = write_tiff_slide(tmp_path / "p3.tif", real_tissue()[2000:2900, 700:1600], profile="p3")
    shown = []
    for reading in (Reading(), Reading.of(icc=False)):
        (image,) = images_of(study_messages(find_study(slide), "Which stain?", reading))
        shown.append(np.asarray(image).astype(int))
    assert np.abs(shown[0] - shown[1]).max() > 10
