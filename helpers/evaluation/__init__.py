"""Cases with known answers: asked, kept, scored and reported.

In: a model and cases (a table of your own, or teaching cases). Out: ``answers.jsonl`` and scores with intervals.

- ``labelled``: your own table as cases.
- ``asking``: how a case is asked, and what is kept of its answer.
- ``run``: a run here that can be stopped and gone on with.
- ``on_ray``, ``answer_shards``: the same by many workers, with the answers in Parquet.
- ``scores``: scores from the answers alone.
- ``report``: several runs side by side.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
