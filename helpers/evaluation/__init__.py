"""Ask cases with known answers, store the answers, and score them.

In: a model and cases (a table of your own, or teaching cases). Out: ``answers.jsonl`` and scores with intervals.

- ``labelled``: turns your own table into cases. ``table_file`` reads its rows, ``row_checks`` finds their faults,
  and ``example_table`` writes an example. ``quantities``: questions that a number answers.
- ``asking``: asks about a case, and chooses the facts of its answer to keep.
- ``run``: a run on this machine that can be stopped and continued, with its own folder (``answer_file``).
- ``kept_answers``: finds the question, the model (``asked_model``) and the state of the files (``source_state``)
  to which an answer belongs.
- ``on_ray``, ``answer_shards``: the same with many workers, and answers in Parquet.
- ``scores``: computes scores from the answers alone, with ``intervals``. ``marks``, ``text_scores`` and
  ``finding_scores`` mark an answer. ``likelihood_scores`` and ``calibration`` score its likelihood of yes.
- ``stress_run``: asks the same cases in other ways: ``stress_cases`` with other words (``stress_wordings``) and
  with other images or none. ``stress_scores`` and ``stress_text`` tell whether the model looks at the images and
  keeps its answers.
- ``comparing``: compares two runs on the same cases.
- ``score_lines``: writes scores as lines of text. `helpers.reports` puts several runs on one page.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
