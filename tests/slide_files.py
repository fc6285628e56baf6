"""Makers of whole slides to test and measure with: TIFF and DICOM, of real tissue or of blank glass."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import openslide
import pyvips
from PIL import Image
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
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
    path: Path, pixels: np.ndarray | pyvips.Image, mpp: float | None = 0.5, pyramid: bool = True
) -> Path:
    """Write a tiled JPEG TIFF, level after level half the size; without ``mpp`` an Aperio file that gives none."""
    image = pixels if isinstance(pixels, pyvips.Image) else pyvips.Image.new_from_array(pixels)
    if mpp is None:
        image = image.copy()
        image.set_type(pyvips.GValue.gstr_type, "image-description", "Aperio Image Library\nTest|AppMag = 20")
    image.tiffsave(
        str(path),
        tile=True,
        tile_width=256,
        tile_height=256,
        pyramid=pyramid,
        compression="jpeg",
        Q=85,
        xres=1000 / (mpp or 0.5),  # pixels per mm
        yres=1000 / (mpp or 0.5),
        resunit="cm",
        bigtiff=image.width * image.height > 10**9,
    )
    return path


def write_dicom_slide(folder: Path, pixels: np.ndarray, mpp: float = 0.5, levels: int = 3) -> Path:
    """Write a VL Whole Slide Microscopy series, one TILED_FULL JPEG file a level, each half the size of the last.

    The attributes are those of PS3.3 A.32.8 that a reader needs; a whole object has more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    height_mm, width_mm = (side * mpp / 1000 for side in pixels.shape[:2])
    image = Image.fromarray(pixels)
    for number in range(levels):
        reduced = image.reduce(2**number)
        spacing = [height_mm / reduced.height, width_mm / reduced.width]
        frames = list(_jpeg_tiles(reduced, 256))

        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = JPEGBaseline8Bit
        file = folder / f"level-{number}.dcm"
        data = FileDataset(file, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.FrameOfReferenceUID = frame_of_reference
        data.Modality, data.PatientID, data.InstanceNumber = "SM", "TEST", number + 1
        data.ImageType = ["ORIGINAL" if number == 0 else "DERIVED", "PRIMARY", "VOLUME", "NONE"]
        data.DimensionOrganizationType = "TILED_FULL"
        data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows = reduced.size
        data.TotalPixelMatrixFocalPlanes = data.NumberOfOpticalPaths = 1
        data.ImagedVolumeWidth, data.ImagedVolumeHeight, data.ImagedVolumeDepth = width_mm, height_mm, 0.001
        data.Rows = data.Columns = 256
        data.NumberOfFrames = len(frames)
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_FULL_422", 0
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
        data.LossyImageCompression = "01"
        measures, shared = Dataset(), Dataset()
        measures.PixelSpacing, measures.SliceThickness = [f"{value:.8f}" for value in spacing], 0.001
        shared.PixelMeasuresSequence = [measures]
        data.SharedFunctionalGroupsSequence = [shared]
        data.PixelData = encapsulate(frames)
        data.save_as(file, enforce_file_format=True)
    return folder


def _jpeg_tiles(image: Image.Image, side: int):
    """Cut into square JPEG tiles, row by row; what is beyond the picture is glass."""
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            tile = Image.new("RGB", (side, side), (GLASS,) * 3)
            tile.paste(image.crop((left, top, min(left + side, image.width), min(top + side, image.height))))
            jpeg = io.BytesIO()
            tile.save(jpeg, "JPEG", quality=85)
            yield jpeg.getvalue()
