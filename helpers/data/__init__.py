"""An image's name to a checked file on this machine. Loads neither torch nor pydicom.

In: a name in data_manifest.yaml, a path, or the address of a DICOMweb series. Out: a path that can be read.

- ``entries``: data_manifest.yaml, checked: sources, licences, citations, checksums.
- ``fetching``: bundled files, downloads, and own paths.
- ``idc``: series of the NCI Imaging Data Commons.
- ``series_url``: the address of a DICOMweb series, taken apart and checked.
- ``tokens``: what opens a server, from the environment or from Colab's secrets.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
