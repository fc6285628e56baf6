"""Draw pictures of volumes and slides for the notebooks. Only notebooks use these functions."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers.errors import InputError
from helpers.prompts import pad_to_square
from helpers.viewers.pictures import compact
from helpers.volumes import Volume

Picture = Image.Image | np.ndarray
EXTENSION = "imjoy-jupyterlab-extension"  # itkwidgets needs it in JupyterLab


def show(
    images: Sequence[Picture],
    titles: Sequence[str] = (),
    *,
    columns: int = 6,
    width: float = 10,
    aspect: float = 1,
    vmin: float | None = None,
    vmax: float | None = None,
) -> None:
    """Draw images in rows, each under its title: a static picture that any export of the notebook keeps.

    Grey pictures can be compared with each other: those of 8 bits are shown from 0 (black) to 255 (white), masks
    from False to True, and all others of one call from the lowest of their values to the highest.

    Args:
        images: arrays (y, x) or (y, x, 3), or Pillow images.
        titles: one title for each image. Together they are also the text for people who cannot see the picture.
        columns: the most images in a row.
        width: the width of a row in inches.
        aspect: the height of a pixel by its width (spacing y / x of a volume).
        vmin: the grey value that is black, for all pictures of the call.
        vmax: the grey value that is white, for all pictures of the call.
    """
    import matplotlib.pyplot as plt
    from IPython.display import Image as Shown, display

    if not len(images):
        return
    figure = _drawn(images, titles, columns, width, aspect, (vmin, vmax))
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    alt = "; ".join(titles) or f"{len(images)} images in rows"
    display(Shown(data=compact(Image.open(png)), format="png", alt=alt))


def _drawn(
    images: Sequence[Picture],
    titles: Sequence[str],
    columns: int,
    width: float,
    aspect: float,
    given: tuple[float | None, float | None],
) -> Any:
    """The matplotlib figure of `show`."""
    import matplotlib.pyplot as plt
    from matplotlib.image import pil_to_array

    pictures = [pil_to_array(i) if isinstance(i, Image.Image) else np.asarray(i) for i in images]
    fixed = {np.dtype(np.uint8): (0.0, 255.0), np.dtype(bool): (0.0, 1.0)}
    others = [p for p in pictures if p.ndim == 2 and p.dtype not in fixed]
    ranges = [fixed.get(p.dtype) or _range_of_all(others) for p in pictures]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tallest = max(p.shape[0] / p.shape[1] for p in pictures) * aspect
    height = rows * (width / columns * tallest + (0.3 if titles else 0.05))
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    for axis in axes.flat[len(images) :]:
        axis.axis("off")
    for k, (picture, ends) in enumerate(zip(pictures, ranges, strict=True)):
        axis = axes.flat[k]
        low, high = (end if own is None else own for own, end in zip(given, ends, strict=True))
        axis.imshow(picture, cmap="gray", aspect=aspect, vmin=low, vmax=high)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_color("0.8")  # a frame shows where a white picture ends
        if k < len(titles):
            axis.set_title(titles[k], fontsize=9)
    return figure


def _range_of_all(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """The lowest and the highest finite value of all ``pictures``; 0 and 1 without any."""
    found = [values for p in pictures if (values := p[np.isfinite(p)]).size]
    return (float(min(v.min() for v in found)), float(max(v.max() for v in found))) if found else (0.0, 1.0)


def outline(image: Picture, mask: np.ndarray, colour: tuple[int, int, int] = (255, 220, 0)) -> np.ndarray:
    """The image with a line around ``mask`` (bool, y, x): uint8 (y, x, 3).

    The image may be padded to a square, as those of a prompt are; the mask is then padded alike.
    """
    picture = np.array(Image.fromarray(image) if isinstance(image, np.ndarray) else image.convert("RGB"))
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    if picture.shape[:2] != mask.shape:
        mask = np.asarray(pad_to_square(mask.astype(np.uint8) * 255))[..., 0] > 0
    if picture.shape[:2] != mask.shape:
        raise InputError(
            f"The mask has the shape {mask.shape}, but the image {picture.shape[:2]}.",
            remedy="Give the mask that belongs to this image.",
        )
    picture[ndimage.binary_dilation(mask, iterations=2) & ~mask] = colour
    return picture


def scrub(
    images: Sequence[Picture],
    labels: Sequence[str] = (),
    *,
    what: str = "slice",
    start: int | None = None,
    width: int = 420,
) -> Any:
    """An ipywidgets slider over images, each called ``what``. An image is encoded when the slider reaches it.

    The slider begins at ``start``, by default in the middle. It has an Image widget and not an Output widget,
    because an Output widget can make an unattended run wait for ever (nbclient then sends on the shell channel
    while it waits for a reply there).
    """
    import ipywidgets

    if not len(images):
        raise InputError("The list of images is empty.", remedy="Give at least one.")
    start = len(images) // 2 if start is None else start
    slider = ipywidgets.IntSlider(start, 0, len(images) - 1, description=what, layout={"width": f"{width}px"})
    picture = ipywidgets.Image(format="png", width=width)
    caption = ipywidgets.Label()

    def draw(k: int) -> None:
        encoded = io.BytesIO()
        image = images[k]
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(encoded, "PNG")
        picture.value = encoded.getvalue()
        caption.value = labels[k] if k < len(labels) else ""

    slider.observe(lambda change: draw(change["new"]), names="value")
    draw(start)
    return ipywidgets.VBox([slider, picture, caption])


def show_3d(volume: Volume, *, step: int = 1) -> None:
    """Show a volume with itkwidgets, and always its static picture, which every export keeps.

    If itkwidgets cannot run, a line says why, and ipyniivue takes its place if it is installed. Python cannot see
    a failure in the browser, such as a missing connection or WebGL. Then the frame stays empty, and only the
    picture is there.
    """
    from IPython.display import display

    from helpers.viewers.volume_pictures import still

    problem = _why_no_itkwidgets()
    if problem is None:
        display(view_3d(volume, step=step))
        print(
            "If the frame above is empty, the browser has no connection or no WebGL. This picture shows "
            "the same volume:"
        )
    elif importlib.util.find_spec("ipyniivue"):
        print(f"{problem} ipyniivue shows the volume instead:")
        display(_niivue(volume, step))
    else:
        print(f"{problem} Without it or ipyniivue, you see a still picture:")
    display(still(volume))


def _why_no_itkwidgets() -> str | None:
    try:
        import itkwidgets  # noqa: F401
    except (ImportError, RuntimeError) as error:  # in JupyterLab, importing it fails without its extension
        return f"itkwidgets cannot run ({' '.join(str(error).split())})."
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_page_config

    disabled = get_page_config(jupyter_path("labextensions")).get("disabledExtensions", [])
    if EXTENSION in disabled:
        return "itkwidgets' JupyterLab extension is turned off (make lab VIEWER3D=1 turns it on)."
    return None


def _niivue(volume: Volume, step: int) -> Any:
    """ipyniivue with the volume as NIfTI: RAS, axes x, y, z, with its true affine."""
    import nibabel
    from ipyniivue import NiiVue

    voxels = _voxels(volume, step).transpose(2, 1, 0)
    affine = volume.affine[:, [2, 1, 0, 3]] @ np.diag([step, step, step, 1])
    image = nibabel.Nifti1Image(np.ascontiguousarray(voxels), np.diag([-1, -1, 1, 1]) @ affine)
    shown = NiiVue()
    shown.load_volumes([{"name": "volume.nii", "data": image.to_bytes()}])
    return shown


def view_3d(volume: Volume, *, step: int = 1) -> Any:
    """A volume in itkwidgets' 3D viewer, in millimetres; ``step`` 2 takes every second voxel.

    The viewer's page comes from the internet when the cell is shown in JupyterLab or Colab; without a connection
    its frame stays empty. It is not drawn in exported or unattended notebooks.
    """
    from itkwidgets import view
    from ngff_zarr import to_ngff_image

    voxels = np.ascontiguousarray(_voxels(volume, step))
    # The position of the first voxel in LPS. In a Volume, the axes run along z, y and x.
    first = dict(zip("xyz", volume.affine[:3, 3].tolist(), strict=True))
    scale = {axis: spacing * step for axis, spacing in zip("zyx", volume.spacing, strict=True)}
    return view(to_ngff_image(voxels, dims=["z", "y", "x"], scale=scale, translation=first, name="volume"))


def _voxels(volume: Volume, step: int) -> np.ndarray:
    """Every ``step``-th voxel, (z, y, x), with unmeasured ones replaced, which would spoil the grey range."""
    from helpers.viewers.volume_pictures import only_measured

    return only_measured(volume, volume.slices(range(0, volume.shape[0], step))[:, ::step, ::step])
