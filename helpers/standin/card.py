"""Write the scores of ``make score`` into the stand-in's model card: ``python -m helpers.standin.card FILE...``.

Each file holds the JSON line of one run: the usual one, and one for each control.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.models import STANDIN_FOLDER
from helpers.standin.scoring import CONTROLS

BEGIN, END = "<!-- scores -->", "<!-- /scores -->"
TITLES = {
    "swapped": "images swapped",
    "removed": "images removed",
    "wide-window": "wide window alone",
}
# Rows: what is shown, the way to it in the scores, and whether it is a share (in percent) or a number.
ROWS = (
    ("CT, yes or no, mean over three findings (chance 50 %)", ("kinds", "ct", "accuracy"), True),
    ("MRI, yes or no, mean over three findings (chance 50 %)", ("kinds", "mri", "accuracy"), True),
    ("single images, yes or no and choices, mean", ("kinds", "image", "accuracy"), True),
    ("single images, open: ROUGE-L", ("kinds", "image", "ROUGE-L"), False),
    ("slide sentence: ROUGE-L", ("kinds", "slide", "ROUGE-L"), False),
    ("box: mean IoU", ("kinds", "box", "IoU"), False),
    ("change between two radiographs (chance 33 %)", ("kinds", "change", "accuracy"), True),
    ("definitions: ROUGE-L", ("kinds", "text", "ROUGE-L"), False),
    ("questions to decline, declined", ("declined",), True),
)
SPOKEN = (
    ("20 unseen wordings of a question: answers that flip", ("flips",), True),
    ("right in unseen words", ("right in unseen words",), True),
    ("negated questions, right", ("negated",), True),
    ("the report's templates, right", ("forms", "protocol"), True),
    ("with `--options yes no`, right", ("forms", "closed"), True),
    ("negated, with `--options yes no`, right", ("forms", "absent closed"), True),
    ("with options such as present and absent, right", ("forms", "state"), True),
    ("findings, choices by letter, right", ("forms", "letters"), True),
    ("single images, choices by letter, right", ("letters",), True),
    ("single images, asked openly, right", ("images", "open"), True),
    ("pleural effusion in a radiograph, right", ("images", "effusion"), True),
    ("questions of other kinds: broken answers", ("others", "broken"), True),
    ("questions of other kinds: declined", ("others", "declined"), True),
    ("the bundled images untouched, asked in ten ways each, right", ("untouched", "right"), True),
)


def tables(runs: dict[str | None, dict[str, Any]]) -> str:
    """Markdown tables of scores as `helpers.standin.scoring` prints them.

    ``runs`` maps each control, None for the usual run, to its scores. The usual run has to be there.
    """
    usual = runs[None]
    shown = [control for control in CONTROLS if control in runs]
    lines = [
        f"| held-out cases, seed {usual['seed']} | usual | " + " | ".join(TITLES[c] for c in shown) + " |",
        "| --- | --- |" + " --- |" * len(shown),
    ]
    for title, way, share in _with_conditions(usual):
        cells = [_text(_at(runs[control], way), share) for control in (None, *shown)]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    spoken = usual["in other words"]
    lines += ["", "| in people's words, all of them kept out of training | share |", "| --- | --- |"]
    lines += [f"| {title} | {_text(_at(spoken, way), share)} |" for title, way, share in SPOKEN]
    asked = [("AUROC", "after its argument"), ("AUROC without argument", 'right after "Final Answer:"')]
    lines += ["", f"| AUROC of `p_yes` | {' | '.join(how for _, how in asked)} |", "| --- | --- | --- |"]
    for name, scores in usual["conditions"].items():
        if "AUROC" in scores:
            lines.append(f"| {name} | " + " | ".join(_text(scores.get(key), False) for key, _ in asked) + " |")
    return "\n".join(lines)


def _with_conditions(usual: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    for title, way, share in ROWS:
        yield title, way, share
        if way[-1] == "accuracy":
            names = [name for name in usual["conditions"] if name.startswith(f"{way[1]}: ")]
            for name in names if len(names) > 1 else []:
                yield f"- {name.split(': ', 1)[1]}", ("conditions", name, "accuracy"), True


def _at(scores: dict[str, Any], way: tuple[str, ...]) -> dict[str, Any] | None:
    out: Any = scores
    for step in way:
        out = (out or {}).get(step)
    return out


def _text(score: dict[str, Any] | None, share: bool) -> str:
    if not score or score.get("mean") is None:
        return ""
    factor, digits, unit = (100, 0, " %") if share else (1, 2, "")
    mean = f"{score['mean'] * factor:.{digits}f}"
    if "interval" not in score:
        return f"{mean}{unit} (n = {score['n']})"
    low, high = (f"{end * factor:.{digits}f}" for end in score["interval"])
    return f"{mean}{unit} ({low} to {high}{unit}, n = {score['n']})"


def write(card: Path, runs: dict[str | None, dict[str, Any]]) -> None:
    """Put the tables between the marks of a model card.

    Raises `InputError` where the card has no marks, or the usual run is missing.
    """
    if None not in runs:
        raise InputError(
            "None of the files holds the scores of a run without CONTROL.",
            remedy="Also give the file of `make score` without CONTROL.",
        )
    text = card.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise InputError(
            f"The model card has no place for scores ({BEGIN} ... {END}).",
            path=card,
            remedy="Add both lines to the model card.",
        )
    before, after = text.split(BEGIN)[0], text.split(END, 1)[1]
    card.write_text(f"{before}{BEGIN}\n{tables(runs)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write scores into the stand-in's model card.")
    parser.add_argument("files", nargs="+", type=Path, help="the files that make score wrote")
    parser.add_argument("--card", type=Path, default=STANDIN_FOLDER / "README.md")
    options = parser.parse_args()
    read = [json.loads(file.read_text(encoding="utf-8")) for file in options.files]
    write(options.card, {run["control"]: run for run in read})
