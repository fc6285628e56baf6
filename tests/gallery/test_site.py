"""The gallery of a small run, made by hand: of notebooks that ran through, failed, or were left out."""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from helpers.cli import main
from helpers.course import repository_address
from helpers.errors import InputError
from helpers.gallery import build_gallery
from helpers.gallery.page import break_names
from helpers.gallery.scores import PUBLISHED, named, side_by_side
from helpers.storage import whole_folder

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = repository_address(ROOT)
v4 = nbformat.v4
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OUTSIDE = re.compile(r"\s*(?:https?:)?//")
PLANTED = "hf_planted_0123456789"


def png(colour: str) -> str:
    out = io.BytesIO()
    Image.new("RGB", (300, 100), colour).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def cell(source: str, *outputs: Any, count: int | None = 1, tags: tuple[str, ...] = ()) -> Any:
    made = v4.new_code_cell(source, execution_count=count, outputs=list(outputs))
    if tags:
        made.metadata["tags"] = list(tags)
    return made


def picture(colour: str, alt: str = "") -> Any:
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return v4.new_output("display_data", {"image/png": png(colour)}, metadata=metadata)


def good() -> Any:
    hostile = (
        '<script>fetch("https://cdn.example.org/x")</script>'
        '<img src="https://cdn.example.org/a.png" alt="far away">'
        '<p style="background: url(//cdn.example.org/b.png)" onclick="x()">kept words</p>'
    )
    words = (
        "# 02 Ask about a volume\n\n> Not for diagnosis.\n\n"
        "**What we do.** Turn a [series](x.md) into `slices`. Then ask.\n\n"
        "[next](03_bad.ipynb), [left out](07_later.ipynb), [elsewhere](../data_manifest.yaml)"
    )
    shown = [v4.new_output("stream", text="shown\n")]
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(words),
            v4.new_markdown_cell("## 1. Windows\n\nA xylophonist would call `read_volume` of `helpers.volumes`."),
            cell("axis.set(xlabel='grey', title=f'{n} slices')", picture("red")),
            cell("show(images)", picture("blue", "two slices"), tags=("gallery",)),
            cell("HTML(hostile)", v4.new_output("display_data", {"text/html": hostile})),
            cell("# @title Solution 1: a < b\nassert 1 < 2\nprint('shown')", *shown, tags=("solution",)),
            cell("print(folder)", v4.new_output("stream", text=f"{Path.cwd()} {PLANTED}\n")),
        ]
    )


def bad() -> Any:
    said = {"ename": "IndexError", "evalue": "out of range", "traceback": ["IndexError: out of range"]}
    failed, never = cell("values[3]", v4.new_output("error", **said), count=2), cell("never = 1", count=None)
    return v4.new_notebook(cells=[v4.new_markdown_cell("# 03 It fails"), failed, never])


