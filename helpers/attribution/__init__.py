"""Where did the model look? Which of its images an answer depends on.

In: a model that is loaded here, and a prompt with images. Out: for each image, or for each region of one, how much
the log-odds of the answer lose without it; and where attention went, as a contrast.

- ``answers``: the two answers that are compared, as tokens, and their log-odds.
- ``blanks``: what an image or a region is exchanged for.
- ``occlusion``: images exchanged one by one or in blocks, coarse to fine; what is measured, as an `Occlusion`.
- ``regions``: the same for the fields of a grid on one image.
- ``rollout``: attention rolled out over the layers.
- ``pictures``: a strip of bars under the slices, and a map over one image.
- ``explaining``: all this for a prompt that was just answered, into a folder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
