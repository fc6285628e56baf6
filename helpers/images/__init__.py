"""Find out what any path holds, and make the images that a model gets from it.

In: a file or folder. Out: a `Study` of its parts, or square RGB images.

- ``image``: one 2D image as RGB. ``picture`` and ``tiff_picture`` read pictures, with ``rgb`` and ``pages``;
  ``pdf_pages`` draws pages of PDF; ``dicom_image`` reads DICOM, with ``grey_levels``, ``dicom_colours`` and
  ``lookup_table``.
- ``study``: finds out from headers whether a file is CT, MR, a slide or a 2D image.
- ``reading``: the options that say how to read a path, for example which of several volumes.
- ``model_images``: the images of a volume, slide or picture, in the form that prompts, tables and shards share.
- ``deidentified``: checks by the headers of files whether their images may leave this machine. ``hashed_files``:
  checks that the files have not changed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
