"""Medical images to prompts, answers and scores with MedGemma 1.5.

Data flows one way, a folder for each stage::

    data -> volumes, slides, images -> prompts -> models -> evaluation, finetuning

The names here are those that most people need. Each is loaded when it is first used: importing this package loads
neither torch nor pydicom. Everything else is in the folders, whose docstrings say what comes in and what goes out.

For education; not a medical device and not for diagnosis.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
