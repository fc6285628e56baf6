"""Run a server's command line in this process, and end with the process that started it, however that ended.

`helpers.models.server` starts this file as a script, with a pipe as standard input. The starter holds the other
end of the pipe. So the pipe closes when the starter ends, even if it is killed.
"""

import importlib
import os
import sys
import threading


def main() -> None:
    """Run the ``main`` of the module in the first argument, with the other arguments."""
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
