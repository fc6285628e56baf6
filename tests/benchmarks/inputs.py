"""The files that the works of the benchmark need, made where they are not there, as arguments of their ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmarks.measure import BUILD


def series(n: int) -> dict[str, str]:
    from tests.benchmarks.bench_volumes import make_series

    folder = BUILD / f"ct-{n}-slices"
    if not folder.exists():
        print(f"Writing a series of {n:,} slices ...", flush=True)
        make_series(folder, n)
    return {"folder": str(folder)}


def slide(side: int) -> dict[str, Any]:
    from helpers.prompts import MAGNIFICATION_MPP
    from tests.benchmarks.bench_slides import make_slide

    path = BUILD / f"slide-{side}.tiff"
    if not path.exists():
        print(f"Writing a slide of {side:,} x {side:,} pixels ...", flush=True)
        make_slide(path, side)
    return {"path": str(path), "mpp": MAGNIFICATION_MPP[10]}


def table(n: int) -> dict[str, str]:
    from tests.benchmarks.ways_evaluation import make_table

    return {"table": str(make_table(n))}


def answers(n: int) -> dict[str, Any]:
    from tests.benchmarks.ways_evaluation import answered

    return {"answers": str(answered()), "n": n}


def files(n: int) -> dict[str, str]:
    from tests.benchmarks.ways_prepare import make_files

    return {"folder": str(make_files(n))}


def studies(n: int) -> dict[str, str]:
    from tests.benchmarks.ways_prepare import make_studies

    return {"folder": str(make_studies(Path(series(85)["folder"]), n))}
