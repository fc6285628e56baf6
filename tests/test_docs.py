"""README.md and the guide in docs/: what they link to, name and show is there, and is the same everywhere."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from PIL import Image

from helpers.cli import main
from helpers.gallery.documents import github_anchor
from helpers.teaching import generate
from tests.test_project import NOTEBOOKS, PROJECT, ROOT, repository_files

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}
FENCE = re.compile(r"^(```+|~~~+)(\w*)\n(.*?)^\1", re.DOTALL | re.MULTILINE)
REPOSITORY = PROJECT["urls"]["Repository"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def shell_lines() -> list[tuple[str, str]]:
    """Name of the page and line, of every block of shell in the repository's Markdown."""
    lines = []
    for path in repository_files():
        if path.suffix == ".md":
            for _, language, block in FENCE.findall(path.read_text(encoding="utf-8")):
                if language in ("bash", "sh", "shell", "console"):
                    lines += [(path.name, line) for line in block.splitlines()]
    return lines


def test_lines_of_shell_fit_on_the_pages():
    lines = shell_lines()
    assert len({name for name, _ in lines}) > 10
    assert not [(name, line) for name, line in lines if len(line) > 100]


def test_commands_options_and_targets_in_lines_of_shell_exist(capsys):
    """As the help of that command and the Makefile name them."""
    joined = "\n".join(line for _, line in shell_lines()).replace("\\\n", " ")
    used: dict[str, set[str]] = {}
    for words in (
        shlex.split(line, comments=True) for line in joined.splitlines() if "medgemma-tutorials " in line
    ):
        at = next((k for k, word in enumerate(words) if word.endswith("medgemma-tutorials")), len(words))
        if words[at + 1 :]:
            used.setdefault(words[at + 1], set()).update(word for word in words[at + 2 :] if word.startswith("--"))
    assert {"ask", "evaluate", "finetune", "prepare", "serve"} <= used.keys() - {"activate"}
    for command, options in used.items():
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        shown = capsys.readouterr().out
        assert ended.value.code == 0, command
        assert not {option for option in options if not re.search(rf"{option}\b", shown)}, command
    targets = set(re.findall(r"(?:^make|`make) ([a-z]+)", joined + "".join(TEXTS.values()), re.MULTILINE))
    assert {"lab", "run", "site"} <= targets
    assert not {target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)}


def test_links_lead_to_files_and_headings():
    """As GitHub shows the pages; ``tests/gallery`` follows the links of the site."""
    anchors = {}
    for path, text in TEXTS.items():
        headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
        anchors[path] = {github_anchor(re.sub(r"[`*]", "", heading)) for heading in headings}
    followed = 0
    for path, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
            if re.match(r"https?:", target):
                continue
            name, _, anchor = target.partition("#")
            to = (path.parent / name).resolve() if name else path
            assert to.exists(), (path.name, target)
            assert not anchor or anchor in anchors[to], (path.name, target)
            followed += 1
    assert followed > 80


def test_the_glossary_is_in_order_short_and_reached_from_the_notebooks():
    text = TEXTS[ROOT / "docs" / "glossary.md"]
    terms = dict(re.findall(r"^## (.+)\n\n(.+)\n", text, re.MULTILINE))
    assert len(terms) == text.count("\n## ") > 80
    assert list(terms) == sorted(terms, key=str.lower)
    for term, words in terms.items():
        assert "](../notebooks/" in words and len(words.split()) <= 80, term
    anchors = {github_anchor(term) for term in terms}
    notebooks = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    linked = set(re.findall(r"glossary\.md#([\w-]+)", notebooks))
    assert not linked - anchors


def test_the_guide_lists_every_page_and_every_picture_is_shown_with_a_text():
    listed = re.findall(r"\]\(([\w-]+\.md)\)", TEXTS[ROOT / "docs" / "README.md"])
    assert sorted(listed) == sorted(
        path.name for path in PAGES if path.parent.name == "docs" and path.stem != "README"
    )
    shown = dict(
        (name, alt) for text in TEXTS.values() for alt, name in re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
    )
    pictures = {path.name for path in (ROOT / "docs").glob("*.jpg")}
    assert {Path(name).name for name in shown if name.endswith(".jpg")} == pictures
    assert all(len(alt) > 20 for name, alt in shown.items() if name.endswith(".jpg"))


