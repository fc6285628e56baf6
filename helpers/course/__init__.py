"""The notebooks, run unattended, and what they run on.

In: the folder of the notebooks. Out: executed notebooks, their results, and an index page.

- ``runner``: runs them with papermill and keeps what they leave.
- ``side_by_side``: how many at a time, in order; ``watch``: one of them while it runs.
- ``notebook_files``: which there are, their order and their numbers.
- ``parameters``: their parameters, from the command line.
- ``published``: what was published of the real model, word for word.
- ``run_report``: the pages of a run.
- ``badges``: the launch links of notebooks and README, and the one address of the repository.
- ``doctor``: what this machine can run, as ``device`` sees it by torch; ``extras``: the optional parts.
- ``model_time``: how long MedGemma takes, by arithmetic.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
