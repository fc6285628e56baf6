"""What is measured: works, each done by the package and in the ways that one would choose without it.

A work has sizes, so that its growth is seen; one of them stands in the table. All ways of a work have to give the
same result, limits excepted.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks import inputs
from tests.benchmarks.ways_prepare import PICTURE_FORMS

LEVELS = ("quick", "usual", "full")


@dataclass(frozen=True)
class Way:
    """One way to do a work: "module:function" below ``tests.benchmarks``, with arguments of its own."""

    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    absent: str = ""  # why it cannot be run here
    largest: int | None = None  # beyond this size it is left out, because it would need more memory than there is
    processes: bool = False  # whether it starts processes of its own


@dataclass(frozen=True)
class Work:
    """The same work in several ways: the package's, those to compare it with, and what the machine allows."""

    key: str  # of its plot and its measurements
    title: str  # with {n} for the size
    package: Way
    others: Sequence[Way]
    inputs: Callable[[int], dict[str, Any]]  # size -> arguments of every way; makes the files that are not there
    limit: Way | None = None
    axis: str = ""  # what the sizes count; "" where there is one size only
    each: str = ""  # one of it, where the cost of one more tells something
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)  # by level; none: one size, at every level
    shown: int = 1  # the size in the table, or where it was not measured the largest that was
    why: str = ""  # where the package is behind, or far from the limit: the reason, from a profile

    @property
    def ways(self) -> list[Way]:
        """All of them, the package's first."""
        return [self.package, *self.others, *([self.limit] if self.limit else [])]

    def at(self, level: str) -> Sequence[int]:
        """The sizes that are measured at a level of `LEVELS`; none where the work is left to a longer one."""
        if not self.sizes:
            return (self.shown,)
        shorter = LEVELS[LEVELS.index(level) :: -1]  # a level without sizes of its own has those of a shorter one
        return next((self.sizes[name] for name in shorter if name in self.sizes), ())


def unless_found(module: str, reason: str) -> str:
    """The reason where a module cannot be imported; an empty text where it can."""
    return "" if importlib.util.find_spec(module) else reason