def test_the_front_page_is_short_and_says_first_what_it_is_not_for():
    lines = TEXTS[README].splitlines()
    assert len(lines) <= 95
    assert "For education and not for diagnosis." in "\n".join(lines[:6])
    rows = [line for line in lines if line.startswith("| [")]
    assert [re.search(r"\(notebooks/(.+?)\)", row)[1] for row in rows] == [path.name for path in NOTEBOOKS]
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 5 and all(cells) and "…" not in cells, cells[0]
        assert re.fullmatch(r"\d+", cells[2]), "minutes"
        assert row.count("colab-badge.svg") == 1


def test_the_picture_shows_what_the_stand_in_says(standin):
    path = ROOT / "docs" / "question.jpg"
    assert path.stat().st_size < 150_000
    with Image.open(path) as image:
        words = json.loads(image.info["comment"])
    kind, _, seed = words["case"].rpartition("-")
    (case,) = generate(kind, 1, int(seed))
    assert words["question"] == case.question
    assert words["reply"] == standin.generate(case.messages).text, "run: make picture"
    assert f"![{words['alt']}](docs/question.jpg)" in TEXTS[README]
    assert words["question"] in words["alt"] and words["reply"] in words["alt"]


def test_the_address_of_the_repository_is_the_same_everywhere():
    owner, name = REPOSITORY.split("/")[-2:]
    names = {name, PROJECT["name"]}
    places = (
        r"(?:git\+|git clone )https://github\.com/([\w.-]+)/([\w.-]+)",
        rf"github\.com/([\w.-]+)/({'|'.join(map(re.escape, names))})(?![\w.-])",
        r"colab\.research\.google\.com/github/([\w.-]+)/([\w.-]+)",
        r"raw\.githubusercontent\.com(?:/|%2F)([\w.-]+)(?:/|%2F)([\w.-]+)",
    )
    found = {}
    for path in repository_files():
        if path.suffix in (".md", ".ipynb", ".py", ".toml", ".cff", ".yml", ".yaml", ".txt", ".j2"):
            # Tests make up addresses, and the manifest names the repositories that images come from.
            if path.is_relative_to(ROOT / "tests") or path.name == "data_manifest.yaml":
                continue
            text = path.read_text(encoding="utf-8")
            found[path.relative_to(ROOT).as_posix()] = {
                match for place in places for match in re.findall(place, text)
            }
    found = {path: pairs for path, pairs in found.items() if pairs}
    assert {"README.md", "docs/install.md", "pyproject.toml", "CITATION.cff"} <= found.keys()
    assert {f"notebooks/{path.name}" for path in NOTEBOOKS} <= found.keys()
    assert not {path: pairs for path, pairs in found.items() if pairs != {(owner, name)}}


def test_an_extra_is_installed_from_the_checkout_or_the_repository():
    """There is no package index to take it from. The guide lists each that exists."""
    installs = [line for _, line in shell_lines() if "pip install" in line or line.strip().startswith('"medgemma')]
    assert len(installs) >= 5
    for line in installs:
        assert "medgemma-tutorials[" not in line or f"@ git+{REPOSITORY}" in line, line
    extras = set(PROJECT["optional-dependencies"])
    guide = TEXTS[ROOT / "docs" / "install.md"]
    assert set(re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`.+?) \|", guide, re.MULTILINE)))) == extras


def test_the_tree_has_the_folders_in_the_order_of_their_layers():
    tree = re.findall(r"^  (\w+)(?:/|\.py) ", TEXTS[ROOT / "docs" / "architecture.md"], re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    assert sorted(tree) == sorted(set().union(*layers))
    level = {name: k for k, layer in enumerate(layers) for name in layer}
    assert [level[name] for name in tree] == sorted(level[name] for name in tree)


def test_the_workflow_of_the_site_may_deploy_what_make_site_writes():
    folder = ROOT / ".github" / "workflows"
    flows = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.glob("*.yml")}
    build, deploy = (flows["pages"]["jobs"][name] for name in ("build", "deploy"))
    assert deploy["permissions"] == {"pages": "write", "id-token": "write"}
    (upload,) = [step["with"]["path"] for step in build["steps"] if "upload-pages" in step.get("uses", "")]
    assert re.search(rf"^SITE := {upload}$", MAKEFILE, re.MULTILINE)
    used = [step["uses"] for flow in flows.values() for job in flow["jobs"].values() for step in job["steps"]
            if "uses" in step]  # fmt: skip
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)
    assert len({action.split("@")[0] for action in used}) == len(set(used)), "one version of each"
