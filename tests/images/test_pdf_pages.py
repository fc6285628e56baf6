"""PDF: its pages as pictures wherever an image is read, and one clear error for each file that has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw

from helpers.errors import InputError
from helpers.evaluation import read_cases
from helpers.images import check_readable, find_study, page_count, read_image, read_images
from helpers.models import ask_path
from helpers.prompts import images_of


def page(text: str) -> Image.Image:
    image = Image.new("RGB", (300, 400), "white")
    if text:
        ImageDraw.Draw(image).rectangle((40, 60, 140, 260), fill=text)
    return image


def pdf(path: Path, *texts: str) -> Path:
    first, *others = map(page, texts)
    first.save(path, "PDF", save_all=True, append_images=others, resolution=72)
    return path


def objects(path: Path, *held: bytes, trailer: bytes = b"") -> Path:
    """A PDF of these objects, of which the first is the catalogue."""
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(held, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    at, count = len(out), len(held) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R%s>>" % (count, table, count, trailer)
    path.write_bytes(out + b"\nstartxref\n%d\n%%%%EOF" % at)
    return path


def locked(path: Path) -> Path:
    """A PDF whose Encrypt dictionary no password opens."""
    return objects(
        path,
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>",
        b"<</Filter/Standard/V 1/R 2/O<" + b"00" * 32 + b">/U<" + b"11" * 32 + b">/P -4>>",
        trailer=b"/Encrypt 4 0 R/ID[<00><00>]",
    )


def form(path: Path, value: bytes) -> Path:
    """A page whose only ink is what was typed into a field of a form, in its right half."""
    look = b"/Tx BMC BT /F1 24 Tf 2 10 Td (%s) Tj ET EMC" % value
    shape = b"<</Type/XObject/Subtype/Form/BBox[0 0 100 40]/Resources<</Font<</F1 5 0 R>>>>/Length %d>>"
    return objects(
        path,
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/DR<</Font<</F1 5 0 R>>>>>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 200]/Annots[4 0 R]>>",
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(k)/V(%s)/F 4/Rect[200 140 300 180]/DA(/F1 24 Tf 0 g)"
        b"/AP<</N 6 0 R>>/P 3 0 R>>" % value,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        shape % len(look) + b"\nstream\n%s\nendstream" % look,
    )


def test_a_page_is_drawn_upright_with_its_colours_whatever_its_name(tmp_path):
    path = pdf(tmp_path / "report", "red")
    image = read_image(path)
    assert image.mode == "RGB" and image.size == (1344, 1792)  # 300 x 400 to twice 896
    pixels = np.asarray(image)
    assert tuple(pixels[700, 400]) == pytest.approx((255, 0, 0), abs=3)  # at 90, 156 of 300 x 400
    assert pixels[1500, 400].min() > 250 and pixels[700, 1000].min() > 250


def test_all_pages_are_shown_or_the_one_that_is_chosen(tmp_path):
    path = pdf(tmp_path / "a.pdf", "red", "green", "blue")
    assert page_count(path) == 3
    assert len(read_images(path, "image")) == 3
    assert np.asarray(read_image(path, 2))[700, 400, 2] > 250
    with pytest.raises(InputError, match=r"holds 3 pages. Choose one: page=0 to 2"):
        read_image(path)
    check_readable(path, "image")


def test_a_page_with_nothing_on_it_is_left_out(tmp_path, capsys):
    path = pdf(tmp_path / "a.pdf", "red", "", "blue")
    assert len(read_images(path, "image")) == 2
    with pytest.raises(InputError, match="Nothing stands on page 1"):
        read_image(path, 1)
    with pytest.raises(InputError, match="Nothing stands on any page"):
        read_images(pdf(tmp_path / "b.pdf", "", ""), "image")
    asked = ask_path(path, "What is this?", max_new_tokens=2)
    assert asked["images"] == 2 and asked["notes"] == ["a.pdf: nothing stands on page 1; left out."]


def test_more_pages_than_the_limit_are_refused_and_not_cut(tmp_path):
    document = pypdfium2.PdfDocument.new()
    for _ in range(100):
        document.new_page(72, 72)
    path = tmp_path / "long.pdf"
    document.save(path)
    assert page_count(path) == 100
    with pytest.raises(InputError, match=r"100 pages, and a prompt shows 20 .*--page 0 to 99.*--limit 100"):
        ask_path(path, "What is this?")
    with pytest.raises(InputError, match="shows 2 of one"):
        read_images(pdf(tmp_path / "a.pdf", "red", "red", "red"), "image", 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "This is an empty file, in spite of its name"),
        (b"<html>", "This is not a PDF, in spite of its name"),
        (b"%PDF-1.4\nnothing follows", "damaged or cut off"),
    ],
)
def test_what_is_no_pdf_is_one_error(tmp_path, content, said):
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    for read in (read_image, page_count, find_and_ask):
        with pytest.raises(InputError, match=said):
            read(path)


def find_and_ask(path: Path) -> None:
    ask_path(path, "What is this?")


def test_a_locked_pdf_says_that_it_is_locked(tmp_path):
    with pytest.raises(InputError, match="locked with a password"):
        read_image(locked(tmp_path / "a.pdf"))


def test_beside_images_a_pdf_is_passed_over(tmp_path):
    pdf(tmp_path / "report.pdf", "red")
    page("blue").save(tmp_path / "scan.png")
    study = find_study(tmp_path)
    assert [file.name for file in study.files] == ["scan.png"]
    assert "a PDF, which is read by its own name" in str(study)
    assert find_study(tmp_path / "report.pdf").kind == "image"


def test_a_table_of_questions_may_name_a_pdf(tmp_path):
    pdf(tmp_path / "a.pdf", "red", "green")
    rows = "path,modality,question,answer,page\na.pdf,image,What is it?,red,\na.pdf,image,And this?,green,1\n"
    (tmp_path / "t.csv").write_text(rows)
    assert [len(images_of(case.messages)) for case in read_cases(tmp_path / "t.csv")] == [2, 1]


def test_the_pages_of_a_tiff_are_counted_as_they_are_read(tmp_path):
    path = tmp_path / "fax.tiff"
    page("red").save(path, save_all=True, append_images=[page("blue")])
    assert page_count(path) == 2 and page_count_of_png(tmp_path) == 1
    assert read_image(path, 1).getpixel((100, 100)) == (0, 0, 255)


def page_count_of_png(folder: Path) -> int:
    page("red").save(folder / "a.png")
    return page_count(folder / "a.png")


def test_what_was_typed_into_a_form_is_on_its_page(tmp_path: Path) -> None:
    ink = np.asarray(read_image(form(tmp_path / "form.pdf", b"6.8")).convert("L")) < 128
    assert ink.shape == (896, 1792) and ink[:, 896:].sum() > 500 and not ink[:, :896].any()
    with pytest.raises(InputError, match="Nothing stands on"):
        read_image(form(tmp_path / "empty.pdf", b""))
