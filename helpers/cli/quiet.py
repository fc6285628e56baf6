"""Progress bars that wait, so that a command of a few seconds shows none, whichever library they are of."""

from __future__ import annotations

import os

DELAY = "TQDM_DELAY"  # read by tqdm when it is imported; a value that is set already stays
SECONDS = "2"


def delay_bars() -> None:
    """Let each bar of this process appear only when its work has taken two seconds.

    Those of transformers, datasets and huggingface_hub are all tqdm's. What is started from here (the kernels of
    notebooks, a server) keeps its own, because the setting is gone from the environment again.
    """
    if DELAY in os.environ:
        return
    os.environ[DELAY] = SECONDS
    try:
        import tqdm  # noqa: F401
    finally:
        del os.environ[DELAY]
