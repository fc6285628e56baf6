"""Describe the kinds of teaching cases for ``evaluate --cases teaching``, without drawing a case."""

from __future__ import annotations

from helpers.errors import InputError, did_you_mean

TEACHING = "teaching"
NOT_TAUGHT = "The stand-in never learned it."
# What each kind of `helpers.teaching.CASES` shows, and what it asks.
KINDS = {
    "ct": ("20 to 85 slices of a head CT", "Is there a haemorrhage, oedema or a mass? Yes or no."),
    "mri": (
        "20 to 85 slices of a T1 brain MRI",
        "Is there a dark lesion, a bright lesion, or are the ventricles enlarged? Yes or no.",
    ),
    "ct-hypoxia": ("2 to 4 slices of a head CT", f"Is there hypoxic injury of the brain? {NOT_TAUGHT}"),
    "ct-staining": ("2 to 4 slices of a head CT", f"Is contrast medium left in the brain? {NOT_TAUGHT}"),
    "slide": ("patches of a whole slide", "Describe the tissue in a sentence."),
    "image": ("one 2D image", "Which kind of image is it, and which part of the body does it show?"),
    "effusion": (
        "a chest radiograph",
        "Is there a pleural effusion, or none? In words that the stand-in never learned.",
    ),
    "box": ("a chest radiograph or a fundus photograph", "Where is the heart, the effusion or the optic disc?"),
    "change": ("two chest radiographs of a patient", "Is the effusion better, the same or worse?"),
    "text": ("no image", "What does a term mean?"),
}


def names_no_kind(cases: str | None) -> bool:
    """Whether ``--cases`` asks for teaching cases without naming a kind."""
    return cases is not None and cases.strip() in (TEACHING, f"{TEACHING}:")


def kinds_text() -> str:
    """The kinds, each with a line about its images and a line about its question."""
    width = max(map(len, KINDS))
    lines = ["Teaching cases are made from the bundled images, and the right answer is known:"]
    for kind, (shown, asked) in KINDS.items():
        lines += [f"  {kind:{width}}  {shown}", f"  {'':{width}}  {asked}"]
    lines.append(f"Choose one: medgemma-tutorials evaluate --cases {TEACHING}:ct --n 8 --output DIR")
    return "\n".join(lines)


def check_kind(cases: str) -> None:
    """Raise `InputError` for an unknown kind. The reader of tables checks the name of a table."""
    named = {f"{TEACHING}:{kind}": kind for kind in KINDS}
    teaching, colon, kind = cases.partition(":")
    near = did_you_mean(cases, named)
    if cases in named or not colon or (teaching != TEACHING and not near):
        return
    if teaching == TEACHING:
        cases, near = kind, did_you_mean(kind, KINDS)
    raise InputError(
        f"There are no cases of kind {cases!r}.",
        remedy=f"{near}Use one of {', '.join(KINDS)}; evaluate --cases {TEACHING} says what each asks.",
    )
