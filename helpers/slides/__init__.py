"""Open whole slides of any OpenSlide format, find their tissue, and read patches of 896 x 896 pixels.

In: the path of a slide. Out: RGB patches at a stated resolution, in microns per pixel.

- ``slide_file``, ``tiff_file``, ``dicom_slide`` (with ``dicom_image``, ``dicom_levels``): find out what a file is,
  and whether it is complete.
- ``scale``: the microns per pixel of a slide.
- ``pyramid``: the open slide, its levels, and a region of it.
- ``tissue``: finds the tissue on an overview.
- ``placing``: lays a grid of patches over each piece of tissue.
- ``patches``: draws a sample of the grid, also from several slides, and reads the pixels of patches.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
