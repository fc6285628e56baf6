"""Turn an image's name into a checked file on this machine. Loads neither torch nor pydicom.

In: a name in data_manifest.yaml, a path, or the address of a DICOMweb series. Out: a path that can be read.

- ``entries``: data_manifest.yaml, checked: sources, licences, citations, checksums.
- ``fetching``: bundled files, downloads, and own paths.
- ``idc``: series of the NCI Imaging Data Commons.
- ``series_url``: splits the address of a DICOMweb series into its parts, and checks it.
- ``tokens``: finds the token of a server in the environment or in Colab's secrets, and checks it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
