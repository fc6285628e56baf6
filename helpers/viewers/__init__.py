"""Show volumes, slides, answers and boxes in a notebook, as still pictures and with sliders.

In: the results of the other stages. Out: figures and widgets; each widget has a still picture.

- ``figures``: images side by side, outlines, a slider.
- ``volume``, ``volume_pictures``: a volume in three planes, with its window.
- ``slide``: a slide, its tissue and its patches.
- ``answer``, ``ask_box``: an answer beside its truth; a form to ask.
- ``mistakes``: makes mistakes on purpose, and shows the error of each.
- ``picture_widget``, ``pictures``: the parts of which the viewers are made.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
