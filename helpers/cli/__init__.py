"""The command line ``medgemma-tutorials COMMAND``: a file for each command.

In: words of a command line. Out: an exit code. Each file has its command's options, its call and its closing
lines, and loads what it needs when the command is called.

- ``command_line``: all commands together, and what becomes of their errors.
- ``parser``: words to options, with the nearest name in an error and examples in the help.
- ``checks``: what is checked of an option before anything is loaded.
- ``quiet``: progress bars that wait, so that a short command shows none.
- ``run``, ``ask``, ``benchmark``, ``evaluate``, ``prepare``, ``serve``, ``finetune``, ``merge``, ``record``,
  ``report``, ``gallery``, ``doctor``, ``badges``: one command each.
- ``kinds``: the kinds of teaching cases, in words.
- ``model``, ``reading``, ``workers``: the options of every command that asks a model, reads images, or may be
  spread over Ray.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
