"""A static site from the executed notebooks of a run and the guide: ``medgemma-tutorials gallery``.

The site has cards, the notebooks, the guide, scores, the public names of the package, and a search. It opens from
a folder without a server, and loads nothing from other hosts.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Environment
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from helpers.course import NOTEBOOKS, find_notebooks, key_figures, repository_address
from helpers.endpoints import without_tokens
from helpers.errors import InputError
from helpers.gallery.api import Face, addresses, read_api
from helpers.gallery.documents import Document, document_page, front_picture, read_documents
from helpers.gallery.notebooks import Page, notebook_page
from helpers.gallery.page import SITE, Entry, Places, from_markdown, templates, write_search_index
from helpers.gallery.scores import MODEL_CARD, model_card_scores, named, scored, side_by_side
from helpers.public_sets import PUBLISHED, REPORT
from helpers.storage import whole_folder

DOCS = NOTEBOOKS.parent / "docs"
_ASSETS = ("gallery.css", "search.js")
_MARK = "search-index.js"  # a folder with this file is a gallery, which may be replaced


def build_gallery(
    run: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    notebooks: str | os.PathLike[str] = NOTEBOOKS,
    docs: str | os.PathLike[str] = DOCS,
) -> Path:
    """Build the site of a run's output folder (`helpers.course.run_notebooks`) and return its ``index.html``.

    It is built beside ``output`` and renamed when it is whole. A notebook that failed, was stopped or was not run
    has a card and a page that say so; so have those of the folder ``notebooks`` that the run left out. Where the
    repository's copy has changed since the run, that is said too. The guide is what ``README.md`` in the folder
    ``docs`` lists; where there is none, the site has no guide.

    Raises:
        InputError: no run in ``run``, or one without the notebooks that it lists; a page of the guide is missing;
            ``output`` holds something that is not a gallery; griffe is not installed.
    """
    run, output, notebooks, docs = Path(run), Path(output), Path(notebooks), Path(docs)
    _check_replaceable(output)
    summary = _read_summary(run)
    records = _records(summary, notebooks)
    faces = read_api()
    names = addresses(faces)
    documents, front = read_documents(docs), front_picture(docs)
    places = _places(docs.resolve().parent, records, documents)
    known = [record["results"] for record in records if record["results"].get("model")]
    models = Counter(map(named, known)).most_common()  # the one of most notebooks first
    site = templates()
    site.globals["run"] = {
        "started": summary["started"][:16].replace("T", " "),
        "model": "; ".join(name for name, _ in models) or "not known, as none ran through",
        "is_standin": any(results.get("is_standin") for results in known),
        "versions": ", ".join(f"{name} {version}" for name, version in summary["versions"].items()),
    }
    site.globals["documents"] = documents
    with whole_folder(output) as folder:
        for part in ("notebooks", "pictures", "api", "docs"):
            (folder / part).mkdir()
        entries = list(_write_notebooks(site, folder, run, records, names, places))
        entries += _write_documents(site, folder, documents, names, places)
        entries += _write_scores(site, folder, summary, names)
        entries += _write_api(site, folder, faces, names)
        shown = None
        if front:
            shown = {"address": f"pictures/{front[0].name}", "alt": front[1]}
            shutil.copyfile(front[0], folder / shown["address"])
        _write(site, folder, "index.html", "index.html.j2", records=records, faces=faces, front=shown)
        _write(site, folder, "search.html", "search.html.j2")
        write_search_index(entries, folder / _MARK)
        for name in _ASSETS:
            shutil.copyfile(SITE / name, folder / name)
        (folder / "code.css").write_text(_code_style(), encoding="utf-8")
    return output / "index.html"


def _places(checkout: Path, records: list[dict[str, Any]], documents: list[Document]) -> Places:
    pages = {"README.md": "index.html"}
    pages |= {f"notebooks/{record['notebook']}": f"notebooks/{record['stem']}.html" for record in records}
    pages |= {document.source: document.address for document in documents}
    try:
        return Places(checkout, pages, repository_address(checkout))
    except InputError:  # not a checkout
        return Places(checkout, pages)


def _check_replaceable(output: Path) -> None:
    empty = output.is_dir() and not any(output.iterdir())
    if output.exists() and not empty and not (output / _MARK).is_file():
        raise InputError(
            "This folder is not a gallery, and the command would replace it.",
            path=output,
            remedy="Choose another folder with --output, or remove this one.",
        )


def _read_summary(run: Path) -> dict[str, Any]:
    try:
        return _publishable(json.loads((run / "summary.json").read_text(encoding="utf-8")), run)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            "This folder holds no run of the notebooks.",
            path=run,
            remedy="Run the notebooks first, with make run or medgemma-tutorials run.",
        ) from None
    except ValueError as error:
        remedy = "Run the notebooks again."
        raise InputError(f"summary.json is not JSON ({error}).", path=run, remedy=remedy) from error


def _publishable(content: Any, run: Path) -> Any:
    """The content without the values of tokens and the names of this machine's folders."""
    text = json.dumps(without_tokens(content))
    for place, name in ((NOTEBOOKS.parent, "."), (run.resolve(), run.name), (Path.home(), "~")):
        text = text.replace(json.dumps(str(place))[1:-1], name)
    return json.loads(text)