def record(name: str, status: str, error: str | None = None, **results: Any) -> dict[str, Any]:
    return {"notebook": f"{name}.ipynb", "title": name, "status": status, "error": error, "seconds": 61.2,
            "peak_memory_mb": 99, "parameters": {}, "results": results}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The output folder of a run, and the folder of the notebooks it was made of."""
    run, notebooks = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("notebooks")
    later = v4.new_notebook(cells=[v4.new_markdown_cell("# 07 Later"), cell("1", count=None)])
    for name, notebook in (("02_ct_volume_prompting", good()), ("03_bad", bad()), ("07_later", later)):
        nbformat.write(notebook, notebooks / f"{name}.ipynb")
        nbformat.write(notebook, run / f"{name}.ipynb")  # of 07_later an earlier run's copy
    changed = v4.new_notebook(cells=[*good().cells, cell("new = 1")])
    nbformat.write(changed, notebooks / "02_ct_volume_prompting.ipynb")
    figures = {"model": "standin", "is_standin": True, "teaching_cases": 8, "teaching_cases_right": 6}
    records = [
        record("02_ct_volume_prompting", "ok", **figures),
        record("03_bad", "failed", "cell 2 of 3 (values[3]): IndexError: out of range"),
        record("03_mri_volume_prompting", "not run"),
    ]
    summary = {"started": "2026-01-02T03:04:05+0000", "model": None, "versions": {"python": "3.11"}}
    summary["notebooks"] = records
    (run / "summary.json").write_text(json.dumps(summary))
    return run, notebooks


@pytest.fixture(scope="module")
def site(run: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_TOKEN", PLANTED)
        output = tmp_path_factory.mktemp("out") / "site"
        command = ["gallery", "--run", str(run[0]), "--notebooks", str(run[1]), "--output", str(output)]
        assert main(command) == 0
        return output


@functools.cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_a_browser_would_load_nothing_from_another_host(site):
    pages = sorted(site.rglob("*.html"))
    folders = {path.parent.name for path in (ROOT / "helpers").glob("*/__init__.py")}
    assert {path.stem for path in pages if path.parent.name == "api"} == {"index", *folders}
    for path in pages:
        page = soup(path)
        for tag in page.find_all(True):
            loaded = [tag.get(name, "") for name in ("src", "srcset", "poster", "data", "action")]
            loaded += [tag.get("href", "")] if tag.name != "a" else []
            assert not [value for value in loaded if OUTSIDE.match(value)], (path.name, tag.name)
            assert not OUTSIDE.search(tag.get("style", "").replace("url(", " ")), path.name
            assert not [name for name in tag.attrs if name.startswith("on") and name != "onsubmit"], path.name
        assert [tag.get("src") for tag in page.find_all("script")] in ([], ["search-index.js", "search.js"])
    for path in site.glob("*.css"):
        assert not re.search(r"url\(|@import", path.read_text())
    shown = (site / "notebooks/02_ct_volume_prompting.html").read_text()
    assert "kept words" in shown
    assert "picture left out, it is on another site: far away" in shown


def test_every_link_within_the_site_leads_somewhere(site):
    ids = {path: {tag["id"] for tag in soup(path).find_all(id=True)} for path in site.rglob("*.html")}
    followed = 0
    for path in ids:
        for tag in soup(path).find_all(["a", "link", "img", "script", "form"]):
            target = next((tag[name] for name in ("href", "src", "action") if tag.get(name)), "")
            if not target or re.match(r"(?:https?|data|mailto):", target):
                continue
            name, _, anchor = target.partition("#")
            to = (path.parent / unquote(name)).resolve() if name else path
            assert to.is_file(), (path.name, target)
            assert not anchor or unquote(anchor) in ids[to], (path.name, target)
            followed += 1
    assert followed > 500
    page = soup(site / "notebooks/02_ct_volume_prompting.html")
    links = [page.find("a", string=words)["href"] for words in ("next", "left out")]
    assert links == ["03_bad.html", "07_later.html"]
    assert page.find("a", string="elsewhere")["href"] == f"{REPOSITORY}/blob/main/data_manifest.yaml"
    assert page.find("a", string="series") is None  # no such file
    assert page.select_one('a[href="../api/volumes.html#read_volume"] code').get_text() == "read_volume"


def test_the_guide_has_a_page_for_each_that_is_listed_in_its_order(site):
    listed = re.findall(r"\]\(([\w./-]+)\.md\)", (ROOT / "docs/README.md").read_text(encoding="utf-8"))
    page = soup(site / "docs/ask.html")
    guide = [link["href"] for link in page.select(".contents > details > ul > li > a")]
    assert [Path(address).stem for address in guide[1:5]] == [Path(name).stem for name in listed[:4]]
    assert len(guide) == len(listed) + 1 == len(list((site / "docs").glob("*.html")))
    assert page.select_one('[aria-current="page"]').get_text() == "Ask"
    assert page.select_one('a[rel="next"]')["href"] == "../docs/evaluation.html"
    assert page.select_one("main").find("a", string="Prompts")["href"] == "prompts.html"
    terms = soup(site / "docs/evaluation.html").find("a", string="terms.txt")
    assert terms["href"] == f"{REPOSITORY}/blob/main/helpers/findings/terms.txt"
    for path in (site / "index.html", site / "scores.html", site / "api/data.html"):
        menu = soup(path).select_one("header nav")
        assert menu.find("a", string="Guide")["href"].endswith("docs/index.html")
        assert menu.find("a", string="Glossary")["href"].endswith("docs/glossary.html")


def test_a_guide_that_lists_a_missing_page_is_told_and_none_is_needed(run, tmp_path):
    with pytest.raises(InputError, match="page of the guide is missing"):
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs/README.md").write_text("# Guide\n\n[away](away.md)")
        build_gallery(run[0], tmp_path / "out", notebooks=run[1], docs=tmp_path / "docs")
    (tmp_path / "docs/README.md").unlink()
    index = build_gallery(run[0], tmp_path / "out", notebooks=run[1], docs=tmp_path / "docs")
    assert "Guide" not in soup(index).get_text()
    assert soup(index.parent / "notebooks/02_ct_volume_prompting.html").find("a", string="elsewhere") is None


def test_what_failed_or_was_not_run_says_so_on_its_card_and_its_page(site):
    cards = {card["id"]: card.get_text(" ", strip=True) for card in soup(site / "index.html").select(".card[id]")}
    assert list(cards) == ["02_ct_volume_prompting", "03_bad", "03_mri_volume_prompting", "07_later"]
    assert "ran through in 61 s changed since" in cards["02_ct_volume_prompting"]
    assert "Turn a series into slices. ✓" in cards["02_ct_volume_prompting"]
    assert "failed" in cards["03_bad"]
    assert "cell 2 of 3 (values[3]): IndexError" in cards["03_bad"]
    assert "not run" in cards["07_later"]
    assert [name for name, words in cards.items() if "ran through" in words] == ["02_ct_volume_prompting"]
    failed = soup(site / "notebooks/03_bad.html")
    assert "did not run through" in failed.select_one(".banner.bad").get_text()
    assert failed.get_text().index("The run stopped here.") < failed.get_text().index("never = 1")
    for name in ("03_mri_volume_prompting", "07_later"):
        assert "was not run" in soup(site / f"notebooks/{name}.html").select_one(".banner.bad").get_text()
        assert not (site / f"notebooks/{name}.ipynb").exists()


def test_every_picture_has_a_text_and_the_tagged_one_is_on_the_card(site):
    images = [image for path in site.rglob("*.html") for image in soup(path).find_all("img")]
    assert all(image["alt"].strip() for image in images)
    of_notebooks = [image for path in (site / "notebooks").glob("*.html") for image in soup(path).find_all("img")]
    assert [image["alt"] for image in of_notebooks] == ["Figure in “1. Windows”: grey; … slices", "two slices"]
    front, card = soup(site / "index.html").find_all("img")
    assert "Reply of the stand-in" in front["alt"]
    assert card["alt"] == "two slices"
    with Image.open(site / "pictures/02_ct_volume_prompting.jpg") as card:
        assert card.size == (640, 400)
        red, _, blue = card.getpixel((320, 200))
        assert blue > 200 > 60 > red


def test_code_in_a_table_breaks_between_the_words_of_a_name_and_keeps_its_text():
    cells = "<table><tr><td><code>CT_QUESTION</code> a_b</td><td><a><code>docs/ct.md</code></a></td></tr></table>"
    page = BeautifulSoup(f"{cells}<p><code>MRI_QUESTION</code></p>", "html.parser")
    words = page.get_text()
    break_names(page)
    assert [str(code) for code in page.select("td code")] == [
        "<code>CT_<wbr/>QUESTION</code>",
        "<code>docs/<wbr/>ct.<wbr/>md</code>",
    ]
    assert page.get_text() == words
    assert page.p.code.string == "MRI_QUESTION"


def test_a_solution_is_folded_under_its_title(site):
    page = soup(site / "notebooks/02_ct_volume_prompting.html")
    (folded,) = page.select("main details")
    assert not folded.has_attr("open")
    assert folded.summary.get_text() == "Solution 1: a < b"
    assert "assert 1 < 2" in folded.select_one(".input_area").get_text()
    assert folded.select_one(".output").get_text().strip() == "shown"


def test_published_and_measured_are_labelled_and_a_failed_notebook_measured_nothing(site, run):
    summary = json.loads((run[0] / "summary.json").read_text())
    rows = {row.kind: row for row in side_by_side(summary)}
    assert rows["CT volume"].figure == "6 of 8: 75 % (41 to 93 %)"
    assert rows["CT volume"].model == "standin (not MedGemma)"
    assert rows["MRI volume"].figure == "not measured (notebook 03 ended: not run)"
    served = {"model": "standin_weights@127.0.0.1:37921", "is_standin": True}
    assert named(served) == "standin_weights, served (not MedGemma)"
    assert named({"model": "medgemma@host.example:8000"}) == "medgemma@host.example:8000"
    assert {published.kind for published in PUBLISHED} == rows.keys()
    page = soup(site / "scores.html")
    assert "Not to be compared" in page.get_text()
    head = [cell.get_text() for cell in page.select_one("#side-by-side ~ div thead, thead").find_all("th")]
    assert sum("published" in words for words in head) and sum("measured in this run" in words for words in head)
    # The same figures as the notebook about scores shows.
    text = (ROOT / "notebooks/05_evaluation.ipynb").read_text(encoding="utf-8")
    for row in PUBLISHED[:5]:
        assert f"{row.measure} | {row.medgemma_1} | {row.medgemma_1_5} |" in text, row.task


def test_no_token_and_no_folder_of_this_machine_gets_in(site):
    for path in site.rglob("*"):
        if path.suffix in (".html", ".js", ".ipynb"):
            text = path.read_text(encoding="utf-8")
            assert PLANTED not in text
            assert str(Path.cwd()) not in text, path.name
    assert "[token removed]" in (site / "notebooks/02_ct_volume_prompting.html").read_text()


def found(site: Path, query: str) -> list[str]:
    """What the search page shows for a query, opened as a file, without a server."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command = [CHROMIUM, *flags, f"--user-data-dir={site.parent / 'browser'}", "--virtual-time-budget=5000"]
    url = f"{(site / 'search.html').as_uri()}?q={query}"
    run = subprocess.run([*command, "--dump-dom", url], capture_output=True, text=True, timeout=120, check=True)
    return [link["href"] for link in BeautifulSoup(run.stdout, "html.parser").select("#found a")]


