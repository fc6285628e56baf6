"""What TIFF files hold, and that one which was cut off is told by its structure, whatever its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings, strategies as st

from helpers.errors import InputError
from helpers.slides import open_slide, read_tiff
from tests.slide_files import REAL_SLIDE, real_tissue, write_tiff_slide


def write_pyramid(path: Path, *, below: bool = False, bigtiff: bool = False) -> Path:
    """Levels after one another, or below the first as OME-TIFF has them."""
    tissue = real_tissue()[:1024, :1024]
    options = {"tile": (256, 256), "compression": "zlib", "photometric": "rgb"}
    with tifffile.TiffWriter(path, bigtiff=bigtiff, ome=below) as tiff:
        size = {"PhysicalSizeX": 500, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 500, "PhysicalSizeYUnit": "nm"}
        tiff.write(tissue, subifds=2 if below else None, metadata=size if below else None, **options)
        for step in (2, 4):
            tiff.write(np.ascontiguousarray(tissue[::step, ::step]), subfiletype=1, metadata=None, **options)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Slides of several writers: their directories stand between the pixels, behind them, below one another."""
    folder = tmp_path_factory.mktemp("whole")
    return [
        REAL_SLIDE,
        write_tiff_slide(folder / "vips.tif", real_tissue()),
        write_pyramid(folder / "pages.tif"),
        write_pyramid(folder / "big.tif", bigtiff=True),
        write_pyramid(folder / "below.ome.tif", below=True),
    ]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_beginning_of_a_slide_passes_for_a_slide(
    whole: list[Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = data.draw(st.sampled_from(whole)).read_bytes()
    # Some files end with a few bytes that nothing points to.
    length = data.draw(
        st.one_of(st.integers(4, len(content) - 16), st.integers(len(content) - 400, len(content) - 16))
    )
    path = tmp_path_factory.getbasetemp() / "cut.tif"
    path.write_bytes(content[:length])
    for read in (read_tiff, open_slide):
        with pytest.raises(InputError, match=r"cut.tif: The file is cut off.*again"):
            read(path)


def test_levels_planes_and_scale(tmp_path: Path) -> None:
    pages, ome = write_pyramid(tmp_path / "pages.tif"), write_pyramid(tmp_path / "below.ome.tif", below=True)
    found = [read_tiff(path) for path in (pages, ome, REAL_SLIDE)]
    assert [(t.width, t.height, t.tiled, t.levels, t.planes, t.samples) for t in found] == [
        (1024, 1024, True, 3, 1, 3),
        (1024, 1024, True, 3, 1, 3),
        (2220, 2967, True, 1, 1, 3),
    ]
    assert found[1].mpp == (0.5, 0.5)  # 500 nm by its XML alone
    with open_slide(ome) as slide:
        assert slide.mpp == 0.5
    channels = tmp_path / "channels.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "CD3"]}}
    tifffile.imwrite(channels, np.zeros((2, 64, 64), np.uint16), tile=(32, 32), metadata=metadata)
    assert (read_tiff(channels).planes, read_tiff(channels).channels) == (2, ("DAPI", "CD3"))
    with pytest.raises(InputError, match=r"2 planes of one channel each \(DAPI, CD3\).*fluorescence.*RGB"):
        open_slide(channels)
    (tmp_path / "text.tif").write_text("no TIFF")
    assert read_tiff(tmp_path / "text.tif") is None


@pytest.mark.parametrize(
    ("x", "y", "unit", "wanted"),
    [(5000, 5000, "Å", (0.5, 0.5)), (0.5, 0.25, "µm", (0.5, 0.25)), (None, 0.0005, "mm", (0.5, 0.5))],
)
def test_the_scale_in_ome_xml_has_units_and_two_axes(
    tmp_path: Path, x: float | None, y: float, unit: str, wanted: tuple[float, float]
) -> None:
    path = tmp_path / "scale.ome.tif"
    size = {"PhysicalSizeX": x, "PhysicalSizeXUnit": unit, "PhysicalSizeY": y, "PhysicalSizeYUnit": unit}
    metadata = {name: value for name, value in size.items() if value is not None}
    picture = np.zeros((64, 64, 3), np.uint8)
    tifffile.imwrite(path, picture, photometric="rgb", tile=(32, 32), metadata={"axes": "YXS", **metadata})
    assert read_tiff(path).mpp == pytest.approx(wanted)


def test_space_that_was_reserved_and_not_filled_is_cut_off(tmp_path: Path) -> None:
    """The directory stands in front and is whole; the pixels behind it are zeros from the middle on."""
    path = tmp_path / "reserved.tif"
    tissue = real_tissue()[:1024, :1024]
    tifffile.imwrite(path, tissue, photometric="rgb", tile=(256, 256), compression="zlib")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    with pytest.raises(InputError, match=r"reserved.tif: The file is cut off.*again"):
        read_tiff(path)
