"""Turn a table of your own images with known answers (CSV or JSONL) into cases for `helpers.evaluation`.

One row is one question. The whole table is checked before anything is asked, and one error lists all faults.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.errors import InputError
from helpers.evaluation.patients import with_groups
from helpers.evaluation.quantities import Quantity
from helpers.evaluation.row_checks import (
    SAYS_HOW,
    options_of,
    plain_cells,
    quantity_of,
    reading_of,
    row_problems,
)
from helpers.evaluation.source_state import source_state
from helpers.evaluation.table_file import read_rows
from helpers.images import Reading, check_readable, read_images
from helpers.preparing import Prepared, read_prepared
from helpers.prompts import (
    CT_QUESTION,
    MRI_QUESTION,
    Message,
    closed_question,
    image_messages,
    number_question,
    pad_to_square,
    slide_messages,
    volume_messages,
)

COLUMNS = {
    "path": "the file or folder of the image, relative to the table's folder",
    "modality": "ct, mri, slide or image",
    "condition": (
        "the finding to look for: without a question, it is put into the report's question; scores are "
        "given by condition"
    ),
    "question": (
        "the whole question; a question that says 'Final Answer' is asked as it stands; for a slide, the "
        "tissue and procedure"
    ),
    "prior": "an earlier image of the same patient, shown before the one in path",
    "answer": "yes or no, an option, a sentence, a number, a JSON list with one box, or [] for no box",
    "options": "the possible answers, with | between; yes|no if empty and the answer is one of the two",
    "unit": (
        "the unit of an answer that is a number: mm, cm2, ml, %, HU ..., or count if it has no unit; "
        "replies in other units of length, area, volume, mass or time are converted"
    ),
    "tolerance": "the largest error of a right number, in the unit, or relative, such as 10%; 0 if empty",
    "low": "the smallest possible number; a reply below it is unparsable",
    "high": "the most",
    "history": "patient history for the report's CT and MRI questions",
    "group": "the patient or volume, for rows that are not independent; if empty, rows about one file",
    "only": "chooses one of several volumes by a DICOM keyword, KEY=VALUE, with ; between several",
    "uneven": "yes accepts slices with gaps",
    "offset": "a number that is added to the values of a CT",
    "reformat": "axial resamples slices that are oblique or too thick to be turned",
    "mpp": "microns per pixel, for a slide whose file does not state them",
    "magnification": "the magnification of a slide's patches, 5, 10 or 20; 10 if empty",
    "icc": "yes or no: whether colours are converted with the ICC profile; if empty, yes for slides only",
    "page": "the page or frame of a picture, counted from 0",
    "id": "a name for the row; if empty, made from the other columns",
}
REQUIRED = ("path", "modality", "answer")
_version = functools.cache(version)  # it reads files, and each case needs it


@functools.lru_cache(maxsize=1)
def _last_images(
    path: Path, kind: str, prepared: Prepared | None, reading: Reading, state: tuple[str, ...]
) -> list[Image.Image]:
    if prepared:
        return [pad_to_square(image) for image in prepared.images()]
    return read_images(path, kind, reading=reading)


@dataclass(frozen=True)
class LabelledCase:
    """One row of a table: a question about a file, and its answer."""

    path: Path
    kind: str  # one of `MODALITIES`
    question: str
    condition: str
    truth: str
    options: tuple[str, ...]
    group: str
    id: str
    prepared: Prepared | None = None  # its prepared images, if it uses them
    prior: Path | None = None  # an earlier 2D image that is shown before it
    reading: Reading = field(default_factory=Reading)  # how a volume is read
    quantity: Quantity | None = None  # the quantity, if a number answers the question
    table: tuple[str, str] = field(default=("", ""), compare=False)  # the file's name and its SHA-256

    @property
    def source(self) -> Path | Prepared:
        """The source that `helpers.images.check_may_leave` checks."""
        return self.prepared or self.path

    @property
    def sources(self) -> list[Path | Prepared]:
        """All sources, with that of a prior image."""
        return [self.source, *([self.prior] if self.prior else [])]

    @property
    def answer(self) -> str:
        """The answer to teach a model: the truth, with an option or a number in the form of the question."""
        return f"Final Answer: {self.truth}" if self.options or self.quantity else self.truth

    @property
    def state(self) -> str:
        """A text that stays the same as long as the words, the images and the way to read them do.

        No file is opened for it (`helpers.evaluation.source_state`). Raises OSError if a file does not exist.
        """
        words = (self.kind, self.question, *astuple(self.reading), _version("medgemma-tutorials"))
        before = source_state(self.prior, self.kind) if self.prior else []
        return _digest(*words, *before, *source_state(self.path, self.kind, self.prepared))

    @property
    def messages(self) -> list[Message]:
        """The prompt; the images of the last file are kept, so that rows about one file read it once."""
        try:
            state = tuple(source_state(self.path, self.kind, self.prepared))
        except OSError:  # the reader of the file reports its fault
            state = ()
        images = _last_images(self.path, self.kind, self.prepared, self.reading, state)
        if self.prior:
            images = [*read_images(self.prior, self.kind, reading=self.reading), *images]
        if self.kind == "image":
            return image_messages(images, self.question)
        limit = {"limit": len(images)} if self.prepared else {}  # as many as --limit of prepare allowed
        return (slide_messages if self.kind == "slide" else volume_messages)(images, self.question, **limit)


def read_cases(
    table: str | os.PathLike[str], prepared: str | os.PathLike[str] | None = None
) -> list[LabelledCase]:
    """The cases of a table: CSV with a header row, or JSONL with one object a line; columns as in `COLUMNS`.

    Paths are taken from the table's folder, with / or \\ in them. Files are opened and their headers read, pixels
    not yet; a file that several rows name is looked at once. The ``id`` of a row that has none does not depend on
    where the files lie, so that runs from files and from what was prepared can be compared.

    Args:
        table: the file.
        prepared: an output of `helpers.preparing.prepare`, from which all images are taken. Paths are then
            relative to the folder that was prepared, and the original files are not needed.

    Raises:
        InputError: lists all faults of the table by line; or as `read_prepared` raises it.
    """
    table = Path(table)
    if not os.path.isfile(table):  # noqa: PTH113 - Path's raises for some texts
        raise InputError("This table does not exist.", path=table, remedy="Give a .csv or .jsonl file.")
    cases: list[tuple[int, LabelledCase]] = []
    groups: list[str] = []
    problems: list[str] = []
    files: dict[tuple[Path, str, Reading], str | None] = {}
    held = None if prepared is None else read_prepared(prepared)
    for line, row in read_rows(table, tuple(COLUMNS), REQUIRED):
        cells = None if isinstance(row, str) else plain_cells(row)
        found = [row] if cells is None else row_problems(cells)
        if cells is not None and not found:
            case = _case(cells, table.parent, held)
            key = (case.path, case.kind, case.reading)
            if key not in files:
                files[key] = _file_problem(*key) if held is None else _prepared_problem(case)
            found = [files[key]] if files[key] else []
            if case.prior:
                first = (case.prior, case.kind, case.reading)
                if first not in files:
                    files[first] = _file_problem(*first) if held is None else "a prior image cannot be prepared"
                found += [f"prior: {files[first]}"] if files[first] else []
            cases.append((line, case))
            groups.append(cells["group"])
        problems += [f"line {line}: {problem}" for problem in found]
    named = _with_ids([case for _, case in cases])
    lines = defaultdict(list)
    for (line, _), case in zip(cases, named, strict=True):
        lines[case.id].append(str(line))
    problems += [
        (
            f"lines {' and '.join(where)}: {name!r} occurs twice (the same question about the same file, "
            "or the same id)"
        )
        for name, where in lines.items()
        if len(where) > 1
    ]
    if problems or not cases:
        listed = "".join(f"\n  {problem}" for problem in problems) or "\n  the table has no rows"
        raise InputError(
            f"The table cannot be used:{listed}\n", path=table, remedy="Correct these lines and try again."
        )
    mark = (table.name, hashlib.sha256(table.read_bytes()).hexdigest())
    return [replace(case, table=mark) for case in with_groups(named, groups)]


def _case(cells: Mapping[str, str], folder: Path, held: Mapping[str, Prepared] | None) -> LabelledCase:
    """A row as a case, with the id "" if the row has none."""
    name, options = _plain_path(cells["path"], folder, held), options_of(cells)
    question, quantity = cells["question"], quantity_of(cells)
    if cells["condition"] and not question:
        template = CT_QUESTION if cells["modality"] == "ct" else MRI_QUESTION
        question = template.format(history=cells["history"] or "None given.", condition=cells["condition"])
    elif options and SAYS_HOW not in question.lower():
        question = closed_question(question, options)
    elif quantity and SAYS_HOW not in question.lower():
        question = number_question(question, quantity.unit)
    return LabelledCase(
        path=folder / name,
        kind=cells["modality"],
        question=question,
        condition=cells["condition"],
        truth=quantity.write(quantity.read_truth(cells["answer"])) if quantity else cells["answer"],
        options=options,
        group=cells["group"] or name,
        id=cells["id"],
        prepared=(held or {}).get(name),
        reading=reading_of(cells),
        quantity=quantity,
        prior=folder / _plain_path(cells["prior"], folder, held) if cells["prior"] else None,
    )


def _plain_path(name: str, folder: Path, held: Mapping[str, Prepared] | None) -> str:
    if "\\" in name and (held is not None or not (folder / name).exists()):
        name = name.replace("\\", "/")
    return Path(os.path.normpath(name)).as_posix()


def _with_ids(cases: Sequence[LabelledCase]) -> list[LabelledCase]:
    """The cases with ids. A missing id is made from the file, the question, and how the file is read."""
    names = short_names(path for case in cases for path in (case.path, case.prior) if path)
    named = []
    for case in cases:
        chosen = [] if case.reading == Reading() else [astuple(case.reading)]
        chosen += [names[case.prior]] if case.prior else []
        made = f"{case.path.name}-{_digest(names[case.path], case.question, *chosen)[:12]}"
        named.append(case if case.id else replace(case, id=made))
    return named


def short_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each path, all different, that stay the same when all files move together.

    It is the file's or folder's own name. If several have one name, it is the path from the folder that holds
    them.
    """
    alike: dict[str, set[Path]] = defaultdict(set)
    for path in paths:
        alike[path.name].add(path)
    return {path: name for group in alike.values() for path, name in _ways(group).items()}


