from .patches import (
    MIN_TISSUE as MIN_TISSUE,
    Patch as Patch,
    patch_grid as patch_grid,
    read_patches as read_patches,
    sample_patches as sample_patches,
    sample_slides as sample_slides,
)
from .pyramid import Slide as Slide, open_slide as open_slide
from .tissue import TissueMask as TissueMask, tissue_mask as tissue_mask
