"""Make teaching cases with known truth from real anatomy in the bundled images, changed at random.

In: a kind and a seed. Out: a `Case` with its prompt, its answer, and where its simple finding lies.

- ``cases``: the kinds of cases; each case follows from a seed.
- ``pictures``: single images, changed at random.
- ``findings``, ``volumes``: put findings into a head CT or brain MRI.
- ``thin``: pairs of volumes, one with a finding of a few slices, and the same one without it.
- ``slides``: slides composed of real tissue.
- ``composed`` (with ``jpeg_tiff``): a large slide of real tissue, with three levels and more patches than a prompt
  takes.
- ``foci``: such a slide with one small focus of another stain.
- ``chests``: pleural effusions in a radiograph.
- ``questions``: the questions about them, in the words of the report.
- ``rewording``, ``wordings``, ``phrases``: the same questions in everyday words, from a grammar.
- ``other_questions``: questions that the stand-in did not learn and should decline.
- ``other_models``: the cases that are also right for a model other than the stand-in.
- ``case_files``: writes cases as DICOM series, pyramidal TIFF or PNG.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
