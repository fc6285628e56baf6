"""Turn an executed notebook into a page of the gallery: HTML, sections, one sentence and one small picture."""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

import nbformat
from bs4 import BeautifulSoup
from PIL import Image, ImageChops, ImageOps

from helpers.course import html_exporter, notebook_title, without_widgets
from helpers.gallery.page import (
    Places,
    Section,
    break_names,
    find_sections,
    heading_text,
    link_names,
    make_accessible,
    make_offline,
    rewrite_links,
)

# Tag of the cell whose first picture is on the card; by default, the first picture of the notebook.
TAG = "gallery"
CARD = (640, 400)  # pixels of a card's picture
_PICTURES = ("image/png", "image/jpeg")
_LABELS = re.compile(r"""(?:label|title)\s*[=(]\s*f?(["'])(.+?)\1""")
_NO_TEXT = "No description has been provided"  # nbconvert writes this for a picture without a text
_LOG = logging.getLogger("nbconvert.gallery")
_LOG.setLevel(logging.ERROR)
_STOPPED = "**The run stopped here.** The cells below were not run."


@dataclass(frozen=True)
class Page:
    """The parts of a notebook that the site shows."""

    title: str
    sentence: str
    html: str
    sections: list[Section]
    picture: bytes | None  # a JPEG of CARD's size
    alt: str


def notebook_page(
    notebook: nbformat.NotebookNode, *, source: str, ended: bool, addresses: Mapping[str, str], places: Places
) -> Page:
    """Turn a notebook into its page.

    Args:
        notebook: executed, or as it is in the repository where it was not run.
        source: its file in the repository ("notebooks/02_ct.ipynb").
        ended: whether its run came to the end; if not, the page says where it stopped.
        addresses: public names of the package to the addresses of their API pages, from the site's root.
        places: where the links to other files of the repository lead.
    """
    picture, alt = _card_picture(notebook)
    notebook = without_widgets(notebook)
    if not ended:
        _mark_the_end(notebook)
    options = {"template_name": "basic", "exclude_input_prompt": True, "exclude_output_prompt": True, "log": _LOG}
    exporter = html_exporter("{%- extends 'basic/index.html.j2' -%}", **options)
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    make_offline(soup)
    rewrite_links(soup, source, places)
    for text in soup.select(".text_cell_render"):
        link_names(text, addresses, "../")
    make_accessible(soup)
    _describe_pictures(soup)
    parts = soup.select(".text_cell_render > *, .input_area")
    sections = find_sections(parts, _anchor)  # before the HTML is written, because it sets the anchors
    break_names(soup)
    title = notebook_title(notebook)
    return Page(title, one_sentence(notebook), str(soup), sections, picture, alt or f"A picture from {title}")


def one_sentence(notebook: nbformat.NotebookNode) -> str:
    """A sentence about the notebook: the first one of its first plain paragraph, without Markdown's signs.

    A lead in bold ("What we do.") is left out, as are headings, quotations, comments and links alone.
    """
    words = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    words = re.sub(r"<!-- (\w+) -->.*<!-- /\1 -->", "", words, flags=re.DOTALL)
    for paragraph in re.split(r"\n\s*\n", words):
        plain = " ".join(paragraph.split())
        if plain and plain[0] not in "#>|<-":
            plain = re.sub(r"^\*\*[^*]+\*\*\s*", "", plain)
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", plain)
            return re.split(r"(?<=[^.]\.)\s", plain)[0]
    return ""


def _mark_the_end(notebook: nbformat.NotebookNode) -> None:
    """Put a line before the first cell of code that was not run, if an earlier one was."""
    code = [k for k, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    ran = [k for k in code if notebook.cells[k].execution_count is not None]
    left = [k for k in code if ran and k > ran[-1]]
    if left:
        notebook.cells.insert(left[0], nbformat.v4.new_markdown_cell(_STOPPED, metadata={"tags": ["stopped"]}))


def _card_picture(notebook: nbformat.NotebookNode) -> tuple[bytes | None, str]:
    """The picture of a card, on a background in the colour of its corner, and its text; None without one."""
    tagged = [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]
    for cell in [*tagged, *notebook.cells]:
        for output in cell.get("outputs", []):
            for kind in _PICTURES:
                if kind in output.get("data", {}):
                    return _card(output.data[kind]), output.metadata.get(kind, {}).get("alt", "")
    return None, ""


def _card(encoded: str) -> bytes:
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    ground = image.getpixel((1, 1))
    drawn = ImageChops.difference(image, Image.new("RGB", image.size, ground)).getbbox()  # without its margins
    framed = ImageOps.expand(image.crop(drawn), border=image.width // 40, fill=ground)
    card = ImageOps.pad(framed, CARD, Image.Resampling.LANCZOS, color=ground)
    out = io.BytesIO()
    card.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()


def _describe_pictures(soup: BeautifulSoup) -> None:
    """Give a picture without a text one of its section and of the labels that its code draws."""
    heading = ""
    for tag in soup.find_all(["h1", "h2", "h3", "img"]):
        if tag.name != "img":
            heading = heading_text(tag)
        elif not tag.get("alt", "").strip() or tag["alt"].startswith(_NO_TEXT):
            cell = tag.find_parent(class_="cell")
            code = cell.select_one(".input_area") if cell else None
            found = [match[1] for match in _LABELS.findall(code.get_text())] if code else []
            labels = [re.sub(r"\{[^}]*\}", "…", label) for label in found]
            tag["alt"] = f"Figure in “{heading}”" + (f": {'; '.join(labels)}" if labels else "")


def _anchor(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")
