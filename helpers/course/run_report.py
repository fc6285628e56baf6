"""Write the pages of a run: each executed notebook as HTML, and an index.

The pages are complete and request nothing from other hosts.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import DictLoader, Environment
from nbconvert import HTMLExporter

from helpers.storage import whole_file

_WIDGET = "application/vnd.jupyter.widget-view+json"
_PROGRESS = re.compile(r"[^|]*\d+%\|[^|]*\| [^|]*\[.*\]\Z")  # "asking:  12%|#2   | 3/24 [00:01<00:07,  2.9it/s]"
_KEY_FIGURES = 8

# nbconvert's own page without its four scripts from other hosts: MathJax, RequireJS, Mermaid, widgets.
_OFFLINE_PAGE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""
# A cell tagged "solution" is a closed box under its title. If it failed, the box is open.
_FOLDED = r"""
{%- block codecell -%}
{%- if "solution" in cell.metadata.get("tags", ()) -%}
{%- set failed = cell.outputs | selectattr("output_type", "equalto", "error") | list -%}
<details class="solution"{{ " open" if failed }}>
<summary>{{ cell.source.partition("\n")[0].removeprefix("# @title ") | e }}</summary>
{{ super() }}
</details>
{%- else -%}
{{ super() }}
{%- endif -%}
{%- endblock -%}
"""

_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>MedGemma tutorials: a run</title>
<style>
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2.5rem auto; padding: 0 1.25rem; }
  h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 0 0 .4rem; }
  .note { opacity: .75; margin-top: 0; }
  main { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr));
         gap: 1.25rem; align-items: start; }
  article { border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
  article img { display: block; width: 100%; height: 11rem; object-fit: contain; background: #fff;
                border-bottom: 1px solid var(--line); }
  article div { padding: 1rem 1.1rem; }
  .status { font-weight: 600; } .ok { color: #1a7f37; } .failed { color: #d1242f; } .other { color: #9a6700; }
  table { border-collapse: collapse; width: 100%; font-size: .86rem; margin: .6rem 0; table-layout: fixed; }
  td { border-top: 1px solid var(--line); padding: .2rem .4rem .2rem 0; vertical-align: top;
       overflow-wrap: anywhere; }
  td + td { text-align: right; font-variant-numeric: tabular-nums; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .82rem; }
</style>
</head>
<body>
<h1>MedGemma tutorials: {{ done }} of {{ notebooks | length }} notebooks ran through</h1>
<p class="note">{{ started }} &middot; {% if model %}model {{ model }} &middot; {% endif %}{{ versions }}<br>
For education; not a medical device and not for diagnosis. All figures: <a href="summary.json">summary.json</a></p>
<main>
{% for n in notebooks %}
<article>
  {% if n.picture %}<img src="{{ n.picture }}" alt="First picture of {{ n.title }}">{% endif %}
  <div>
    <h2>{% if n.page %}<a href="{{ n.page }}">{{ n.title }}</a>{% else %}{{ n.title }}{% endif %}</h2>
    <span class="status {{ n.status if n.status in ('ok', 'failed') else 'other' }}">{{ n.status }}</span>
    &middot; {{ n.seconds }} s &middot; {{ n.peak_memory_mb }} MB at most
    {% if n.error and n.status == 'failed' %}<pre>{{ n.error }}</pre>{% endif %}
    {% if n.figures %}<table>
      {% for name, value in n.figures %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
      {% endfor %}
    </table>{% endif %}
    {% if n.page %}<a href="{{ n.copy }}">executed notebook</a>{% endif %}
  </div>
</article>
{% endfor %}
</main>
</body>
</html>
"""


def notebook_title(notebook: nbformat.NotebookNode) -> str:
    """Text of the first level-1 heading, or an empty text."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return ""


def notebook_html(notebook: nbformat.NotebookNode, title: str) -> str:
    """An executed notebook as one self-contained page.

    Formulas stay as written and a widget becomes its picture, or a line that says where it works: both would need
    scripts from an outside host.
    """
    exporter = html_exporter(_OFFLINE_PAGE)
    page, _ = exporter.from_notebook_node(without_widgets(notebook), resources={"metadata": {"name": title}})
    return page


def html_exporter(page: str, **options: Any) -> HTMLExporter:
    """nbconvert's exporter to HTML, which folds solutions away.

    Args:
        page: a template that extends one of nbconvert's.
        options: further traits of the exporter.
    """
    loader = DictLoader({"page.html.j2": page + _FOLDED})
    return HTMLExporter(extra_loaders=[loader], template_file="page.html.j2", **options)


def without_widgets(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without bars of progress, in which each widget is its picture, or a line that says where it works."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_progress(output)]
    for output in (o for cell in notebook.cells for o in cell.get("outputs", []) if _WIDGET in o.get("data", {})):
        del output["data"][_WIDGET]
        if not any(kind.startswith("image/") or kind == "text/html" for kind in output["data"]):
            output["data"] = {"text/plain": "(interactive: open the notebook in JupyterLab)"}
    notebook.metadata.pop("widgets", None)
    return notebook


def _is_progress(output: nbformat.NotebookNode) -> bool:
    """Whether an output is the bar of tqdm, which tells a reader of the finished page nothing."""
    data = output.get("data", {})
    return _WIDGET in data and bool(_PROGRESS.match(data.get("text/plain", "")))


def write_index(summary: Mapping[str, Any], output: str | os.PathLike[str]) -> Path:
    """Write ``index.html`` for a run's summary (`helpers.course.run_notebooks`) and return its path."""
    output = Path(output)
    cards = []
    for record in summary["notebooks"]:
        stem = Path(record["notebook"]).stem
        ran = record["status"] != "not run"
        card = {"picture": None, "page": None, "figures": key_figures(record["results"])}
        if ran:
            card |= {
                "page": f"{stem}.html",
                "copy": f"{stem}.ipynb",
                "picture": _picture(output / f"{stem}.ipynb"),
            }
        cards.append({**record, **card})
    page = Environment(autoescape=True).from_string(_INDEX)
    text = page.render(
        notebooks=cards,
        done=sum(record["status"] == "ok" for record in summary["notebooks"]),
        started=summary["started"],
        model=summary["model"],
        versions=", ".join(f"{name} {version}" for name, version in summary["versions"].items()),
    )
    with whole_file(output / "index.html") as partial:
        partial.write_text(text, encoding="utf-8")
    return output / "index.html"


def key_figures(results: Mapping[str, Any], limit: int = _KEY_FIGURES) -> list[tuple[str, str]]:
    """The first ``limit`` names and values of a notebook's results, as short texts."""
    rows = []
    for name, value in list(results.items())[:limit]:
        if isinstance(value, float):
            text = f"{value:.4g}"
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append((name.replace("_", " "), text if len(text) <= 100 else text[:97] + "..."))
    return rows


def _picture(executed: Path) -> str | None:
    """The first picture among an executed notebook's outputs, as a data URL."""
    if not executed.exists():
        return None
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    return f"data:{kind};base64,{''.join(output['data'][kind].split())}"
    return None
