"""Lab reports to rows: made reports whose truth is known, replies that are read and scored, a folder to a table.

In: pages of a report, as images or PDF, and a model. Out: typed rows, what was mended in them, scores, a table.

- ``made_reports``: invented reports from a seed, with ``analytes`` in four languages; ``page_layouts`` draws them,
  ``scans`` spoils the pages.
- ``schema``: what a row holds, the project's `LabRow` or your own JSON Schema, and the prompt that asks for it.
- ``replies``: a reply to rows, with everything that was mended (``lenient_json``).
- ``same_fields``: when two cells say the same, by ``printed_numbers`` and ``units`` (UCUM).
- ``matching``: which row is which; ``row_scores``: precision, recall and F1 of each field.
- ``made_replies``: replies that no model wrote, for runs without a model that reads.
- ``folder_run``: a folder of reports asked page by page, and its table.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
