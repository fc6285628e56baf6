"""A ``map`` over workers, which continues when a worker dies.

In: a function and many sources. Out: its results, in the order in which they are ready.

- ``processes``: worker processes of this machine.
- ``cluster``: workers on Ray, here or on a cluster.
- ``ahead``: one thread that prepares the next item while its caller works with this one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