WORKS = (
    Work(
        key="slices",
        title="{n} CT slices in shuffled files to 85 prompt images",
        axis="slices of the series",
        each="slice",
        package=Way("the package", "bench_volumes:headers_first"),
        others=(
            Way("SimpleITK", "bench_volumes:simpleitk_whole", largest=2000),
            Way(
                "MONAI",
                "bench_volumes:monai_whole",
                absent=unless_found("monai", "monai is not installed"),
                largest=2000,
            ),
            Way("pydicom, every file", "bench_volumes:every_file"),
        ),
        limit=Way("limit: bytes and windows alone", "limits:series_bytes"),
        inputs=inputs.series,
        sizes={"quick": (85, 300), "usual": (85, 600, 2000), "full": (85, 300, 600, 2000, 10_000)},
        shown=600,
        why="where all slices are needed, reading headers first saves nothing, and most of the package's "
        "processor time is the three windows; the limit has them too. Each further slice costs a header, a tenth "
        "of a millisecond: of 600, headers are a third of the processor time, and of 2,000 more than half. Only "
        "unusual headers are read by pydicom, which takes four times as long. The limit knows the order of the "
        "slices, which stands nowhere else.",
    ),
    Work(
        key="tensors",
        title="85 images to tensors of 896 x 896 pixels",
        package=Way("the package, in small batches", "bench_volumes:small_batches"),
        others=(Way("the processor called once", "bench_volumes:processor_at_once"),),
        inputs=lambda _: inputs.series(600),
        sizes={"usual": (1,)},
        why="the package calls the processor on a few images at a time, on both cores; the processor called once "
        "works on one core and holds all images. What a limit would be was not measured.",
    ),
    Work(
        key="tower",
        title="85 images through a vision tower of middle size, random weights",
        package=Way("the package, 8 at a time", "bench_volumes:tower_in_batches"),
        others=(Way("all at once", "bench_volumes:tower_at_once"),),
        inputs=lambda _: inputs.series(600),
        sizes={"full": (1,)},
    ),
    Work(
        key="viewer",
        title="20 slices of a volume to pictures in a notebook",
        package=Way("the package's viewer", "bench_viewers:viewer", {"plane": "axial"}),
        others=(Way("matplotlib", "bench_viewers:imshow", {"plane": "axial"}),),
        inputs=lambda _: inputs.series(600),
        sizes={"full": (1,)},
    ),
    Work(
        key="slide",
        title="126 patches at most, of a slide of {n} x {n} pixels",
        axis="pixels along a slide's side",
        package=Way("the package", "bench_slides:parallel"),
        others=(
            Way("OpenSlide in a loop", "bench_slides:plain_loop"),
            Way("tiatoolbox", "", absent="version 2.1.3 needs aiohttp<3.14.2, which is not what the others need"),
            Way("lazyslide", "", absent="version 0.13 needs dask<2026.1.2, which is not what the others need"),
        ),
        limit=Way("limit: tiles decoded alone", "limits:tiles_decoded"),
        inputs=inputs.slide,
        # Whole patches across at 10x: the loop would show what is beyond the slide in black, not white.
        sizes={
            "quick": (10_752,),
            "usual": (25_088, 50_176, 100_352),
            "full": (10_752, 25_088, 50_176, 100_352, 200_704),
        },
        shown=50_176,
        why="four fifths of a patch's time are OpenSlide's own read_region, in the package and in the loop alike; "
        "decoding the same tiles, each once and by itself, takes a third of it. The package reads in threads, and "
        "the patches that it reads ahead are its memory.",
    ),
    Work(
        key="questions",
        title="questions about a volume of 85 slices, the stand-in: {n}",
        axis="questions",
        each="question",
        package=Way("the package, a session", "bench_sessions:one_session"),
        others=(
            Way("a session, one question after another", "bench_sessions:in_turn"),
            Way("each by itself", "bench_sessions:one_by_one"),
        ),
        limit=Way("limit: its operations as large matrix products", "limits:session_products"),
        inputs=lambda n: {"model": "standin", "questions": n},
        sizes={"quick": (1, 6), "usual": (1, 18), "full": (1, 4, 18, 72)},
        shown=18,
        why="one question gains nothing from a session. More than half of the time are matrix products and "
        "attention, of matrices much smaller than those of the limit.",
    ),
    Work(
        key="middle",
        title="questions about that volume, a random model of 94 million parameters: {n}",
        package=Way("the package, a session", "bench_sessions:one_session"),
        others=(Way("each by itself", "bench_sessions:one_by_one"),),
        limit=Way("limit: its operations as large matrix products", "limits:session_products"),
        inputs=lambda n: {"model": "mid-size", "questions": n},
        sizes={"full": (18,)},
        shown=18,
    ),
    Work(
        key="epochs",
        title="fine-tuning on 16 volumes of 16 slices, the stand-in, epochs: {n}",
        axis="epochs",
        each="epoch",
        package=Way("the package", "bench_finetuning:encoded_once"),
        others=(Way("TRL's SFTTrainer", "bench_finetuning:plain_trl"),),
        limit=Way("limit: its operations as large matrix products", "limits:training_products"),
        inputs=lambda n: {"model": "standin", "examples": 16, "epochs": n},
        sizes={"quick": (1,), "usual": (1, 3), "full": (1, 3, 9)},
        shown=3,
        why="nine tenths of an epoch are the forward and backward passes, which are those of TRL alone; what is "
        "saved is encoding the images in each epoch. The matrices are small, those of LoRA most of all, and two "
        "fifths of the forward pass are in its layers.",
    ),
    Work(
        key="cases",
        title="{n} cases, 10 to a volume, from start to scores, the stand-in",
        axis="cases",
        each="case",
        package=Way("the package, one process", "ways_evaluation:one_process"),
        others=(
            Way("a loop", "ways_evaluation:loop"),
            *(
                Way(
                    f"the package on Ray, {workers} worker{'s' * (workers > 1)}",
                    "ways_evaluation:on_ray",
                    {"workers": workers},
                    processes=True,
                    absent=unless_found("ray", "ray is not installed")
                    or unless_found("helpers.evaluation.on_ray", "this version has no helpers.evaluation.on_ray"),
                )
                for workers in (1, 2)
            ),
        ),
        inputs=inputs.table,
        why="of few cases most is importing torch and transformers. The package also imports scikit-learn for its "
        "scores and computes the likelihood of yes, which the loop leaves out. On Ray every worker imports and "
        "loads again, and the cluster has processes of its own; they are its time and memory.",
        sizes={"quick": (10,), "usual": (10, 100), "full": (10, 100, 1000, 10_000)},
        shown=100,
    ),
    Work(
        key="scores",
        title="{n} answers to scores with intervals",
        axis="answers",
        each="answer",
        package=Way("the package, scores of all kinds", "ways_evaluation:scored"),
        others=(Way("one score in a loop", "ways_evaluation:scored_in_a_loop"),),
        inputs=inputs.answers,
        sizes={"quick": (1000, 10_000), "usual": (1000, 10_000, 50_000)},
        shown=50_000,
        why="the package computes many figures with intervals where the loop computes one. Drawing the groups "
        "again, in vectors, is four tenths of its time.",
    ),
    Work(
        key="listing",
        title="{n} files in folders of 100, found with their times of change",
        axis="files",
        each="file",
        package=Way("the package", "ways_prepare:listed"),
        others=(Way("Path.rglob", "ways_prepare:walked"),),
        limit=Way("limit: os.scandir", "ways_prepare:scanned"),
        inputs=inputs.files,
        sizes={"quick": (1000, 10_000), "usual": (1000, 10_000, 100_000)},
        shown=100_000,
        why="fsspec lists the folders, so that buckets are read by the same lines, and makes a record of each "
        "file.",
    ),
    Work(
        key="prepare",
        title="{n} series of 85 slices to Parquet",
        axis="series",
        each="series",
        package=Way("the package, one process", "ways_prepare:one_process"),
        others=(
            Way("two processes", "ways_prepare:processes", {"workers": 2}, processes=True),
            *(
                Way(
                    f"on Ray, {workers} worker{'s' * (workers > 1)}",
                    "ways_prepare:on_ray",
                    {"workers": workers},
                    processes=True,
                    absent=unless_found("ray", "ray is not installed"),
                )
                for workers in (1, 2)
            ),
        ),
        limit=Way("limit: PNG encoding alone, one process", "limits:pictures_encoded"),
        inputs=inputs.studies,
        sizes={"quick": (6,), "usual": (6, 48), "full": (6, 48, 200)},
        shown=48,
        why="encoding is nearly half of it. One process keeps 1.2 cores busy, so two processes on two cores can "
        "be 1.7 times as fast at most, and each of them first imports the libraries. The rest was not profiled.",
    ),
    Work(
        key="png",
        title="85 prompt images of 512 x 512 pixels kept without loss",
        package=Way("the package, as in shards", "ways_prepare:encoded", {"form": "shard"}),
        others=tuple(Way(name, "ways_prepare:encoded", {"form": name}) for name in PICTURE_FORMS),
        inputs=lambda _: inputs.series(600),
        sizes={"quick": (1,)},
        why="the time includes reading all images back, and a hash of their pixels.",
    ),
    Work(
        key="start",
        title="from nothing to a package that is imported",
        package=Way("import helpers", "ways_startup:fresh", {"code": "import helpers"}, processes=True),
        others=(
            Way(
                "all that reads images and writes prompts",
                "ways_startup:fresh",
                {"code": "import helpers.prompts, helpers.slides, helpers.volumes"},
                processes=True,
            ),
            Way("import torch", "ways_startup:fresh", {"code": "import torch"}, processes=True),
            Way("import transformers", "ways_startup:fresh", {"code": "import transformers"}, processes=True),
        ),
        limit=Way("limit: Python alone", "ways_startup:fresh", {"code": "pass"}, processes=True),
        inputs=lambda _: {},
        why="a face of the package loads a name when it is first used, so importing costs what Python does. The "
        "first use then loads numpy, pydicom or OpenSlide; torch and transformers come when a model is loaded.",
    ),
    Work(
        key="notebook",
        title="from nothing to all that notebook 01 imports",
        package=Way("notebook 01", "ways_startup:notebook_imports", processes=True),
        others=(Way("the libraries it uses", "ways_startup:plain_imports", processes=True),),
        inputs=lambda _: {},
        why="all of it is its libraries: torch, transformers and matplotlib.",
    ),
)
