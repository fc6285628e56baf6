"""Write files that are either complete or absent, on this machine and in a bucket.

In: content and a path or address. Out: files and folders that nobody ever sees half-written.

- ``files``: a file, a folder or JSON on this machine.
- ``hashes``: the hash of a file, by which another file in its place is noticed.
- ``places``: checks that a folder can be made, before the work that fills it begins.
- ``stores``: complete files in any folder that fsspec reaches (``s3://``, ``gs://`` ...), and Parquet's library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
