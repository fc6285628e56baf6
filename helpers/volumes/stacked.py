"""Put several volumes of one examination into one prompt: kernels of a CT, or MR sequences such as T1, T2 and
FLAIR.

In the MedGemma 1.5 report, several stacked volumes share the 85 slices, but the report does not say how. This
project chose the method here.
"""

from __future__ import annotations

from collections.abc import Mapping

from helpers.errors import InputError
from helpers.prompts import MAX_SLICES, MIN_SLICES, shares
from helpers.volumes.colours import select_slices
from helpers.volumes.volume import Volume


def share_slices(volumes: Mapping[str, Volume], limit: int = MAX_SLICES) -> dict[str, list[int]]:
    """Choose at most ``limit`` slices from all volumes together; returns the slice indices of each volume by its
    name.

    Each volume gets slices in proportion to its number of slices (`helpers.prompts.sharing`), at least its first
    and its last. They lie at equal distances in the volume. The volumes need not have the same number of slices,
    spacing or size.

    Args:
        volumes: a dictionary from names ("T1", "FLAIR") to volumes, in the order of the prompt.
        limit: the largest number of slices from all volumes together.

    Raises:
        InputError: the volumes do not belong together (see `check_together`), a volume has fewer than 5 slices, or
            there are too many volumes.
    """
    check_together(volumes)
    for name, volume in volumes.items():
        if volume.shape[0] < MIN_SLICES:
            raise InputError(
                f"{name} has {volume.shape[0]} slices, but a volume prompt needs at least {MIN_SLICES}.",
                path=volume.path,
                remedy="Leave this volume out, or ask about its slices with image_messages.",
            )
    counts = [volume.shape[0] for volume in volumes.values()]
    places = shares(counts, limit, least=2, what="volumes")
    return {name: select_slices(n, got) for name, n, got in zip(volumes, counts, places, strict=True)}


def check_together(volumes: Mapping[str, Volume]) -> None:
    """Refuse volumes that are not from one examination, as far as their headers show it.

    DICOM states the patient and the frame of reference. NIfTI states neither, so NIfTI volumes are not refused.

    Raises:
        InputError: CT beside MR; different patients (the error does not show their identifiers); or different
            frames of reference, because the patient has moved or the examination is another.
    """
    facts = {
        "modality": "CT and MR are scaled differently. Ask about each volume separately.",
        "patient": "Give volumes of one patient.",
        "frame_of_reference": "Give volumes of one examination, or ask about each volume separately.",
    }
    for fact, remedy in facts.items():
        known = {name: value for name, volume in volumes.items() if (value := getattr(volume, fact))}
        first = next(iter(known), "")
        for name, value in known.items():
            if value != known[first]:
                shown = f" ({known[first]} and {value})" if fact == "modality" else ""
                raise InputError(
                    f"{first} and {name} do not belong together: the {fact.replace('_', ' ')} differs{shown}.",
                    path=volumes[name].path,
                    remedy=remedy,
                )