def _ways(paths: Collection[Path]) -> dict[Path, str]:
    whole = {path: Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100 (links are not followed)
    try:
        root = os.path.commonpath([path.parent for path in whole.values()])
    except ValueError:  # the paths are on several drives
        return {path: full.as_posix() for path, full in whole.items()}
    return {path: full.relative_to(root).as_posix() for path, full in whole.items()}


def _digest(*words: object) -> str:
    return hashlib.sha256("\n".join(map(repr, words)).encode()).hexdigest()[:32]


def _file_problem(path: Path, kind: str, reading: Reading) -> str | None:
    """The fault of a file, from its headers (a picture is read completely)."""
    try:
        check_readable(path, kind, reading)
    except (InputError, OSError) as error:  # e.g. a name that is too long, or a folder without access
        return str(error)
    return None


def _prepared_problem(case: LabelledCase) -> str | None:
    if case.prepared is None:
        return "the prepared folder does not hold this path"
    if case.reading != Reading():
        chosen = ", ".join(case.reading.chosen)
        return f"the way to read this path was chosen when it was prepared, so leave out {chosen}"
    if case.prepared.kind != case.kind:
        return f"this was prepared as {case.prepared.kind}, not {case.kind}"
    return None


def cases_from(
    source: str, n: int = 40, seed: int = 0, prepared: str | os.PathLike[str] | None = None
) -> Sequence[Any]:
    """The cases of a command: a table, or ``teaching:KIND`` with ``n`` cases from ``seed`` on.

    ``prepared`` is for a table. Raises `InputError` as `read_cases` and `helpers.teaching.generate` do, and for
    fewer than one case.
    """
    if not source.startswith("teaching:"):
        return read_cases(source, prepared)
    if prepared is not None:
        raise InputError(
            "Teaching cases are computed, so they cannot come from prepared images.",
            path=prepared,
            remedy="Leave out --prepared.",
        )
    from helpers.teaching import generate  # it reads the bundled volumes

    if n < 1:
        raise InputError(f"The number of cases is {n}, which is less than 1.", remedy="Give 1 or more.")
    return generate(source.removeprefix("teaching:"), n, seed)
