"""What MedGemma 1.5 takes: its context, slices, patches and windows.

Source, unless said otherwise: MedGemma 1.5 technical report (arXiv:2604.05081) and model card.
"""

from __future__ import annotations

# The context, in tokens of text and images. The report stays below 32K "to keep the memory requirements during
# training manageable"; the model itself can read more. Here it is the default of what a prompt may have, and you
# can raise it up to the window (`helpers.models.load_model`, ``context``).
CONTEXT_BUDGET = 32_768  # the four wrapper tokens of each image are not counted
CONTEXT_WINDOW = (
    131_072  # tokens of prompt and answer together: 128K (model card), `max_position_embeddings` of Gemma 3 4B
)
IMAGE_TOKENS = 256  # tokens of one image
IMAGE_SIDE = 896  # pixels

# CT and MRI volumes.
MAX_SLICES = 85  # 85 slices x 256 tokens = 21,760 image tokens
MIN_SLICES = 5
MAX_SLICE_SIDE = 512  # pixels
CT_WINDOWS = {"wide": (-1024, 1024), "soft tissue": (-135, 215), "brain": (0, 80)}  # HU, into R, G and B
# Those of MedGemma 1 (google/medgemma-4b-it), whose red is wider: width and level 2250/-100, 350/40 and 80/40,
# as issue 27 of Google-Health/medgemma quotes them from its report.
CT_WINDOWS_1 = {"bone and lung": (-1225, 1025), "soft tissue": (-135, 215), "brain": (0, 80)}

# Whole slides.
MAX_PATCHES = 126  # 126 patches x 256 tokens = 32,256 image tokens
PATCH_SIDE = IMAGE_SIDE
MAGNIFICATION_MPP = {5: 2.0, 10: 1.0, 20: 0.5}  # objective power -> microns per pixel
