"""Show evaluations side by side on one page: a verdict in plain words, charts, the worst cases, the settings.

In: the folders of evaluations. Out: ``report.html``, one file without scripts that loads nothing from other hosts,
and ``report.md`` with the same words and tables.

- ``runs``: reads the answers and settings of a folder, and computes the scores again.
- ``verdict``: says in words what the scores show and what they do not show.
- ``tables``: writes figures as tables; ``settings``: lists the settings of the runs and their differences.
- ``charts``: computes the positions of figures on plots; the templates draw them as SVG.
- ``worst``: chooses the cases to look at first; ``case_pictures``: draws their images as the model saw them.
- ``page``: writes both files, completely or not at all.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
