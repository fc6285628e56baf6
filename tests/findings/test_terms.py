"""Lists of terms: the usual one, and one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.findings import Terms, finding_states, read_terms


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "terms.txt"
    path.write_text(text, encoding=encoding)
    return path


def own(folder: Path, text: str, encoding: str = "utf-8") -> Terms:
    return read_terms(written(folder, text, encoding))


def test_an_own_list_tells_its_findings_and_no_others(tmp_path: Path) -> None:
    terms = own(
        tmp_path, "# of knees\nBaker's cyst: popliteal cyst\nbone bruise: bone * oedema | !normal marrow\n"
    )
    assert terms.findings == ("Baker's cyst", "bone bruise")
    text = "No Baker's cyst. Bone marrow edema; small effusion."
    assert finding_states(text, terms) == {("Baker's cyst", "negated"), ("bone bruise", "asserted")}
    assert finding_states("Normal marrow", terms) == {("bone bruise", "negated")}
    assert finding_states("A popliteal cyst is not seen", terms) == {("Baker's cyst", "negated")}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_finding_may_have_several_lines_and_windows_line_ends(tmp_path: Path, encoding: str) -> None:
    terms = own(tmp_path, "œdème: fluid\r\n\r\nœdème: swelling  # both\r\n", encoding)
    assert finding_states("Oedeme", terms) == finding_states("fluid", terms) == {("œdème", "asserted")}
    assert finding_states("no swelling", terms) == {("œdème", "negated")}


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("haemorrhage", "hemorrhages"),
        ("tumour", "tumors"),
        ("metastasis", "metastases"),
        ("adenoma", "adenomata"),
        ("pneumothorax", "pneumothoraces"),
        ("embolus", "emboli"),
        ("bulla", "bullae"),
        ("calcified body", "calcified bodies"),
        ("ground-glass opacity", "ground glass opacities"),
        ("disease", "diseases"),
        ("abscess", "abscesses"),
    ],
)
def test_spellings_and_plurals_need_no_synonym(tmp_path: Path, word: str, other: str) -> None:
    for listed, text in ((word, other), (other, word)):
        assert finding_states(text.upper(), own(tmp_path, f"named: {listed}")) == {("named", "asserted")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pneumothorax\neffusion: fluid", 'line 1: there is no "finding:"'),
        ("effusion: fluid\n: fluid", 'line 2: there is no "finding:"'),
        ("effusion: fluid\nascites: Fluids", "line 2: 'Fluids' is a term of 'effusion' already"),
        (
            "heart: !normal heart\nheart: normal hearts",
            "line 2: 'normal hearts' is a term of 'heart' already as its",
        ),
        ("nothing: none", "line 1: 'none' cannot be a finding, because it is a word of negation"),
        ("effusion: * fluid", "line 1: '* fluid' does not begin and end with a word"),
        ("???: fluid", "line 1: '???' does not begin and end with a word"),
        ("# nothing yet\n", "the file names no finding"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_by_line_with_how_to_write_it(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(InputError) as raised:
        own(tmp_path, text)
    assert told in str(raised.value) and "terms.txt" in str(raised.value)
    assert "pneumothorax: ptx" in raised.value.remedy


def test_a_list_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path, written(tmp_path, "œdème: fluid", "utf-16")):
        with pytest.raises(InputError, match=path.name):
            read_terms(path)
