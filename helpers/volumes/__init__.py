"""CT and MR: files to an axial volume, and its slices to the RGB images that MedGemma 1.5 reads.

In: a DICOM series, a multi-frame file, NIfTI, or a DICOMweb address. Out: a `Volume`, then uint8 (n, y, x, 3).

- ``volume``: reads the headers into a `Volume`, chooses slices, and turns them into colours.
- ``dicom_slices``: records of single slices from headers, and their pixels.
- ``dicom_series``: one stack of those records, sorted and checked.
- ``dicomweb``: the same records from a server.
- ``nifti``: NIfTI, turned to the same axes.
- ``stacked``: several sequences or kernels of one examination in one prompt.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
