"""Find first, then ask: ask about a volume or slide in small parts, then again where yes is likeliest.

In: a model, an open volume or slide, and a yes-or-no question. Out: a `Found` with the question, the likelihood of
yes in each part, the place of the finding, the final answer, and the cost.

- ``blocks``: chooses the slices of each prompt, and computes how often slices at equal distances miss a finding.
- ``reading``: asks about each part in a prompt of its own, and reads the likelihood of yes.
- ``searches``: searches through a volume, or through a slide.
- ``costs``: counts the tokens of a search before it runs.
- ``thresholds``: fits how likely yes has to be, on cases with known answers.
- ``paths``: searches through a file or folder, for ``medgemma-tutorials ask --find``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
