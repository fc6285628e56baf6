"""Teaching cases with known truth: real anatomy from the bundled images, changed at random.

In: a kind and a seed. Out: a `Case` with its prompt, its answer, and where its simple finding lies.

- ``cases``: the kinds of cases, each from a seed.
- ``pictures``: single images, changed at random.
- ``findings``, ``volumes``: what is put into a head CT or brain MRI.
- ``thin``: volumes with a finding of a few slices, each beside the same volume without it.
- ``slides``: slides composed of real tissue.
- ``composed`` (with ``jpeg_tiff``): a large slide of it, with three levels and more patches than fit a prompt.
- ``foci``: such a slide with one small focus of another stain.
- ``chests``: pleural effusions in a radiograph.
- ``questions``: what is asked about them, in the report's words.
- ``rewording``, ``wordings``: the same in the words of anybody, from a grammar.
- ``other_questions``: what was not learned and is to be declined.
- ``other_models``: which of them hold for a model other than the stand-in.
- ``case_files``: the same as DICOM series, pyramidal TIFF or PNG.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
