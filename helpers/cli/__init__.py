"""The command line ``medgemma-tutorials COMMAND``: a file for each command.

In: the words of a command line. Out: an exit code. Each file has the options of a command, its call and its
closing lines. It loads other packages only when the command is called.

- ``command_line``: joins all commands, and turns their errors into messages and exit codes.
- ``parser``: turns words into options. Its errors suggest the nearest name, and its help texts have examples.
- ``checks``: checks the values of options before anything is loaded.
- ``quiet``: delays progress bars, so that a short command shows none.
- ``run``, ``ask``, ``benchmark``, ``evaluate``, ``prepare``, ``serve``, ``finetune``, ``merge``, ``record``,
  ``report``, ``gallery``, ``doctor``, ``badges``: one command each.
- ``kinds``: the kinds of teaching cases, in words.
- ``model``, ``reading``, ``workers``: the options of every command that asks a model, reads images, or may be
  spread over Ray.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
