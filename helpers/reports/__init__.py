"""Evaluations side by side on one page: what they say in plain words, charts, the worst cases, the settings.

In: the folders of evaluations. Out: ``report.html``, one file that asks no other host and has no script, and
``report.md`` with the same words and tables.

- ``runs``: the answers of a folder, their scores computed anew, and what the run was made with.
- ``verdict``: what the scores allow to say, with the words for what they do not.
- ``tables``: figures as rows of text; ``settings``: what the runs were made with, and where they differ.
- ``charts``: the figures as places on a plot; the templates draw them as SVG.
- ``worst``: the cases to look at first; ``case_pictures``: their images, as the model saw them.
- ``page``: both files, written whole or not at all.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
