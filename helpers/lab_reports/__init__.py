"""Turn lab reports into rows of a table, and score how well a model reads them on reports with known truth.

In: pages of a report, as images or PDF, and a model. Out: typed rows, a note of every mended fault, scores, and a
table.

- ``made_reports``: invents reports from a seed, with ``analytes`` in four languages. ``page_layouts`` draws them,
  and ``scans`` makes the pages look badly scanned.
- ``schema``: the fields of a row, from the project's `LabRow` or your own JSON Schema, and the prompt for them.
- ``replies``: reads the rows of a reply, and mends JSON with faults (``lenient_json``).
- ``same_fields``: decides whether two cells mean the same, by ``printed_numbers`` and ``units`` (UCUM).
- ``matching``: pairs the rows of a reply with those of the report. ``row_scores``: precision, recall and F1.
- ``made_replies``: invents replies with known errors, to test the scoring without a model that can read.
- ``folder_run``: asks about each page of a folder of reports, and writes the table.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
