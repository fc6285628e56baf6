"""Turn volumes, slides and images into vectors with a vision tower.

In: images, or a folder of series. Out: float32 vectors, in memory or in Parquet.

- ``embedder``: the tower of MedGemma, MedSigLIP or the stand-in.
- ``table``: embeds a folder as a table of vectors; a stopped run continues.
- ``probes``: uses the vectors for linear probes and for drift between sites.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
