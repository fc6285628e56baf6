"""Whole slides: any OpenSlide format to the tissue in it, and to patches of 896 x 896 pixels.

In: the path of a slide. Out: RGB patches at a stated resolution, in microns per pixel.

- ``slide_file``, ``tiff_file``, ``dicom_slide`` (with ``dicom_image``, ``dicom_levels``): what a file is, and
  whether it is whole.
- ``scale``: its microns per pixel.
- ``pyramid``: the open slide, its levels, and a region of it.
- ``tissue``: where the tissue is, from an overview.
- ``placing``: a grid of patches on each piece of tissue.
- ``patches``: a sample of it, of several slides too, and the patches' pixels.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
