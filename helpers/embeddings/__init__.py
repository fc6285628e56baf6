"""A vision tower by itself: volumes, slides and images to vectors.

In: images, or a folder of series. Out: float32 vectors, in memory or in Parquet.

- ``embedder``: the tower of MedGemma, MedSigLIP or the stand-in.
- ``table``: a folder to a table of vectors, resumable.
- ``probes``: what the vectors can tell: linear probes, drift between sites.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
