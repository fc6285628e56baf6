"""Read which findings a text asserts, negates or leaves in doubt.

In: a report or a reply in English. Out: its pairs of finding and state.

- ``terms``: the list of terms by which findings are recognised: ``terms.txt`` or your own list.
- ``cues``: words of negation and doubt, after NegEx and ConText.
- ``statements``: finds which cue speaks of which finding, in a text that ``words`` and ``items`` read.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
