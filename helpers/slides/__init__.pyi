from .dicom_image import slide_key as slide_key, slide_picture as slide_picture
from .download import not_the_file as not_the_file
from .patches import (
    MIN_TISSUE as MIN_TISSUE,
    patch_notes as patch_notes,
    read_patches as read_patches,
    sample_patches as sample_patches,
    sample_slides as sample_slides,
)
from .placing import Patch as Patch, patch_grid as patch_grid, tissue_shown as tissue_shown
from .pyramid import Slide as Slide, open_slide as open_slide
from .slide_file import SLIDE_SUFFIXES as SLIDE_SUFFIXES, is_slide as is_slide
from .tiff_file import is_tiff as is_tiff, read_tiff as read_tiff
from .tissue import TissueMask as TissueMask, tissue_mask as tissue_mask