def _records(summary: Mapping[str, Any], notebooks: Path) -> list[dict[str, Any]]:
    """The records of the run, and empty records for notebooks that it left out, in order."""
    records = {record["notebook"]: dict(record) for record in summary["notebooks"]}
    for path in find_notebooks(notebooks):
        blank = {"notebook": path.name, "status": "not run", "error": None, "seconds": 0.0, "results": {}}
        record = records.setdefault(path.name, blank)
        record["source"] = path
    return [{"source": None, **record, "stem": Path(name).stem} for name, record in sorted(records.items())]


def _notebook(run: Path, record: dict[str, Any]) -> nbformat.NotebookNode:
    """The executed notebook; if it did not run, the repository's copy or an empty one."""
    source = record["source"] and nbformat.read(record["source"], as_version=4)
    executed = run / record["notebook"]
    record["changed"] = False
    if record["status"] == "not run":  # ignores a copy of an earlier run
        return source or nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {record['stem']}")])
    if not executed.is_file():
        raise InputError(
            "The run lists this notebook, but its executed copy is missing.",
            path=executed,
            remedy="Run the notebooks again.",
        )
    notebook = nbformat.from_dict(_publishable(nbformat.read(executed, as_version=4), run))
    record["changed"] = bool(source) and _sources(source) != _sources(notebook)
    return notebook


def _sources(notebook: nbformat.NotebookNode) -> list[str]:
    return [c.source for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]


def _write_notebooks(
    site: Environment,
    folder: Path,
    run: Path,
    records: list[dict[str, Any]],
    names: Mapping[str, str],
    places: Places,
) -> Iterator[Entry]:
    """Write a page for each notebook, complete its record for the card, and return the entries for the search."""
    made: list[Page] = []
    for record in records:
        notebook = _notebook(run, record)
        source, ended = f"notebooks/{record['notebook']}", record["status"] == "ok"
        page = notebook_page(notebook, source=source, ended=ended, addresses=names, places=places)
        made.append(page)
        record |= {
            "title": page.title or record["stem"],
            "sentence": page.sentence,
            "alt": page.alt,
            "picture": f"pictures/{record['stem']}.jpg" if page.picture else None,
            "page": f"notebooks/{record['stem']}.html",
            "figures": key_figures(record["results"]),
            "copy": record["status"] != "not run",
        }
        if page.picture:
            (folder / record["picture"]).write_bytes(page.picture)
        if record["copy"]:
            nbformat.write(notebook, folder / "notebooks" / record["notebook"])
    befores, afters = [None, *records[:-1]], [*records[1:], None]
    for record, page, before, after in zip(records, made, befores, afters, strict=True):
        found = {"record": record, "page": page, "before": before, "after": after}
        _write(site, folder, record["page"], "notebook.html.j2", **found)
        for part in page.sections:
            yield Entry(part.title, page.title, "notebook", f"{record['page']}#{part.anchor}", part.text)


def _write_documents(
    site: Environment, folder: Path, documents: list[Document], names: Mapping[str, str], places: Places
) -> Iterator[Entry]:
    for k, document in enumerate(documents):
        page = document_page(document, names, places)
        for address, file in page.pictures.items():
            shutil.copyfile(places.checkout / file, folder / address)
        before, after = ([None, *documents, None][at] for at in (k, k + 2))
        found = {"document": document, "page": page, "before": before, "after": after}
        _write(site, folder, document.address, "document.html.j2", **found)
        for part in page.sections:
            yield Entry(part.title, document.title, "guide", f"{document.address}#{part.anchor}", part.text)


def _write_scores(
    site: Environment, folder: Path, summary: Mapping[str, Any], names: Mapping[str, str]
) -> list[Entry]:
    rows, tables, card = side_by_side(summary), scored(summary), model_card_scores()
    _write(
        site,
        folder,
        "scores.html",
        "scores.html.j2",
        rows=rows,
        tables=[(record, named(record["results"]), figures) for record, figures in tables],
        published=PUBLISHED,
        source=REPORT,
        card=from_markdown(card, names, ""),
    )
    words = " ".join([REPORT, *(" ".join(map(str, row)) for row in PUBLISHED), *(row.figure for row in rows)])
    texts = {"side-by-side": words, "model-card": f"{card} {MODEL_CARD.parent.name}"}
    titles = {"side-by-side": "Published and measured", "model-card": "Scores of the stand-in"}
    return [Entry(titles[at], "Scores", "scores", f"scores.html#{at}", text) for at, text in texts.items()]


def _write_api(site: Environment, folder: Path, faces: list[Face], names: Mapping[str, str]) -> Iterator[Entry]:
    site.filters |= {"words": lambda text: Markup(from_markdown(text, names, "../")), "code": _highlighted}
    _write(site, folder, "api/index.html", "api.html.j2", faces=faces)
    for face in faces:
        _write(site, folder, face.page, "face.html.j2", face=face)
        yield Entry(face.name, "API", "API", face.page, face.words)
        for name in face.names:
            yield Entry(name.name, face.name, "API", f"{face.page}#{name.name}", name.words)


def _highlighted(code: str) -> Markup:
    return Markup(highlight(code, PythonLexer(), HtmlFormatter(cssclass="highlight")))


def _code_style() -> str:
    """Colours of code, for a light and for a dark page."""
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _write(site: Environment, folder: Path, address: str, template: str, **values: Any) -> None:
    """Write one page; ``root`` leads from it to the site's first folder."""
    page = site.get_template(template).render(root="../" * address.count("/"), **values)
    (folder / address).write_text(page, encoding="utf-8")
