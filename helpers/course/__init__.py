"""Run the notebooks unattended, and check what this machine can run.

In: the folder of the notebooks. Out: executed notebooks, their results, and an index page.

- ``runner``: runs the notebooks with papermill, and keeps their results.
- ``side_by_side``: runs several at a time, in order; ``watch``: follows one of them while it runs.
- ``notebook_files``: finds the notebooks, their order and their numbers.
- ``parameters``: reads the parameters of notebooks, and sets them from the command line.
- ``published``: shows published replies and figures of the real model, word for word.
- ``run_report``: writes the pages of a run.
- ``badges``: writes the launch links of notebooks and README from the one address of the repository.
- ``doctor``: reports what this machine can run; ``device`` asks torch, ``extras`` finds the optional parts.
- ``model_time``: computes how long MedGemma takes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
