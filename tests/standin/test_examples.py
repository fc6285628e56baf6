"""Every example of README and the command line's help gets an answer that a person would call sensible."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from helpers.models import ask_path

ROOT = Path(__file__).parents[2]
CT, XRAY = "ct-head", "chest-radiograph"
FUNDUS, CHEST, NO = (
    r"This is a fundus photograph\.",
    r"This is a chest radiograph\.",
    r"not seen\. Final Answer: no",
)
UNKNOWN = r"I am a small stand-in model and did not learn to answer this\. Ask me for example: [^?]+\? [^?]+\?"
# What an example asks of a path of one's own is asked of the bundled file of that kind.
OWN = {"path/to/study": XRAY, "slide.svs": "slide-he", "scan.png": XRAY, "brain.nii.gz": "mri-t1"}
PLACES = ("README.md", "docs/ask.md", "docs/prompts.md", "helpers/cli/ask.py", "helpers/cli/command_line.py")
EXAMPLES = [
    (XRAY, "Is there a pleural effusion?", ["yes", "no"], f"Pleural effusion: {NO}"),
    ("slide-he", "Which stain is this?", [], r"This is H&E histology: tissue in pink and purple\."),
    (XRAY, "Is it normal?", [], UNKNOWN),
    (CT, "Is there intracranial haemorrhage?", [], f"Area of blood density: {NO}"),
    (CT, "Is there intracranial haemorrhage?", ["yes", "no"], f"Area of blood density: {NO}"),
    ("fundus", "What kind of medical image is this?", [], r"This is a fundus photograph: .*\."),
    (
        "fundus",
        "Is this a photograph of the retina?",
        ["yes", "no"],
        f"Asked for a fundus photograph. {FUNDUS} Final Answer: yes",
    ),
    ("fundus", "What is this?", ["fundus", "skin", "radiograph"], f"{FUNDUS} Final Answer: fundus"),
    (
        XRAY,
        "Is this a chest radiograph?",
        ["yes", "no"],
        f"Asked for a chest radiograph. {CHEST} Final Answer: yes",
    ),
    ("mri-t1", "Is there a dark lesion?", [], f"Area of low signal: {NO}"),
    ("ihc-patch", "What is this?", [], r"This is immunohistochemistry: .*\."),
    (CT, "Is there a fracture?", ["yes", "no"], UNKNOWN),
    (CT, "Is there a haemorrhage?", ["yes", "no"], f"Area of blood density: {NO}"),
    (CT, "Is there a haemorrhage?", [], f"Area of blood density: {NO}"),
    (XRAY, "Is there an effusion?", [], f"Pleural effusion: {NO}"),
    ("mri-t1", "Is there a lesion?", [], f"(Area of low signal|Area of high signal): {NO}|{UNKNOWN}"),
]


@pytest.mark.parametrize(("path", "question", "options", "pattern"), EXAMPLES)
def test_the_answer_makes_sense(path: str, question: str, options: list[str], pattern: str) -> None:
    modality = "mri" if path == "mri-t1" else None
    asked = ask_path(path, question, options=options, modality=modality)
    assert re.fullmatch(pattern, asked["answer"]) and asked["finished"]


def test_behind_a_record_it_says_that_it_did_not_learn_this() -> None:
    asked = ask_path(CT, "Is there a haemorrhage?", history=ROOT / "data" / "record.json", limit=20)
    assert re.fullmatch(UNKNOWN, asked["answer"]) and asked["finished"]


@pytest.mark.parametrize("place", PLACES)
def test_the_table_holds_every_example(place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")
    pattern = r"'medgemma-tutorials ask ([^']+)'" if place.endswith(".py") else r"medgemma-tutorials ask (.+)"
    lines = [shlex.split(line, comments=True) for line in re.findall(pattern, text)]
    lines = [line for line in lines if "--schema" not in line]  # it cannot read text, and says so
    assert lines
    held = {(path, question, tuple(options)) for path, question, options, _ in EXAMPLES}
    for path, question, *rest in lines:
        after = rest[rest.index("--options") + 1 :] if "--options" in rest else []
        after = after[: next((k for k, word in enumerate(after) if word.startswith("--")), None)]
        assert (OWN.get(path, path), question, tuple(after)) in held
