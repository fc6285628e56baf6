"""Run a server's command line in this process, and end with the process that started it, however that ended.

Started by `helpers.models.server` as a script, with a pipe as standard input: the starter holds its other end, so
that it closes even when the starter is killed and can say no goodbye.
"""

import importlib
import os
import sys
import threading


def main() -> None:
    """The arguments are a module with a ``main``, and that main's own arguments."""
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    module = sys.argv[1]
    sys.argv = [module, *sys.argv[2:]]
    importlib.import_module(module).main()


def _end_with_the_starter() -> None:
    while os.read(0, 1024):
        pass
    import psutil

    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(0)


if __name__ == "__main__":
    main()
