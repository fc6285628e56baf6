"""Makers of whole slides to test and measure with: TIFF and DICOM, of real tissue or of blank glass."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openslide
import pyvips
from PIL import Image
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

REAL_SLIDE = Path(__file__).parents[1] / "data" / "CMU-1-Small-Region.svs"
GLASS = 243  # grey value of the real slide's glass


def real_tissue() -> np.ndarray:
    """The bundled H&E slide whole, at 0.499 um/px: uint8 RGB (2967, 2220, 3)."""
    with openslide.OpenSlide(REAL_SLIDE) as slide:
        return np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))


def blank_glass(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Glass with the noise and uneven light of a scan, and nothing on it: uint8 RGB (height, width, 3)."""
    rng = np.random.default_rng(seed)
    light = np.linspace(-4, 4, width)[None, :, None] + rng.normal(0, 2, (height, width, 3))
    return np.clip(GLASS + light, 0, 255).astype(np.uint8)


def tissue_mosaic(width: int, height: int, seed: int = 0) -> pyvips.Image:
    """A picture of any size, made of the real tissue flipped and stained stronger or weaker, some fields blank.

    The picture is computed while it is written, so that it never is in memory as a whole.
    """
    rng = np.random.default_rng(seed)
    tissue = pyvips.Image.new_from_array(real_tissue())
    across, down = -(-width // tissue.width), -(-height // tissue.height)
    fields = []
    for _ in range(across * down):
        field = tissue.fliphor() if rng.random() < 0.5 else tissue
        field = field.flipver() if rng.random() < 0.5 else field
        stain = rng.uniform(0.7, 1.1) * rng.uniform(0.95, 1.05, 3) if rng.random() < 0.85 else np.zeros(3)
        fields.append((GLASS - (GLASS - field) * stain.tolist()).cast("uchar"))
    mosaic = pyvips.Image.arrayjoin(fields, across=across).crop(0, 0, width, height)
    return mosaic.copy(interpretation="srgb")


def write_tiff_slide(
    path: Path,
    pixels: np.ndarray | pyvips.Image,
    mpp: float | None = 0.5,
    pyramid: bool = True,
    *,
    says: str = "",
    compression: str = "jpeg",
    profile: str = "none",
) -> Path:
    """Write a tiled TIFF, level after level half the size; without ``mpp`` an Aperio file that gives none.

    ``says``: what an Aperio file says, e.g. "AppMag = 20|MPP = 0.5". ``profile``: an ICC profile of libvips.
    """
    image = pixels if isinstance(pixels, pyvips.Image) else pyvips.Image.new_from_array(pixels)
    if mpp is None or says:
        image = image.copy()
        image.set_type(pyvips.GValue.gstr_type, "image-description", f"Aperio Image Library\nTest|{says}")
    image.tiffsave(
        str(path),
        tile=True,
        tile_width=256,
        tile_height=256,
        pyramid=pyramid,
        compression=compression,
        Q=85,
        profile=profile,
        xres=1000 / (mpp or 0.5),  # pixels per mm
        yres=1000 / (mpp or 0.5),
        resunit="cm",
        bigtiff=image.width * image.height > 10**9,
    )
    return path


def write_dicom_slide(
    folder: Path,
    pixels: np.ndarray,
    mpp: float = 0.5,
    levels: int = 3,
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write a VL Whole Slide Microscopy series, one TILED_FULL JPEG file a level, each half the size of the last.

    ``change`` may alter the attributes of each file before it is written.
    """
    series = new_series()
    for number in range(levels):
        reduced = np.asarray(Image.fromarray(pixels).reduce(2**number))
        data = dicom_level(reduced, series, [side * mpp / 1000 for side in pixels.shape[:2]], derived=number > 0)
        data.InstanceNumber = number + 1
        if change:
            change(data)
        save_dicom(data, folder / f"level-{number}.dcm")
    return folder


def new_series(study: str | None = None, number: int = 1) -> Dataset:
    """The attributes that all files of a new series share."""
    series = Dataset()
    series.StudyInstanceUID, series.SeriesInstanceUID = study or generate_uid(), generate_uid()
    series.FrameOfReferenceUID, series.SeriesNumber = generate_uid(), number
    series.Modality, series.PatientID = "SM", "TEST"
    return series


def dicom_level(
    pixels: np.ndarray,
    series: Dataset,
    size_mm: Sequence[float] | None = None,
    *,
    flavour: str = "VOLUME",
    derived: bool = False,
    side: int = 256,
) -> FileDataset:
    """One file of a slide, in tiles, not yet saved: by its ``flavour`` a level, or e.g. its LABEL.

    The attributes are those of PS3.3 A.32.8 that a reader needs; a whole object has more. ``size_mm`` is the
    height and width of what is shown, by default at 0.5 um/px.
    """
    image = Image.fromarray(pixels)
    height_mm, width_mm = size_mm or (image.height * 0.0005, image.width * 0.0005)
    frames = list(_jpeg_tiles(image, side))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    data = FileDataset(None, copy.deepcopy(series), file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.ImageType = ["DERIVED" if derived else "ORIGINAL", "PRIMARY", flavour, "RESAMPLED" if derived else "NONE"]
    data.DimensionOrganizationType = "TILED_FULL"
    data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows = image.size
    data.TotalPixelMatrixFocalPlanes = data.NumberOfOpticalPaths = 1
    data.ImagedVolumeWidth, data.ImagedVolumeHeight, data.ImagedVolumeDepth = width_mm, height_mm, 0.001
    data.Rows = data.Columns = side
    data.NumberOfFrames = len(frames)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_FULL_422", 0
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.LossyImageCompression = "01"
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [f"{height_mm / image.height:.8f}", f"{width_mm / image.width:.8f}"]
    measures.SliceThickness = 0.001
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PixelData = encapsulate(frames)
    return data


def keep_frames(data: Dataset, kept: Sequence[int]) -> Dataset:
    """The same file with some of its frames alone, in the order given."""
    frames = list(generate_frames(data.PixelData, number_of_frames=data.NumberOfFrames))
    frames = [frames[index] for index in kept]
    data = copy.deepcopy(data)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.NumberOfFrames, data.PixelData = len(frames), encapsulate(frames)
    return data


def save_dicom(data: Dataset, path: Path) -> Path:
    """Write a file as PS3.10 has it, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def _jpeg_tiles(image: Image.Image, side: int):
    """Cut into square JPEG tiles, row by row; what is beyond the picture is glass."""
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            tile = Image.new("RGB", (side, side), (GLASS,) * 3)
            tile.paste(image.crop((left, top, min(left + side, image.width), min(top + side, image.height))))
            jpeg = io.BytesIO()
            tile.save(jpeg, "JPEG", quality=85)
            yield jpeg.getvalue()
