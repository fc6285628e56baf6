"""Public benchmarks that their user downloads: a folder to a table of questions, and what is published beside it.

In: a folder as it was unpacked. Out: a table for `helpers.evaluation`, and the terms and figures to read it by. No
data are bundled, and none are fetched.

- ``published``: figures of MedGemma 1 and 1.5, each with its measure and source.
- ``layouts``: what a set is, and how its files are found and read.
- ``pathology_patches``, ``visual_questions``, ``chest_ct``, ``chest_pairs``, ``brain_mri``: the sets.
- ``tables``: a set's rows as a table.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
