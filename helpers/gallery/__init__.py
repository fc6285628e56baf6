"""A run and the guide as one static site: notebooks, guide, scores, API and search, without a server.

In: the folder of a run, and the folder of the guide. Out: a folder of HTML that asks no outside host.

- ``site``: builds it whole.
- ``notebooks``: an executed notebook as a page.
- ``documents``: a Markdown page of the guide as a page of the site.
- ``scores``: published and measured scores side by side.
- ``api``: the public names of the package.
- ``page``: links, sections, accessibility, the search index.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
