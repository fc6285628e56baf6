"""Launch links of the notebooks, and the address they install from, all from the one setting in pyproject.toml.

They are plain links, not pictures: a notebook that is opened offline asks no outside host for anything.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import quote

import nbformat

from helpers.course.run_report import notebook_title
from helpers.errors import InputError
from helpers.storage import whole_file

CHECKOUT = Path(__file__).resolve().parents[2]
BRANCH = "main"
_INSTALLS = re.compile(r"git\+https://github\.com/[\w.-]+/[\w.-]+")


def launch_links(repository: str, notebook: str) -> dict[str, str]:
    """Names of the places that open a notebook, with their addresses.

    Args:
        repository: its address, ``https://github.com/OWNER/NAME``.
        notebook: file name in the folder ``notebooks``.
    """
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", repository)
    if not match:
        raise InputError(
            "The address of the repository is not of the form https://github.com/OWNER/NAME.",
            path=repository,
            remedy="Correct Repository under [project.urls] in pyproject.toml.",
        )
    owner, name = match.groups()
    raw = f"https://raw.githubusercontent.com/{owner}/{name}/{BRANCH}/notebooks/{notebook}"
    page = f"{owner}/{name}/blob/{BRANCH}/notebooks/{notebook}"
    return {
        "Colab": f"https://colab.research.google.com/github/{page}",
        "Colab Enterprise": f"https://console.cloud.google.com/vertex-ai/colab/import/{quote(raw, safe='')}",
        "Vertex AI Workbench": "https://console.cloud.google.com/vertex-ai/workbench/deploy-notebook"
        f"?download_url={quote(raw, safe='')}",
        "GitHub": f"https://github.com/{page}",
    }


def update_badges(checkout: Path = CHECKOUT, *, check: bool = False) -> list[Path]:
    """Write the links into each notebook's title cell and the notebook table into README.md.

    The links go between a pair of HTML comments (``<!-- badges -->`` and ``<!-- notebooks -->``); a title cell
    without its pair gets one below the heading. The cell that installs the package on Colab
    (``git+https://github.com/...``) is given the same address.

    Args:
        checkout: root folder of a checkout.
        check: change nothing.

    Returns:
        The files that were (with ``check``: would be) changed.

    Raises:
        InputError: not a checkout; a notebook without a title cell; a README without its pair of comments.
    """
    repository = _repository(checkout)
    changed, rows = [], ["| Notebook | Open in |", "| --- | --- |"]
    for path in sorted((checkout / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        links = launch_links(repository, path.name)
        joined = " · ".join(f"[{name}]({address})" for name, address in links.items())
        rows.append(f"| [{notebook_title(notebook)}](notebooks/{path.name}) | {joined} |")
        title_cell = notebook.cells[0]
        if title_cell.cell_type != "markdown" or not title_cell.source.startswith("# "):
            raise InputError("The first cell is not a Markdown cell that starts with a heading.", path=path)
        source = title_cell.source
        if "<!-- badges -->" not in source:
            heading, _, rest = source.partition("\n")
            source = f"{heading}\n\n<!-- badges -->\n<!-- /badges -->\n\n{rest.lstrip()}".rstrip()
        source = _between(source, "badges", f"**Open in** {joined}", path)
        sources = [source, *(_INSTALLS.sub(f"git+{repository}", cell.source) for cell in notebook.cells[1:])]
        if sources != [cell.source for cell in notebook.cells]:
            changed.append(path)
            for cell, source in zip(notebook.cells, sources, strict=True):
                cell.source = source
            if not check:
                with whole_file(path) as partial:
                    nbformat.write(notebook, partial, version=nbformat.NO_CONVERT)
    readme = checkout / "README.md"
    text = readme.read_text(encoding="utf-8")
    new = _between(text, "notebooks", "\n".join(rows), readme)
    if new != text:
        changed.append(readme)
        if not check:
            with whole_file(readme) as partial:
                partial.write_text(new, encoding="utf-8")
    return changed


def _repository(checkout: Path) -> str:
    settings = checkout / "pyproject.toml"
    project = tomllib.loads(settings.read_text(encoding="utf-8"))["project"] if settings.is_file() else {}
    if project.get("name") != "medgemma-tutorials":
        raise InputError(
            "This is no checkout of the repository: its pyproject.toml is not here.",
            path=checkout,
            remedy="Clone the repository and run the command there; an installed copy has no notebooks.",
        )
    return project["urls"]["Repository"]


def _between(text: str, name: str, content: str, path: Path) -> str:
    """``text`` with ``content`` between its two comments ``<!-- name -->`` and ``<!-- /name -->``."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise InputError(
            f"The pair of comments {first} and {last} is missing or doubled.",
            path=path,
            remedy="Put each once, on lines of their own, where the links belong.",
        )
    before, after = text[: text.index(first)], text[text.index(last) :]
    return f"{before}{first}\n\n{content}\n\n{after}"