def test_the_index_of_the_search_holds_sections_and_names(site):
    text = (site / "search-index.js").read_text(encoding="utf-8")
    rows = json.loads(text.removeprefix("window.SEARCH_INDEX = ").rstrip().removesuffix(";"))
    by_address = {address: (title, words) for title, _, _, address, words in rows}
    assert "xylophonist" in by_address["notebooks/02_ct_volume_prompting.html#1-windows"][1]
    assert by_address["api/volumes.html#read_volume"][0] == "read_volume"
    assert "Orthanc" in by_address["docs/ask.html#images-on-a-dicom-server"][1]
    assert len(by_address) == len(rows)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_search_finds_a_word_in_a_browser(site):
    assert found(site, "XYLOPHON+volume") == ["notebooks/02_ct_volume_prompting.html#1-windows"]
    assert found(site, "read_volume")[0] == "api/volumes.html#read_volume"
    assert found(site, "Orthanc")[0] == "docs/ask.html#images-on-a-dicom-server"
    assert found(site, "xylophonist+nowhere") == []


def test_a_site_is_replaced_by_a_whole_one_alone_and_nothing_else_is_replaced(run, site, tmp_path, capsys):
    copy, output = Path(shutil.copytree(run[0], tmp_path / "run")), Path(shutil.copytree(site, tmp_path / "site"))
    (copy / "02_ct_volume_prompting.ipynb").unlink()
    with pytest.raises(InputError, match="executed copy is missing"):
        build_gallery(copy, output)
    assert (output / "index.html").read_bytes() == (site / "index.html").read_bytes()
    with pytest.raises(InputError, match="not a gallery"):
        build_gallery(run[0], copy)
    assert main(["gallery", "--run", str(tmp_path / "none"), "--output", str(output)]) == 2
    assert "make run" in capsys.readouterr().err
    with whole_folder(output) as folder:
        (folder / "new").touch()
        assert (output / "index.html").is_file()
    assert [path.name for path in output.iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "site"]
