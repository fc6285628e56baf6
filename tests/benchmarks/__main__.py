"""Measure every work beside its alternatives and write build/bench.md, bench.json and plots.

Run: python -m tests.benchmarks [--quick | --full] [--only slices slide ...] [--repeats 5] [--resume] [--alone]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.benchmarks.measure import BUILD, Variant, machine, measure
from tests.benchmarks.report import Outcome, read_report, table, write_report
from tests.benchmarks.works import LEVELS, WORKS, Work


def measure_work(work: Work, level: str, repeats: int, alone: bool = False) -> Outcome:
    """All ways of a work at all sizes of a level; what fails is noted, and the rest goes on.

    ``alone`` measures the package's way without the others, as for sizes at which those would take hours.
    """
    outcome = Outcome(work)
    for size in work.at(level):
        failed: dict[str, str] = {}
        print(f"\n{work.title.format(n=f'{size:,}')}", flush=True)
        try:
            inputs = work.inputs(size)
            variants = {
                way.name: Variant(f"{__package__}.{way.function}", {**inputs, **way.arguments}, way.processes)
                for way in ([work.package] if alone else work.ways)
                if not way.absent and size <= (way.largest or size)
            }
            rows = measure(variants, repeats, failed)
            for name in _disagreeing(work, rows):
                failed[name] = f"its result is not that of {work.package.name}"
                del rows[name]
            outcome.measured[size] = rows
        except Exception as error:  # files that cannot be made are that work's, not the run's
            failed[""] = f"{type(error).__name__}: {error}"
        if failed:
            outcome.failed[size] = failed
    return outcome


def _disagreeing(work: Work, rows: dict) -> list[str]:
    if work.package.name not in rows:
        return []
    wanted = rows[work.package.name].result
    return [way.name for way in work.others if way.name in rows and rows[way.name].result != wanted]


def main() -> int:
    """Measure, print the table, write the report; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="level", const=LEVELS[0], help="small sizes")
    size.add_argument("--full", action="store_const", dest="level", const=LEVELS[2], help="all sizes, many hours")
    parser.set_defaults(level=LEVELS[1])
    parser.add_argument("--only", nargs="+", choices=[work.key for work in WORKS], help="these works alone")
    parser.add_argument("--alone", action="store_true", help="the package's ways without the others")
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each way; default: %(default)s")
    parser.add_argument("--output", type=Path, default=BUILD, metavar="DIR", help="default: build")
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run has measured")
    options = parser.parse_args()
    about = {**machine(), "runs_of_each": options.repeats, "sizes": options.level}
    start = time.monotonic()
    chosen = [w for w in WORKS if w.at(options.level) and (not options.only or w.key in options.only)]
    from tests.benchmarks.estimate import estimates

    kept, minutes = read_report(options.output, chosen) if options.resume else ({}, 0.0)
    outcomes: list[Outcome] = []
    for work in chosen:  # written after each, so that what was measured outlives an interruption
        done = kept.get(work.key)
        whole = done and not done.failed and done.measured.keys() >= set(work.at(options.level))
        outcomes.append(done if whole else measure_work(work, options.level, options.repeats, options.alone))
        about["minutes"] = round(minutes + (time.monotonic() - start) / 60, 1)
        about["works"] = f"{len(outcomes)} of {len(chosen)}"
        path = write_report(options.output, outcomes, about, estimates(outcomes))
    print("", table(outcomes), "", f"Report: {path}", sep="\n")
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
