"""The stand-in: a very small model of MedGemma's own classes, made from nothing (``make tiny``).

In: teaching cases. Out: the folder ``standin_weights``, which `helpers.models.load_model` calls "standin". It is
not MedGemma, and not for medicine.

- ``model``: the untrained parts: config, tokenizer, chat template, processor.
- ``training``: the three stages of its training.
- ``sight``: the vision tower learns to see.
- ``bank``, ``lessons``, ``hints``: encoded images, questions about them, and heads that help the language model.
- ``curve``: the loss as it was, and the learning rate.
- ``scoring``, ``talking``: its scores on held-out cases, and in anybody's words (``make score``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
