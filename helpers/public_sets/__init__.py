"""Turn a public benchmark that the user downloaded into a table of questions, with the published figures beside
it.

In: the unpacked folder of a set. Out: a table for `helpers.evaluation`, and the terms and figures of the set. This
package neither bundles nor downloads data.

- ``published``: figures of MedGemma 1 and 1.5, each with its measure and source.
- ``layouts``: describes a set, and finds and reads its files.
- ``pathology_patches``, ``visual_questions``, ``chest_ct``, ``chest_pairs``, ``brain_mri``: the sets.
- ``tables``: writes the rows of a set as a table.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
