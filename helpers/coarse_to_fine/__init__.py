"""Find first, then ask: all of a volume or slide in small parts, then again where the model saw something.

In: a model, an open volume or slide, and a yes-or-no question. Out: a `Found` with what was asked, where, the
likelihood of yes of each part, the final answer, and what all of it cost.

- ``blocks``: which slices are asked about together, and which of them again; how often even steps miss a finding.
- ``reading``: one prompt for each part, and what the model makes of it.
- ``searches``: a search through a volume, and one through a slide.
- ``costs``: the tokens of a search, before it is run.
- ``thresholds``: how likely yes has to be, from cases with known answers.
- ``paths``: the search of ``medgemma-tutorials ask --find``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
