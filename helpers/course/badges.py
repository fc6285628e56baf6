"""Write the launch links and the install address of the notebooks, from the one setting in pyproject.toml.

Notebooks have plain links instead of pictures, so that a notebook that is opened offline asks no other host.
README.md, which people read on the web, has one badge for each notebook.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import nbformat

from helpers.course.notebook_files import find_notebooks
from helpers.course.run_report import notebook_title
from helpers.errors import InputError
from helpers.storage import whole_file

CHECKOUT = Path(__file__).resolve().parents[2]
BRANCH = "main"
_INSTALLS = re.compile(r"git\+https://github\.com/[\w.-]+/[\w.-]+")
_CLONES = re.compile(r"git clone https://github\.com/[\w.-]+/[\w.-]+\ncd [\w.-]+")
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_ROW = re.compile(r"\| \[[^\]]*\]\(notebooks/([^)]+)\) \|(.*)\|[^|]*\|")  # its name; the cells between
_COLUMNS = ("Notebook", "What you learn", "Minutes", "GPU for the real model", "Launch")


def repository_address(checkout: Path = CHECKOUT) -> str:
    """The address of the repository, as pyproject.toml sets it: ``https://github.com/OWNER/NAME``.

    Raises:
        InputError: not a checkout.
    """
    settings = checkout / "pyproject.toml"
    project = tomllib.loads(settings.read_text(encoding="utf-8"))["project"] if settings.is_file() else {}
    if project.get("name") != "medgemma-tutorials":
        raise InputError(
            "This folder is not a checkout of the repository, because it has no pyproject.toml.",
            path=checkout,
            remedy="Clone the repository and run the command there. An installed package has no notebooks.",
        )
    return project["urls"]["Repository"]


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
            remedy="Correct the entry Repository under [project.urls] in pyproject.toml.",
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
    without its pair gets one below the heading. In a row of README.md, only the first and the last cell are
    written. The cells between keep their text, and are "…" for a new notebook. Wherever a notebook, README.md or a
    page in ``docs`` installs from or clones a repository on GitHub, it is given the same address.

    Args:
        checkout: root folder of a checkout.
        check: change nothing.

    Returns:
        The files that were (with ``check``: would be) changed.

    Raises:
        InputError: not a checkout; a notebook without a title cell; a README without its pair of comments.
    """
    repository = repository_address(checkout)
    changed: list[Path] = []
    titles: dict[str, str] = {}
    for path in find_notebooks(checkout / "notebooks"):
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        titles[path.name] = notebook_title(notebook)
        if _update_notebook(notebook, path, repository):
            changed.append(path)
            if not check:
                with whole_file(path) as partial:
                    nbformat.write(notebook, partial, version=nbformat.NO_CONVERT)
    readme = checkout / "README.md"
    for path in (readme, *sorted((checkout / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        new = _with_address(text, repository)
        if path == readme:
            new = _between(new, "notebooks", _table(new, titles, repository), readme)
        if new != text:
            changed.append(path)
            if not check:
                with whole_file(path) as partial:
                    partial.write_text(new, encoding="utf-8")
    return changed


def _update_notebook(notebook: nbformat.NotebookNode, path: Path, repository: str) -> bool:
    """Write links and address into its cells; whether that changed one."""
    title_cell = notebook.cells[0]
    if title_cell.cell_type != "markdown" or not title_cell.source.startswith("# "):
        raise InputError("The first cell is not a Markdown cell that starts with a heading.", path=path)
    source = title_cell.source
    if "<!-- badges -->" not in source:
        heading, _, rest = source.partition("\n")
        source = f"{heading}\n\n<!-- badges -->\n<!-- /badges -->\n\n{rest.lstrip()}".rstrip()
    links = launch_links(repository, path.name)
    joined = " · ".join(f"[{name}]({address})" for name, address in links.items())
    source = _between(source, "badges", f"**Open in** {joined}", path)
    sources = [source, *(_with_address(cell.source, repository) for cell in notebook.cells[1:])]
    before = [cell.source for cell in notebook.cells]
    for cell, new in zip(notebook.cells, sources, strict=True):
        cell.source = new
    return sources != before


def _with_address(text: str, repository: str) -> str:
    text = _INSTALLS.sub(f"git+{repository}", text)
    return _CLONES.sub(f"git clone {repository}\ncd {repository.rpartition('/')[2]}", text)


def _table(readme: str, titles: Mapping[str, str], repository: str) -> str:
    """The table of README.md, with what somebody wrote into the cells of its rows."""
    written = {match[1]: match[2].strip() for match in map(_ROW.fullmatch, readme.splitlines()) if match}
    rows = ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
    for name, title in titles.items():
        badge = f"[![Open in Colab]({_BADGE})]({launch_links(repository, name)['Colab']})"
        between = written.get(name, " | ".join(["…"] * (len(_COLUMNS) - 2)))
        rows.append(f"| [{title}](notebooks/{name}) | {between} | {badge} |")
    return "\n".join(rows)


def _between(text: str, name: str, content: str, path: Path) -> str:
    """``text`` with ``content`` between its two comments ``<!-- name -->`` and ``<!-- /name -->``."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise InputError(
            f"The pair of comments {first} and {last} is missing or doubled.",
            path=path,
            remedy="Write each comment once, on its own line, where the links belong.",
        )
    before, after = text[: text.index(first)], text[text.index(last) :]
    return f"{before}{first}\n\n{content}\n\n{after}"
