"""Turn replies into rewards, and the rewards of a group into advantages, for learning from a reward.

In: a case and a reply, or the rewards of several replies to one prompt. Out: numbers.

- ``marked``: computes the rewards of a reply, for its answer and for its form.
- ``groups``: compares each reply of a group with the others.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
