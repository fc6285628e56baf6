"""NIfTI: the same layout as DICOM however it is stored, and files that cannot be used."""

from __future__ import annotations

import gzip
import itertools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from helpers.data import fetch
from helpers.errors import InputError
from helpers.volumes import read_volume, volume_to_rgb, volumes_in_nifti
from tests.volumes.test_axes import turned

AFFINE = np.array([[2.0, 0, 0, -9], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])
VALUES = np.random.default_rng(0).integers(0, 900, (7, 6, 5)).astype(np.int16)  # x, y, z
READ = VALUES[::-1, ::-1].transpose(2, 1, 0)  # head to feet, front to back, right to left
# Where the header of NIfTI-1 keeps its fields: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
DATATYPE, PIXDIM, SLOPE, UNITS, QFORM_CODE, SFORM_CODE, QUATERNION, SFORM = 70, 76, 112, 123, 252, 254, 256, 280
VOX_OFFSET = 108


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write voxels as a file; ``patch`` puts values into its header, by offset."""

    def write_file(
        values: np.ndarray = VALUES,
        affine: np.ndarray = AFFINE,
        *,
        name: str = "made.nii",
        header: Any = None,
        patch: dict[int, tuple[str, Any]] | None = None,
    ) -> Path:
        image = nibabel.Nifti1Image(values, affine, header, dtype=values.dtype)
        image.set_qform(affine, 1)
        image.set_data_dtype(values.dtype)
        stored = bytearray(image.to_bytes())
        for offset, (kind, value) in (patch or {}).items():
            many = np.atleast_1d(value).ravel().tolist()
            struct.pack_into(f"<{len(many)}{kind}", stored, offset, *many)
        (tmp_path / name).write_bytes(gzip.compress(stored) if name.endswith(".gz") else stored)
        return tmp_path / name

    return write_file


def read_all(path: Path, **options: Any) -> np.ndarray:
    volume = read_volume(path, modality="MR", **options)
    return volume.slices(range(volume.shape[0]))


def test_nifti_gives_the_layout_of_dicom() -> None:
    volume = read_volume(fetch("mri-t1"), modality="MR")
    image = nibabel.load(fetch("mri-t1"))
    assert volume.shape == (189, 233, 197)
    x, y, z = 120, 40, 90
    k, j, i = z, 232 - y, 196 - x
    assert volume.slices([k])[0, j, i] == np.asarray(image.dataobj)[x, y, z]
    assert (volume.affine @ [k, j, i, 1])[:3] == pytest.approx((image.affine @ [x, y, z, 1])[:3] * [-1, -1, 1])


@pytest.mark.parametrize("tilt", [0, 8])
@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_all_orientations_give_the_voxels_of_the_closest_canonical_one(
    write: Callable[..., Path], order: tuple[int, ...], tilt: float
) -> None:
    for signs in itertools.product((1, -1), repeat=3):
        affine = np.eye(4)
        affine[:3, :3] = turned(tilt, 2) @ turned(tilt, 0) @ (np.eye(3)[:, order] * signs * [1.1, 0.9, 1.3])
        affine[:3, 3] = 5, -6, 7
        path = write(VALUES, affine, name=f"{signs}.nii")
        canonical = nibabel.as_closest_canonical(nibabel.load(path))
        volume = read_volume(path, modality="MR")
        expected = np.asarray(canonical.dataobj)[::-1, ::-1].transpose(2, 1, 0)
        assert np.array_equal(volume.slices(range(volume.shape[0])), expected)
        assert np.array_equal(volume.slices([3, 1])[1], expected[1])
        assert volume.spacing == pytest.approx(canonical.header.get_zooms()[::-1])
        last = np.array(canonical.shape) - 1
        where = (canonical.affine @ [last[0] - 1, last[1] - 2, 3, 1])[:3] * [-1, -1, 1]
        assert (volume.affine @ [3, 2, 1, 1])[:3] == pytest.approx(where, abs=1e-4)


@pytest.mark.parametrize("dz", [0.5, 0.625, 1, 10])
def test_thin_and_thick_axial_slices_are_axial(write: Callable[..., Path], dz: float) -> None:
    path = write(VALUES, np.diag([0.977, 0.977, dz, 1]))
    volume = read_volume(path, modality="CT")
    assert np.array_equal(volume.slices(range(5)), READ) and not volume.notes
    assert volume.spacing == pytest.approx((dz, 0.977, 0.977))


KINDS = ["<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8", "<c8", "<c16"]
KINDS += [kind.replace("<", ">") for kind in KINDS if kind[-1] != "1"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_number_is_read(write: Callable[..., Path], kind: str) -> None:
    values = VALUES % 127 if kind[-1] == "1" else VALUES * (70 if "u" in kind else 1)  # up to 62,930 in u2
    values = values.astype(kind)
    if "c" in kind:
        values = (values * np.exp(0.7j)).astype(kind)
    header = nibabel.Nifti1Header(endianness=kind[0])
    got = read_all(write(values, header=header))
    expected = np.abs(values.astype(complex))[::-1, ::-1].transpose(2, 1, 0)
    assert got == pytest.approx(expected, rel=1e-5)
    assert got.dtype == (np.int16 if kind[1:] in ("i1", "u1", "i2") else np.float32)


@pytest.mark.parametrize(
    ("slope", "inter", "expected"),
    [(2, 5, READ * 2.0 + 5), (0, 9, READ), (np.nan, 0, READ), (0, np.nan, READ), (-1, 1000, 1000.0 - READ)],
)
def test_values_are_scaled_where_the_header_says_how(
    write: Callable[..., Path], slope: float, inter: float, expected: np.ndarray
) -> None:
    assert np.array_equal(read_all(write(patch={SLOPE: ("f", [slope, inter])})), expected)


def test_what_is_no_number_is_no_measurement(write: Callable[..., Path]) -> None:
    values = VALUES.astype(np.float64)
    values[0, 0, 0], values[1, 0, 0], values[2, 0, 0], values[3, 0, 0] = np.nan, np.inf, -np.inf, 1e300
    got = read_all(write(values))
    assert np.isnan(got[0, -1, -4:]).all() and np.isnan(got).sum() == 4


@pytest.mark.parametrize(
    "invalid",
    [
        {SFORM: np.zeros(12)},
        {SFORM: np.full(12, np.nan)},
        {SFORM: [1, 1, 0, 0, 2, 2, 0, 0, 0, 0, 3, 0]},  # two axes along one line
        {SFORM: np.eye(4)[:3] * 1e30},
        {SFORM_CODE: 0, SFORM: np.ones(12)},
    ],
)
def test_an_invalid_sform_leaves_it_to_the_qform(write: Callable[..., Path], invalid: dict) -> None:
    patch = {offset: ("h" if offset == SFORM_CODE else "f", value) for offset, value in invalid.items()}
    volume = read_volume(write(patch=patch), modality="MR")
    assert np.array_equal(volume.slices(range(5)), READ)
    assert volume.affine[:3, 3] == pytest.approx((9 - 12, -5 - 15, 7))
    with pytest.raises(InputError, match=r"made.nii: The file does not say how its axes lie"):
        read_volume(write(patch=patch | {QFORM_CODE: ("h", 0)}), modality="MR")


@pytest.mark.parametrize("quaternion", [[np.nan] * 3, [2, 2, 2]])
def test_an_invalid_qform_leaves_it_to_the_sform(write: Callable[..., Path], quaternion: list[float]) -> None:
    assert np.array_equal(read_all(write(patch={QUATERNION: ("f", quaternion)})), READ)
    with pytest.raises(InputError, match="neither its sform nor its qform is valid"):
        read_all(write(patch={QUATERNION: ("f", quaternion), SFORM_CODE: ("h", 0)}))


def test_an_sform_that_mirrors_is_followed_and_units_become_millimetres(write: Callable[..., Path]) -> None:
    volume = read_volume(write(VALUES, np.diag([-2000.0, 3000, 4000, 1]), patch={UNITS: ("b", 3)}), modality="MR")
    assert np.array_equal(volume.slices(range(5)), READ[..., ::-1])
    assert volume.spacing == pytest.approx((4, 3, 2))


def test_one_of_several_volumes_is_chosen_by_its_number(write: Callable[..., Path]) -> None:
    four = write(np.stack([VALUES, VALUES + 1, VALUES + 2], -1), name="four.nii.gz")
    assert volumes_in_nifti(four) == 3
    with pytest.raises(InputError, match=r"four.nii.gz.*4 dimensions.*--only volume=0"):
        read_all(four)
    for chosen in (1, "1"):
        assert np.array_equal(read_all(four, only={"volume": chosen}), READ + 1)
    for wrong in (3, -1, "²", "one", 1.5):
        with pytest.raises(InputError, match=r"Use 0 to 2"):
            read_all(four, only={"volume": wrong})
    for alone in (VALUES[..., None], VALUES[..., None, None]):
        assert np.array_equal(read_all(write(alone)), READ)
        with pytest.raises(InputError, match="the file holds one"):
            read_all(write(alone), only={"volume": 1})
    with pytest.raises(InputError, match="A NIfTI file does not store EchoTime"):
        read_all(four, only={"EchoTime": 20})
    parts = np.arange(6).reshape(2, 3, order="F").astype(np.int16)  # the fourth dimension counts fastest
    five = write(VALUES[..., None, None] + parts, name="five.nii")
    assert np.array_equal(read_all(five, only={"volume": 4}), READ + 4)


def test_the_name_need_not_tell_whether_it_is_packed(write: Callable[..., Path]) -> None:
    packed, plain = write(name="a.nii.gz"), write(name="b.nii")
    assert np.array_equal(read_all(packed.rename(packed.with_name("c.nii"))), READ)
    assert np.array_equal(read_all(plain.rename(plain.with_name("D.NII.GZ"))), READ)


def test_damaged_and_unsuitable_nifti_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    whole = fetch("mri-t1").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii").write_text("no image")
    (tmp_path / "empty.nii").touch()
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), np.eye(4)), tmp_path / "four.nii.gz")
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.diag([1, 5, 1, 1])), tmp_path / "coronal.nii"
    )
    write(name="early.nii", patch={VOX_OFFSET: ("f", 0.0)})
    plain = write(name="short.nii")
    plain.write_bytes(plain.read_bytes()[:-9])
    spoiled = bytearray(gzip.compress(plain.read_bytes()))
    spoiled[len(spoiled) // 2] ^= 1  # gzip notices at its very end
    (tmp_path / "spoiled.nii.gz").write_bytes(spoiled)
    for code in (128, 2304, 1536, 9999):  # colours, colours with alpha, 128 bits, none at all
        write(name=f"type{code}.nii", patch={DATATYPE: ("h", code)})
    nibabel.save(nibabel.AnalyzeImage(VALUES, AFFINE), tmp_path / "old.img")
    (tmp_path / "analyze.nii").write_bytes(
        (tmp_path / "old.hdr").read_bytes() + bytes(4) + (tmp_path / "old.img").read_bytes()
    )
    write(VALUES[:, :, 0], name="flat.nii")
    for path in [*tmp_path.glob("*.nii"), *tmp_path.glob("*.gz"), tmp_path / "absent.nii"]:
        with pytest.raises(InputError, match=path.name) as caught:
            read_volume(path, modality="MR").slices([0])
        assert caught.value.remedy


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(offset=st.integers(0, 347), spoilt=st.binary(min_size=1, max_size=8))
def test_a_spoilt_header_gives_a_volume_or_one_clear_error(
    write: Callable[..., Path], offset: int, spoilt: bytes
) -> None:
    path = write()
    stored = bytearray(path.read_bytes())
    stored[offset : offset + len(spoilt)] = spoilt
    path.write_bytes(stored)
    try:
        volume = read_volume(path, modality="MR")
        assert volume.slices([0]).shape == (1, *volume.shape[1:])
    except InputError as error:
        assert "made.nii" in str(error) and error.remedy


def test_the_head_ct_as_nifti_is_the_head_ct(head_ct: Path, tmp_path: Path) -> None:
    dicom = read_volume(head_ct)
    to_ras = np.diag([-1, -1, 1, 1]) @ dicom.affine[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(dicom.slices(range(108)).transpose(2, 1, 0), to_ras), tmp_path / "head.nii")
    again = read_volume(tmp_path / "head.nii", modality="CT")
    assert (again.shape, again.units) == (dicom.shape, "HU")
    assert np.allclose(again.affine, dicom.affine, atol=1e-3)
    assert all(np.array_equal(a, b) for a, b in zip(again.batches(), dicom.batches(), strict=True))
    assert np.array_equal(volume_to_rgb(again, [54]), volume_to_rgb(dicom, [54]))
