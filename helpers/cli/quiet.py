"""Delay the progress bars of all libraries, so that a command of a few seconds shows none."""

from __future__ import annotations

import os

DELAY = "TQDM_DELAY"  # tqdm reads it when it is imported; an existing value stays
SECONDS = "2"


def delay_bars() -> None:
    """Let each bar of this process appear only when its work has taken two seconds.

    transformers, datasets and huggingface_hub all use tqdm. Processes that are started from here (kernels of
    notebooks, a server) do not inherit the setting, because it is removed from the environment again.
    """
    if DELAY in os.environ:
        return
    os.environ[DELAY] = SECONDS
    try:
        import tqdm  # noqa: F401
    finally:
        del os.environ[DELAY]
