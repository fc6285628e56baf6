"""The command line ``medgemma-tutorials COMMAND``: a file for each command.

In: words of a command line. Out: an exit code. Each file has its command's options, its call and its closing
lines, and loads what it needs when the command is called.

- ``command_line``: all commands together, and what becomes of their errors.
- ``run``, ``ask``, ``evaluate``, ``prepare``, ``serve``, ``finetune``, ``report``, ``gallery``, ``doctor``,
  ``badges``: one command each.
- ``reading``: the options of every command that reads volumes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
