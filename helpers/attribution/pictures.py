"""Draw an `Occlusion`: bars under the slices or patches, or a map over one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from helpers.attribution.occlusion import Occlusion
from helpers.errors import InputError

FOR, AGAINST, TRUE = "tab:orange", "tab:blue", "0.82"  # colour-blind people can tell them apart too
THUMBNAILS, SIDE = 10, 120  # pictures above the bars, and pixels of each


def heat_strip(
    images: Sequence[Image.Image],
    found: Occlusion,
    *,
    marked: Sequence[int] = (),
    what: str = "SLICE",
    marked_as: str = "the finding is here",
) -> Any:
    """Draw a bar for each part, as high as the part speaks for the model's answer, and some images above the bars.

    Args:
        images: all images of the prompt.
        found: what `helpers.attribution.occlude` measured on that prompt.
        marked: numbers of the images, from 0, in which a finding is known to be. They are shaded.
        what: the word for an image. The images are counted from 1, as in the prompt.
        marked_as: the words in the legend that say what the shade means.

    Returns:
        A figure of matplotlib, which ``plt.show()`` shows.
    """
    import matplotlib.pyplot as plt

    if any(not 0 <= number < len(images) for part in found.parts for number in part):
        raise InputError(
            "These are not the images of that occlusion.",
            remedy="Give the images of the prompt that was measured.",
        )
    figure, (above, below) = plt.subplots(2, 1, figsize=(10, 3.6), height_ratios=(1, 1.9), layout="constrained")
    centres = [float(np.mean(part)) + 1 for part in found.parts]
    best = found.parts[found.winner]
    chosen = _thumbnails(len(images), best[len(best) // 2])
    row = [np.asarray(images[k].convert("RGB").resize((SIDE, SIDE))) for k in chosen]
    above.imshow(np.hstack(row))
    for k, number in enumerate(chosen):
        is_best = number in best
        above.text(k * SIDE + 4, 6, str(number + 1), color="yellow" if is_best else "white", va="top", fontsize=8)
    above.axis("off")
    for number in marked:
        below.axvspan(number + 0.5, number + 1.5, color=TRUE, label=marked_as if number == marked[0] else None)
    support = found.support
    widths = [0.85 * len(part) for part in found.parts]
    below.bar(centres, support, widths, color=np.where(support > 0, FOR, AGAINST))
    below.plot(
        centres[found.winner], max(0.0, float(support.max())), "v", color="black", label="speaks most for it"
    )
    below.axhline(0, color="0.4", linewidth=0.8)
    below.set(xlabel=what, ylabel="log-odds lost without it", xlim=(0.4, len(images) + 0.6), ymargin=0.12)
    below.set_title(f'the answer "{found.answer}", log-odds {abs(found.plain):.1f} with all images', fontsize=9)
    below.legend(fontsize=8)
    return figure


def _thumbnails(n: int, winner: int) -> list[int]:
    """Choose the images that stand above the bars: as many as fit, equally far apart, and the winner."""
    chosen = np.unique(np.rint(np.linspace(0, n - 1, min(n, THUMBNAILS))).astype(int))
    chosen[np.abs(chosen - winner).argmin()] = winner
    return sorted(set(chosen.tolist()))


def region_map(image: Image.Image, found: Occlusion) -> Any:
    """Draw an image twice: as it is, and with the fields of `helpers.attribution.occlude_regions` coloured.

    An orange field speaks for the model's answer, and a blue one against it. The stronger the colour, the more it
    does. ``image`` is the image that the model got, and may have lines drawn on it. Returns a figure of
    matplotlib.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgb

    figure, axes = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained")
    support = found.support
    strength = np.abs(support) / (np.abs(support).max() or 1)
    heat = np.zeros((image.height, image.width, 4))
    for (y0, x0, y1, x1), value, alpha in zip(found.parts, support, strength, strict=True):
        heat[y0:y1, x0:x1] = (*to_rgb(FOR if value > 0 else AGAINST), 0.75 * alpha)
    for axis, title in zip(axes, ("what the model gets", f'what speaks for "{found.answer}"'), strict=True):
        axis.imshow(image)
        axis.set(xticks=[], yticks=[])
        axis.set_title(title, fontsize=9)
    axes[1].imshow(heat)
    return figure
