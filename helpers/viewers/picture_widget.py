"""The live picture of the viewers, which reports clicks, the mouse wheel and keys to Python.

ipywidgets' own Image reports none of these, and has no text for people who cannot see it. This is anywidget with a
few lines of JavaScript, all in this file, so nothing has to be built and nothing comes from the internet.
"""

from __future__ import annotations

import io
from typing import Any

import anywidget
import ipywidgets
import traitlets
from PIL import Image

from helpers.viewers.pictures import encode

_SCRIPT = """
function render({ model, el }) {
  const img = document.createElement("img");
  img.tabIndex = 0;
  img.draggable = false;
  img.style.cssText = "display:block; max-width:100%; cursor:crosshair";
  el.append(img);
  const draw = () => {
    URL.revokeObjectURL(img.src);
    img.src = URL.createObjectURL(new Blob([model.get("value")], { type: model.get("mime") }));
    img.alt = model.get("alt");
    img.style.width = model.get("width") ? model.get("width") + "px" : "auto";
  };
  const turn = (steps) => {
    model.set("turned", model.get("turned") + steps);
    model.save_changes();
  };
  model.on("change:value change:alt change:width", draw);
  draw();
  img.addEventListener("click", (event) => {
    img.focus({ preventScroll: true });
    const box = img.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    model.set("clicked", [...place, (model.get("clicked")[2] || 0) + 1]);
    model.save_changes();
  });
  let rolled = 0;
  img.addEventListener("wheel", (event) => {
    if (document.activeElement !== img) return;  // else a page could not be scrolled past the picture
    event.preventDefault();
    rolled += event.deltaMode ? event.deltaY * 40 : event.deltaY;
    const steps = Math.trunc(rolled / 40);  // a touch pad sends many small turns
    if (steps) { rolled -= steps * 40; turn(Math.sign(steps) * Math.ceil(Math.abs(steps) / 3)); }
  }, { passive: false });
  const keys = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
  img.addEventListener("keydown", (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();  // JupyterLab would go to another cell
    turn(keys[event.key]);
  });
  return () => URL.revokeObjectURL(img.src);
}
export default { render };
"""


class Picture(anywidget.AnyWidget):
    """An encoded picture. Observe ``clicked`` and ``turned``; wheel and keys work once it has been clicked."""

    _esm = _SCRIPT
    value = traitlets.Bytes(b"").tag(sync=True)  # bytes of the kind in ``mime``
    mime = traitlets.Unicode("image/png").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    width = traitlets.Int(0).tag(sync=True)  # width on the screen; 0 means the picture's own
    clicked = traitlets.List([]).tag(sync=True)  # share of the width, share of the height, number of the click
    turned = traitlets.Int(0).tag(sync=True)  # steps of the wheel and the arrow keys since the beginning

    def put(self, image: Image.Image, alt: str, *, mime: str = "image/png") -> None:
        """Show another picture. JPEG is for photographs only: it changes values a little."""
        with self.hold_sync():
            self.value, self.mime, self.alt = encode(image, mime), mime, alt


class Viewer(ipywidgets.VBox):
    """Widgets whose first ``Picture`` stands for them where widgets do not work (exports, GitHub)."""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        picture = getattr(self, "picture", None)
        if data and picture is not None and picture.value:
            kind = "image/jpeg"  # keeps a saved notebook small
            still = encode(Image.open(io.BytesIO(picture.value)).convert("RGB"), kind)
            return {**data, kind: still}, {**metadata, kind: {"alt": picture.alt}}
        return data, metadata
