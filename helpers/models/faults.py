"""Remember ways to compute that do not work on a device: each is reported once, and then not used again."""

from __future__ import annotations

import torch


class Faults:
    """The devices on which a way to compute has failed, and the fault of each.

    Args:
        instead: a sentence about the way that is used instead; the device and the fault are added to it.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead
        self.known: dict[tuple[str, int], str] = {}

    def on(self, device: torch.device | str) -> str:
        """The fault on a device, in one line; "" if there was none."""
        return self.known.get(_place(device), "")

    def note(self, device: torch.device | str, fault: str) -> None:
        """Keep the first fault of a device, and print it."""
        if not self.on(device):
            print(f"{self._instead} on {device}: {fault}")
        self.known.setdefault(_place(device), fault)


def _place(device: torch.device | str) -> tuple[str, int]:
    device = torch.device(device)
    return device.type, device.index or 0  # a GPU without a number is the first GPU


def described(error: Exception) -> str:
    """An error's kind and its first line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
