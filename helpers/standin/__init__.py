"""The stand-in: a very small model of MedGemma's own classes, made from nothing (``make tiny``).

In: teaching cases. Out: the folder ``standin_weights``, which `helpers.models.load_model` calls "standin". It is
not MedGemma, and not for medicine.

- ``model``: the untrained parts: config, tokenizer, chat template, processor.
- ``training``: the two stages of its training.
- ``sight``: the vision tower learns to see.
- ``bank``, ``lessons``, ``hints``: encoded images, questions about them, and heads that help the language model.
- ``worded``, ``words``: lessons in anybody's words, and those without images.
- ``untouched``: the bundled images as they are.
- ``curve``: the loss as it was, and the learning rate.
- ``scoring``, ``talking``: its scores on held-out cases, and in words that it never met (``make score``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
