"""Ask cases with known answers, store the answers, and score them.

In: a model and cases (a table of your own, or teaching cases). Out: ``answers.jsonl`` and scores with intervals.

- ``labelled``: your own table as cases; ``table_file`` reads its rows, ``row_checks`` says what is wrong with one,
  ``example_table`` writes one to begin with. ``quantities``: what a number answers.
- ``asking``: how a case is asked, and what is kept of its answer.
- ``run``: a run on this machine that can be stopped and continued, with its own folder (``answer_file``).
- ``kept_answers``: which answer belongs to which question, of which model (``asked_model``) and which state of its
  files (``source_state``).
- ``on_ray``, ``answer_shards``: the same with many workers, and answers in Parquet.
- ``scores``: scores from the answers alone, with ``intervals``: of what each answer is worth (``marks``,
  ``text_scores``, ``finding_scores`` by `helpers.findings`) and of its likelihood of yes (``likelihood_scores``,
  ``calibration``).
- ``stress_run``: the same cases in other ways too (``stress_cases``: in other words by ``stress_wordings``, with
  other images or none), and what that tells (``stress_scores``, ``stress_text``): does a model look and hold?
- ``comparing``: one run against another on the same cases.
- ``score_lines``: scores in words. Several runs as one page: `helpers.reports`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
