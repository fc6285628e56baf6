"""Train a LoRA adapter from conversations.

In: a loaded model and examples with answers. Out: the folder of an adapter, for `helpers.models.load_model`.

- ``config``, ``settings_file``, ``problems``: read a run from a YAML file, and report each mistake with its line.
- ``starting_file``: writes such a file with all settings explained.
- ``planning``: estimates memory, disk and hours before a run, for ``gpus``.
- ``counting``, ``tracing``: compute the parts of the plan, from shapes and from runs on tensors without numbers.
- ``training_data``: checks examples, and turns them into token ids with labels for the answers.
- ``batches``: puts those rows into batches.
- ``tower``: makes the image tokens of a batch inside the forward pass.
- ``tuning``: the settings, and the weights that are trained with them.
- ``image_features``: encodes images once, and stores the tokens in a folder that ``feature_folder`` checks.
- ``readiness``: checks that model and processes can carry out the run.
- ``train``: the training itself, which a later call can continue, on one device or several; ``live_loss`` draws
  its loss.
- ``reinforcing``: learns from a reward of the model's own replies, with the settings in ``reinforcement``;
  ``group_planning`` plans its memory, and ``drawing`` asks many cases side by side.
- ``checkpoints``, ``work``: the folder of a run, which survives a crash.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
