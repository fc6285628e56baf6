"""``medgemma-tutorials record``: keep a model's replies in the notebooks for people who cannot run the model."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from helpers.cli.checks import check_folder, check_model
from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError

EXAMPLES = (
    (
        "medgemma-tutorials record --model google/medgemma-1.5-4b-it --output DIR",
        "record the replies of all notebooks that only ask",
    ),
    ("medgemma-tutorials run --model recorded:DIR --only 02", "run a notebook with these replies on any machine"),
)
# Notebooks that need only the replies of a model. The others also use its weights.
ASKING = ("00", "01", "02", "03", "03b", "04", "04b", "05", "10", "11")
PAGES = "pages"  # the folder of the executed notebooks in the output


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "record",
        help="record a model's replies in the notebooks, to show them on other machines",
        description="Run the notebooks that only ask a model, and keep its replies in a folder. With "
        '"recorded:FOLDER" as their model, the same notebooks show these replies on any machine. Run this command '
        "on a machine that can run the model. Exit code 1 means that a notebook failed.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--model", required=True, metavar="M", help="its name on Hugging Face, or the folder of a saved model"
    )
    group = parser.add_argument_group("which notebooks")
    group.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NN",
        help=f"only the notebooks with these numbers; default: {', '.join(ASKING)}",
    )
    group.add_argument(
        "--notebooks", metavar="DIR", help="the folder of the notebooks; default: those of this checkout"
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help=f"the folder of the replies; its subfolder {PAGES} holds the executed notebooks",
    )
    parser.set_defaults(command=_record)


def _record(options: argparse.Namespace) -> int:
    model = options.model
    check_folder(options.output)
    if model.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "Replies of a server cannot be recorded, because a server does not say which weights gave them.",
            path=model,
            remedy="Run the command on the machine of the model, and give the model's own name.",
        )
    check_model(model)
    from helpers.course import NOTEBOOKS, run_notebooks
    from helpers.models import RECORDED_PREFIX, read_recording

    if model.startswith(RECORDED_PREFIX):
        raise InputError(
            "These replies are recorded already.", path=model, remedy="Give the name of the model itself."
        )
    if os.path.isdir(model):  # noqa: PTH112 - Path's raises for some texts
        model = str(Path(model).resolve())  # notebooks run in another folder, so they need the whole path
    folder, output = Path(options.notebooks or NOTEBOOKS), Path(options.output).resolve()
    only = _asking(folder, options.only)
    pages = output / PAGES
    if pages.exists():  # because an evaluation would not ask again for answers left there
        if not (pages / "summary.json").is_file():
            raise InputError(
                "This folder was not made by an earlier recording, and the command would replace it.",
                path=pages,
                remedy="Choose another folder with --output, or move this one away.",
            )
        shutil.rmtree(pages)
    with _recording_to(output, model):
        summary = run_notebooks(pages, folder=folder, only=only, model=model)
    failed = [record for record in summary["notebooks"] if record["status"] != "ok"]
    for record in failed:
        print(f"{record['notebook']} failed at {record['error']}", file=sys.stderr)
    recording = read_recording(output)
    print(f"{len(recording.replies)} replies of {recording.about.model} are in {options.output}. To show them:")
    print(f"medgemma-tutorials run --model {RECORDED_PREFIX}{options.output} --only {' '.join(only)}")
    return 1 if failed else 0


def _asking(folder: Path, only: Sequence[str]) -> list[str]:
    """The numbers of the named notebooks, or of all notebooks that only ask."""
    from helpers.course import choose_notebooks, notebook_number

    numbers = [notebook_number(path.stem) for path in choose_notebooks(folder, only)]
    if only and (others := [number for number in numbers if number not in ASKING]):
        raise InputError(
            f"Notebook {others[0]} uses the weights of the model, so its replies alone cannot run it.",
            remedy=f"Choose from {', '.join(ASKING)}.",
        )
    return [number for number in numbers if number in ASKING]


@contextmanager
def _recording_to(output: Path, model: str) -> Iterator[None]:
    """Make `load_model` record the replies of a model in all processes that start within the ``with`` block."""
    from helpers.models import RECORD_TO

    os.environ[RECORD_TO] = f"{output}#{model}"
    try:
        yield
    finally:
        del os.environ[RECORD_TO]
