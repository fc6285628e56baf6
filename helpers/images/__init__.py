"""What a path holds, whatever it is, and the images that a model gets of it.

In: a file or folder. Out: a `Study` of its parts, or square RGB images.

- ``image``: one 2D image as RGB. ``picture`` and ``tiff_picture`` read pictures, with ``rgb`` and ``pages``;
  ``dicom_image`` reads DICOM, with ``grey_levels``, ``dicom_colours`` and ``lookup_table``.
- ``study``: CT, MR, slide or 2D image? Told from headers alone.
- ``reading``: how images are read where a path holds several, or not what was expected.
- ``model_images``: the images of a volume, slide or picture, in the form that prompts, tables and shards share.
- ``deidentified``: whether images may leave this machine, by the headers of their files; ``hashed_files`` tells
  whether they are still those files.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
