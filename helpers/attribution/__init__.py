"""Where did the model look? This room measures which images an answer depends on.

In: a model that is loaded here, and a prompt with images. Out: how much the log-odds of the answer lose without
each image, or without each region of one image. As a contrast, where the model's attention went.

- ``answers``: the two answers that are compared, as tokens, and their log-odds.
- ``blanks``: what an image or a region is exchanged for.
- ``occlusion``: exchanges images one by one, in blocks, or in ever smaller blocks. Its result is an `Occlusion`.
- ``regions``: paints over the fields of a grid on one image, one after the other.
- ``rollout``: follows attention through the layers back to the images.
- ``pictures``: draws a strip of bars under the slices, and a map over one image.
- ``explaining``: measures and draws for a prompt that was just answered, and writes both into a folder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
