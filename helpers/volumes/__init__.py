"""CT and MR: files to an axial volume, and its slices to the RGB images that MedGemma 1.5 reads.

In: a DICOM series, a multi-frame file, NIfTI, or a DICOMweb address. Out: a `Volume`, then uint8 (n, y, x, 3).

- ``volume``: reads the headers into a `Volume`.
- ``colours``: chooses slices and turns them into colours.
- ``dicom_files``: which files are DICOM, and what each one is.
- ``dicom_slices``, ``dicom_record``: all slices of a series as records, from their headers.
- ``header_values``, ``dicom_private``: header values as they come.
- ``dicom_series``, ``dicom_choices``: one stack of those records, and words that choose among several.
- ``dicom_pixels``: their pixels; ``codestream``: what a compressed frame says of itself, before it is decoded.
- ``hounsfield``: whether values can be Hounsfield units.
- ``dicomweb``: the same records from a server.
- ``nifti``: NIfTI files.
- ``axes``, ``axial``: stored axes turned, or resampled, to axial slices.
- ``segments``: what was outlined in a volume, from a DICOM segmentation.
- ``sequences``: what a volume is called in a prompt.
- ``stacked``: several sequences or kernels of one examination in one prompt.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
