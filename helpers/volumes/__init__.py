"""Read CT and MR files as axial volumes, and make the RGB images of slices that MedGemma 1.5 reads.

In: a DICOM series, a multi-frame file, NIfTI, or a DICOMweb address. Out: a `Volume`, then uint8 (n, y, x, 3).

- ``volume``: reads the headers into a `Volume`.
- ``colours``: chooses slices and turns them into colours.
- ``dicom_files``: finds which files are DICOM, and what each file is; ``usual_headers`` reads most headers.
- ``dicom_slices``, ``dicom_record``: make a record of each slice of a series, from its header.
- ``header_values``, ``dicom_private``: read header values, also unusual ones.
- ``dicom_series``, ``dicom_choices``: stack those records into one volume, and choose among several volumes.
- ``dicom_pixels``: decodes the pixels of records; ``codestream``: checks a compressed frame before it is decoded.
- ``hounsfield``: checks whether values can be Hounsfield units.
- ``dicomweb``: makes the same records from a server.
- ``nifti``: reads NIfTI files.
- ``axes``, ``axial``: turn the stored axes, or resample the voxels, to axial slices.
- ``segments``: reads a DICOM segmentation as masks of the volume.
- ``sequences``: gives a volume its name in a prompt.
- ``stacked``: puts several sequences or kernels of one examination into one prompt.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
