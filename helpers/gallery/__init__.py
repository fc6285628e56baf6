"""A run as a static site: notebooks, scores, API and search, without a server.

In: the folder of a run. Out: a folder of HTML that asks no outside host.

- ``site``: builds it whole.
- ``notebooks``: an executed notebook as a page.
- ``scores``: published and measured scores side by side.
- ``api``: the public names of the package.
- ``page``: links, accessibility, the search index.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
