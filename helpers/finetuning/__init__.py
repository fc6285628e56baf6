"""Conversations to a LoRA adapter.

In: a loaded model and examples with answers. Out: the folder of an adapter, for `helpers.models.load_model`.

- ``config``, ``settings_file``, ``problems``: a run as a YAML file, each mistake with its line.
- ``starting_file``: such a file with all settings explained.
- ``planning``: memory, disk and hours before anything is spent, on ``gpus``.
- ``counting``, ``tracing``: what the plan is made of, from shapes and from runs without numbers.
- ``training_data``: examples checked, as token ids with the loss on the answers.
- ``batches``: those rows as batches.
- ``tower``: the images of a batch, made inside the forward.
- ``tuning``: the settings, and which weights they set free.
- ``image_features``: images encoded once and kept, in a folder that ``feature_folder`` checks.
- ``readiness``: whether model and processes can make the run.
- ``train``: the training itself, resumable, on one device or several; ``live_loss`` draws its loss meanwhile.
- ``reinforcing``: learning from a reward of the model's own replies, by the settings in ``reinforcement``;
  ``group_planning`` plans its memory, and ``drawing`` asks many cases side by side.
- ``checkpoints``, ``work``: a run's folder, which outlives a crash.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
