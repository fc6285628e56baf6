"""Convert boxes in a model's answer from the square that the model saw to the original image.

MedGemma gives boxes in thousandths of the picture that it saw, y before x. That picture was padded to a square.
"""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[float, float, float, float]  # y0, x0, y1, x1


def to_pixels(box: Sequence[float], size: tuple[int, int]) -> Box:
    """A box of 1000 on the padded square as pixels (y0, x0, y1, x1) of the image of ``size`` (width, height).

    The part of a box on the padding is cut off. A box that lies wholly on the padding has no area.
    """
    width, height = size
    side, top, left = _padded(size)
    y0, x0, y1, x1 = (value * side / 1000 for value in box)
    return (
        min(max(y0 - top, 0), height),
        min(max(x0 - left, 0), width),
        min(max(y1 - top, 0), height),
        min(max(x1 - left, 0), width),
    )


def from_pixels(box: Sequence[float], size: tuple[int, int]) -> Box:
    """Pixels (y0, x0, y1, x1) of an image of ``size`` (width, height) as a box of 1000 on the padded square."""
    side, top, left = _padded(size)
    y0, x0, y1, x1 = box
    return tuple(1000 * value / side for value in (y0 + top, x0 + left, y1 + top, x1 + left))


def side_of_patient(box: Sequence[float]) -> str:
    """On which side of the patient the middle of a box of 1000 lies on a frontal radiograph: "right" or "left".

    Radiographs are shown as if the patient faced the viewer: the patient's right is on the left of the picture.
    """
    return "right" if box[1] + box[3] < 1000 else "left"


def _padded(size: tuple[int, int]) -> tuple[int, int, int]:
    """Side of the padded square, and how far down and to the right in it the image begins."""
    width, height = size
    side = max(size)
    return side, (side - height) // 2, (side - width) // 2
