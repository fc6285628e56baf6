"""Draw docs/question.jpg, the README's picture: a question about a CT, the reply of the stand-in, and the truth.

Run ``python docs/make_picture.py`` after the stand-in was trained anew. The case is the first held-out teaching CT
with a haemorrhage, whatever the stand-in says about it. The reply is the model's own. It goes into the picture,
into its alt text in README.md, and into the JPEG comment, with which a test compares what the stand-in says now.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers import load_model
from helpers.prompts import pad_to_square, parse_final_answer
from helpers.storage import whole_file
from helpers.teaching import HAEMORRHAGE, HELD_OUT, Case, generate
from helpers.viewers import outline

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "question.jpg"
SIDE = 640  # pixels of the slice
SIZE = (1520, SIDE)
MARGIN = 36
INK, QUIET, LINE = "#1c2128", "#57606a", "#d8dde3"
PLAIN = str.maketrans("[]\n", "() ")  # what Markdown would not keep in an alt text
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def first_case() -> Case:
    """The first held-out CT case that asks for a haemorrhage where there is one."""
    drawn = (generate("ct", 1, seed)[0] for seed in itertools.count(HELD_OUT))
    return next(case for case in drawn if case.condition == HAEMORRHAGE and case.truth == "yes")


def asked(case: Case) -> dict[str, str]:
    """The question, the stand-in's reply and whether that is right, in words for the picture and its alt text."""
    reply = load_model("standin").generate(case.messages).text
    verdict = "right" if parse_final_answer(reply, ["yes", "no"]) == case.truth else "wrong"
    shown = f"Slice {case.slice_of_finding() + 1} of the {len(case.images)} in the prompt"
    return {"case": case.id, "shown": shown, "question": case.question, "reply": reply, "verdict": verdict}


def alt_text(words: dict[str, str]) -> str:
    """The picture in words."""
    words = {name: text.translate(PLAIN) for name, text in words.items()}
    return (
        "An axial slice of a head CT in colours, with a drawn-in haemorrhage outlined in yellow. "
        f"Question: {words['question']} Reply of the stand-in, which is not MedGemma: “{words['reply']}”. "
        f"The reply is {words['verdict']}."
    )


def draw(case: Case, words: dict[str, str]) -> Image.Image:
    """The slice on the left; question, reply and truth on the right, as large as they fit."""
    k = case.slice_of_finding()
    shown = pad_to_square(case.images[k]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    mask = pad_to_square(case.mask()[case.record["slices"]][k].astype(np.uint8) * 255)
    finding = np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.NEAREST))[..., 0] > 0
    picture = Image.new("RGB", SIZE, "white")
    picture.paste(Image.fromarray(outline(shown, finding)), (0, 0))
    panel = next(panel for size in range(28, 13, -1) if (panel := draw_words(words, size)))
    picture.paste(panel, (SIDE, 0))
    return picture


def draw_words(words: dict[str, str], size: int) -> Image.Image | None:
    """The panel beside the slice, or None where letters of this size do not fit."""
    panel = Image.new("RGB", (SIZE[0] - SIDE, SIDE), "white")
    pen = ImageDraw.Draw(panel)
    pen.rectangle((0, 0, panel.width - 1, panel.height - 1), outline=LINE, width=2)
    said = {
        "Question": words["question"],
        "Reply of the stand-in, which is not MedGemma": words["reply"],
        "Truth": f"Yes. The reply is {words['verdict']}.",
    }
    y = MARGIN
    for heading, text in said.items():
        y = write(pen, y, heading, QUIET, size - 4, bold=True)
        y = write(pen, y, text, INK, size) + size
    note = (
        f"{words['shown']}. This project drew the haemorrhage into a real CT, so the truth is known. "
        "The model got the slices without the outline. For education and not for diagnosis."
    )
    y = write(pen, y, note, QUIET, size - 7)
    return panel if y <= panel.height else None


def write(pen: ImageDraw.ImageDraw, y: int, text: str, colour: str, size: int, *, bold: bool = False) -> int:
    """Write a paragraph at this height and return the height below it."""
    font = ImageFont.truetype(FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"), size)
    width = SIZE[0] - SIDE - 2 * MARGIN
    columns = next(n for n in range(120, 10, -1) if fits(text, n, font, width))
    for line in textwrap.wrap(text, columns):
        pen.text((MARGIN, y), line, font=font, fill=colour)
        y += round(size * 1.35)
    return y


def fits(text: str, columns: int, font: ImageFont.FreeTypeFont, width: int) -> bool:
    """Whether no line of so many characters is wider than ``width``."""
    return max(font.getlength(line) for line in textwrap.wrap(text, columns)) <= width


def main() -> None:
    """Ask, draw, and write the picture and its alt text."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    case = first_case()
    words = asked(case)
    words["alt"] = alt_text(words)
    with whole_file(PICTURE) as partial:
        draw(case, words).save(partial, "JPEG", quality=85, optimize=True, comment=json.dumps(words))
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    new, count = re.subn(
        r"!\[[^\]]*\]\(docs/question\.jpg\)", lambda _: f"![{words['alt']}](docs/question.jpg)", text
    )
    if count == 1:
        with whole_file(readme) as partial:
            partial.write_text(new, encoding="utf-8")
    print(f"{words['case']}: {words['reply']} ({words['verdict']})")
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1000} kB; README.md: {count} alt text")


if __name__ == "__main__":
    main()
