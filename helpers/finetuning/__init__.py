"""Conversations to a LoRA adapter.

In: a loaded model and examples with answers. Out: the folder of an adapter, for `helpers.models.load_model`.

- ``config``: a run as a YAML file.
- ``planning``: memory and hours before anything is spent.
- ``training_data``: examples checked, as token ids with the loss on the answers.
- ``batches``: those rows as batches, with their images.
- ``tuning``: the settings, and which weights they set free.
- ``image_features``: images encoded once and kept.
- ``train``: the training itself, resumable, on one device or several.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
