"""Pictures as a viewer shows them: transparency, depth, which way is up, frames, formats, profiles."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
RGB[0, 0], RGB[0, 1] = 0, 255
ALPHA = RNG.integers(0, 256, (12, 20, 1), dtype=np.uint8)
ON_WHITE = RGB * (ALPHA / 255) + 255 - ALPHA.astype(float)
GREY_ON_WHITE = RGB[..., :1] * (ALPHA / 255) + 255 - ALPHA.astype(float)


def shown(path: Path, **options: int | bool) -> np.ndarray:
    image = read_image(path, **options)
    assert image.mode == "RGB"
    return np.asarray(image).astype(float)


def write_png(path: Path, values: np.ndarray, depth: int, colour: int, key: tuple[int, ...] = ()) -> Path:
    """A PNG of ``values`` as they stand (RFC 2083), with the colour ``key`` transparent."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in values)
    width = values.shape[1] * max(1, 8 // depth)
    head = struct.pack(">IIBBBBB", width, values.shape[0], depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + (chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def test_what_is_transparent_is_white_whatever_lies_beneath(tmp_path: Path) -> None:
    for name, pixels, expected in (
        ("rgba.png", np.dstack([RGB, ALPHA]), ON_WHITE),
        ("rgba.webp", np.dstack([RGB, ALPHA]), ON_WHITE),
        ("la.png", np.dstack([RGB[..., 0], ALPHA]), GREY_ON_WHITE),
    ):
        Image.fromarray(pixels).save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
        assert np.abs(shown(tmp_path / name) - expected).max() <= 1
    indexed = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8)).convert("P")
    indexed.putpalette([9, 9, 9, 200, 0, 0, 0, 100, 0, 8, 8, 8])
    indexed.save(tmp_path / "p.png", transparency=bytes([0, 255, 51, 0]))  # 51 is a fifth
    assert shown(tmp_path / "p.png")[0].tolist() == [[255] * 3, [200, 0, 0], [204, 224, 204], [255] * 3]
    indexed.save(tmp_path / "p.gif", transparency=1)
    assert shown(tmp_path / "p.gif")[0, :2].tolist() == [[9, 9, 9], [255] * 3]


def test_a_transparent_colour_is_found_in_every_depth(tmp_path: Path) -> None:
    path = tmp_path / "key.png"
    key = tuple(RGB[3, 4].tolist())
    expected = RGB.astype(float)
    expected[(key == RGB).all(axis=-1)] = 255
    assert np.array_equal(shown(write_png(path, RGB, 8, 2, key)), expected)
    wide = RGB.astype(np.uint16) * 257
    assert np.abs(shown(write_png(path, wide, 16, 2, tuple(257 * k for k in key))) - expected).max() <= 1
    grey = np.array([[500, 1000, 2000, 40000]], np.uint16)  # what is left goes from 500 to 2000
    assert shown(write_png(path, grey, 16, 0, (40000,)))[0, :, 0].tolist() == [0, 85, 255, 255]
    assert shown(write_png(path, np.array([[0x3F]]), 4, 0, (3,)))[0, :, 0].tolist() == [255, 255]
    assert shown(write_png(path, np.array([[0x2F]]), 4, 0, (3,)))[0, :, 0].tolist() == [34, 255]


def test_colours_of_16_bits_are_scaled_and_grey_keeps_its_range(tmp_path: Path) -> None:
    wide, path = RGB.astype(np.uint16) * 257, tmp_path / "wide.png"
    assert np.abs(shown(write_png(path, wide, 16, 2)) - RGB).max() <= 1
    assert np.abs(shown(write_png(path, np.dstack([wide, ALPHA * np.uint16(257)]), 16, 6)) - ON_WHITE).max() <= 1
    ramp = np.linspace(1000, 60000, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert np.array_equal(shown(tmp_path / "ramp.png")[..., 0].ravel(), np.arange(256))
    Image.fromarray(np.full((4, 4), 9, np.uint16)).save(tmp_path / "flat.png")
    with pytest.raises(InputError, match="have the same grey"):
        read_image(tmp_path / "flat.png")
    half = np.full((4, 4), 128, np.uint8)  # 8 bits are never stretched
    Image.fromarray(half).save(tmp_path / "half.png")
    assert (shown(tmp_path / "half.png") == 128).all()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    ways = {
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(RGB),
    }
    Image.fromarray(RGB).save(tmp_path / "colour.png", exif=exif)
    assert np.array_equal(shown(tmp_path / "colour.png"), ways[orientation])
    Image.fromarray(RGB[..., 0].astype(np.uint16) * 257).save(tmp_path / "grey.png", exif=exif)
    assert np.array_equal(shown(tmp_path / "grey.png")[..., 0], ways[orientation][..., 0])


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_a_frame_is_chosen_by_its_number(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 6), (value, value, value)) for value in (0, 100, 255)]
    path = tmp_path / f"frames.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(InputError, match=r"3 frames\. Choose one: page=0 to 2 \(--page\)"):
        read_image(path)
    assert [shown(path, page=page)[0, 0, 0] for page in range(3)] == [0, 100, 255]
    with pytest.raises(InputError, match="Page 3 does not exist"):
        read_image(path, 3)


def test_the_preview_in_a_photograph_is_no_page(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (32, 32), (0, 0, 0)), Image.new("RGB", (32, 32), (255, 255, 255))
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[second])
    assert Image.open(tmp_path / "phone.jpg").n_frames == 2
    assert shown(tmp_path / "phone.jpg").max() == 0


@pytest.mark.parametrize("suffix", ["webp", "jp2", "bmp", "avif", "tga"])
def test_formats_that_people_have(tmp_path: Path, suffix: str) -> None:
    smooth = np.dstack([np.tile(np.linspace(0, 255, 64), (64, 1))] * 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / f"a.{suffix}", quality=95)
    assert np.abs(shown(tmp_path / f"a.{suffix}") - smooth).max() <= 4


def test_heic_is_read_or_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    (tmp_path / "phone.jpg").write_bytes(head)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(InputError, match=r"pip install 'medgemma-tutorials\[heif\]'"):
            read_image(tmp_path / "phone.jpg")
    pillow_heif.register_heif_opener()
    with pytest.raises(InputError, match=r"phone\.jpg"):  # it ends after its head
        read_image(tmp_path / "phone.jpg")
    smooth = np.dstack([np.tile(np.linspace(0, 255, 128), (64, 1))] * 3).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth).save(tmp_path / "turned.heic", quality=95, exif=exif.tobytes())
    assert np.abs(shown(tmp_path / "turned.heic") - np.rot90(smooth, -1)).max() <= 6


def test_colours_of_a_profile_become_srgb_where_asked_for(tmp_path: Path) -> None:
    # Inks of no other kind than RGB: the profile of CIE XYZ makes other colours of the same numbers.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red_as_green = srgb.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    path = tmp_path / "icc.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path, icc_profile=red_as_green)
    assert shown(path, icc=True)[0, 0].tolist() == [0, 255, 0]
    assert shown(path)[0, 0].tolist() == [255, 0, 0]
    for profile in (srgb, b"no profile"):
        Image.fromarray(RGB).save(path, icc_profile=profile)
        assert np.abs(shown(path, icc=True) - RGB).max() <= 1
    Image.fromarray(RGB[..., 0]).save(path, icc_profile=red_as_green)
    assert np.array_equal(shown(path, icc=True)[..., 0], RGB[..., 0])


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    inks = Image.new("CMYK", (8, 8), (255, 0, 0, 0))  # cyan alone
    inks.save(tmp_path / "cyan.jpg", quality=100)
    assert np.abs(shown(tmp_path / "cyan.jpg") - [0, 255, 255]).max() <= 3
    assert ImageOps.invert(read_image(tmp_path / "cyan.jpg")).getpixel((0, 0))[0] >= 252


def test_what_cannot_be_read_is_told_by_its_reason(tmp_path: Path) -> None:
    whole = fetch("fundus").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    huge = bytearray(write_png(tmp_path / "huge.png", np.zeros((1, 1)), 8, 0).read_bytes())
    huge[16:24] = struct.pack(">II", 20_000, 20_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    (tmp_path / "huge.png").write_bytes(huge)
    for name, words in (
        ("cut.jpg", "damaged or cut off"),
        ("empty.png", "empty"),
        ("text.png", "not an image that can be read"),
        ("huge.png", "too large: 400 megapixels"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            read_image(tmp_path / name)
        assert caught.value.path == str(tmp_path / name) and caught.value.remedy


def test_grey_and_alpha_of_16_bits_keep_them(tmp_path: Path) -> None:
    # 12 bits in 16: of their upper bytes, 0 to 15 alone would be left.
    grey = np.array([[0, 1024, 2047, 4095]], np.uint16)
    opaque = np.dstack([grey, np.full_like(grey, 65535)])
    assert shown(write_png(tmp_path / "a.png", opaque, 16, 4))[0, :, 1].tolist() == [0, 64, 127, 255]
    half = np.dstack([grey, np.array([[65535, 65535, 32768, 0]], np.uint16)])  # white shines through
    assert shown(write_png(tmp_path / "b.png", half, 16, 4))[0, :, 1].tolist() == [0, 128, 255, 255]


def test_what_pillow_knows_and_does_not_read_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    Image.fromarray(RGB).save(tmp_path / "b.eps")
    for name in ("a.png", "b.eps"):
        with pytest.raises(InputError, match="not an image that can be read"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_a_damaged_exif_block_is_not_a_damaged_picture(tmp_path: Path, ending: str) -> None:
    Image.fromarray(RGB).save(tmp_path / f"a.{ending}", exif=b"Exif\0\0garbagegarbage", lossless=True)
    Image.fromarray(RGB).save(tmp_path / f"b.{ending}", lossless=True)
    assert np.array_equal(shown(tmp_path / f"a.{ending}"), shown(tmp_path / f"b.{ending}"))


def test_an_empty_fourth_byte_of_tga_is_not_transparent(tmp_path: Path) -> None:
    empty = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    Image.fromarray(empty).save(tmp_path / "a.tga")
    assert np.array_equal(shown(tmp_path / "a.tga"), RGB)
    empty[0, 0, 3] = 255  # now the fourth byte says something
    Image.fromarray(empty).save(tmp_path / "b.tga")
    assert (shown(tmp_path / "b.tga")[0, 1:] == 255).all()
