"""The benchmark report and the estimate, on made-up measurements: nothing here is timed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from helpers.course import HARDWARE, Weights
from tests.benchmarks import __main__ as bench, guide, measure as measuring
from tests.benchmarks.estimate import estimates
from tests.benchmarks.measure import Measurement
from tests.benchmarks.report import Outcome, write_report
from tests.benchmarks.works import WORKS, Way, Work

TINY = Weights(100, 20, (4, None), queries=2, keys=1, vision=10, vision_layers=1, vision_width=3, patches=5)


def row(seconds: float, mb: float = 10.0, result: object = 1) -> Measurement:
    return Measurement(seconds, seconds, mb, [seconds], [mb], result)


def work(*others: Way, limit: Way | None = None) -> Work:
    return Work(
        key="slices",
        title="{n} slices",
        package=Way("ours", "ways_startup:fresh", {"code": "pass"}),
        others=others,
        limit=limit,
        inputs=lambda n: {},
        axis="slices",
        each="slice",
        sizes={"quick": (10, 30), "full": (7,)},
        shown=30,
        why="it waits for the disk.",
    )


def test_the_report_has_every_way_with_its_ratio_or_its_reason(tmp_path):
    ways = [Way("slow", ""), Way("broken", ""), Way("absent", "", absent="not installed")]
    ways.append(Way("hungry", "", largest=10))
    outcome = Outcome(work(*ways, limit=Way("limit", "")))
    outcome.measured = {
        10: {"ours": row(1.0), "slow": row(2.0), "broken": row(1.0), "limit": row(0.1)},
        30: {"ours": row(2.0, 100), "slow": row(5.0, 1234), "limit": row(0.5, 0)},
    }
    outcome.failed = {30: {"broken": "MemoryError"}}
    nothing = Outcome(work(), failed={10: {"": "OSError: the disk is full"}})
    path = write_report(tmp_path, [outcome, nothing], {"cores": 2}, "## An estimate")
    text = path.read_text()
    assert "| 30 slices | ours | 2.00 | 1.00x | 2.00 | 100 | 1.00x |" in text
    assert "|  | slow | 5.00 | 2.50x | 5.00 | 1,234 | 12.34x |" in text
    assert "|  | broken | failed |" in text
    assert "|  | absent | left out |" in text
    assert "n slices, slices 30: broken failed: MemoryError" in text
    assert "n slices: absent left out: not installed" in text
    assert "n slices: hungry left out beyond 10: it needs too much memory" in text
    assert "all failed: OSError: the disk is full" in text
    assert "it waits for the disk." in text
    assert "From 10 to 30 slices the time grows: ours 2.0x; slow 2.5x; limit 5.0x." in text
    assert "A further slice costs: ours 50 ms; slow 0.15 s; limit 20 ms." in text
    assert text.endswith("## An estimate\n")
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["about"] == {"cores": 2}
    assert kept["works"][0]["sizes"][1]["measured"]["slow"]["peak_mb"] == 1234
    assert (tmp_path / "bench_slices.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bench.json", "bench.md", "bench_slices.png"]


def test_a_run_that_was_interrupted_goes_on_with_what_it_has_not_measured(tmp_path, monkeypatch):
    first, second = work(), replace(work(), key="slide")
    write_report(tmp_path, [Outcome(first, {10: {"ours": row(1.0)}, 30: {"ours": row(2.0)}})], {"minutes": 7}, "")
    monkeypatch.setattr(bench, "WORKS", [first, second])
    asked = []

    def measured(each, *_):
        asked.append(each.key)
        return Outcome(each, {10: {"ours": row(3.0)}, 30: {"ours": row(4.0)}})

    monkeypatch.setattr(bench, "measure_work", measured)
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--resume", "--output", str(tmp_path)])
    assert bench.main() == 0
    assert asked == ["slide"]
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["about"]["minutes"] >= 7
    seconds = [of["sizes"][1]["measured"]["ours"]["seconds"] for of in kept["works"]]
    assert seconds == [2.0, 4.0]


def test_long_runs_are_few_and_the_first_is_one_of_them(monkeypatch):
    monkeypatch.setattr(measuring, "_wait_for_idle", lambda: None)
    times = {"short": iter([4, 1, 2, 3, 1, 2]), "long": iter([60, 50, 70])}

    def run(name, _):
        seconds = next(times[name])
        return {"seconds": seconds, "cpu_seconds": seconds, "peak_mb": 1, "result": 0, "facts": {"MB": seconds}}

    monkeypatch.setattr(measuring, "_run_in_own_process", run)
    found = measuring.measure(dict.fromkeys(times, None), 5)
    assert found["short"].all_seconds == [1, 2, 3, 1, 2]
    assert found["long"].all_seconds == [60, 50, 70] and found["long"].facts == {"MB": 60}


def test_a_report_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = write_report(tmp_path, [Outcome(work(), {10: {"ours": row(1.0)}})], {}, "old")
    before = path.read_text()
    with pytest.raises(TypeError):
        write_report(tmp_path, [Outcome(work(), {10: {"ours": row(3.0)}})], {}, None)
    assert path.read_text() == before
    assert not list(tmp_path.glob(".*"))


def test_a_way_that_fails_stops_no_other(monkeypatch):
    monkeypatch.setattr(measuring, "_wait_for_idle", lambda: None)
    broken = Way("broken", "ways_startup:fresh", {"code": "raise SystemExit('no luck today')"})
    unknown = Way("unknown", "no_such_module:way")
    hungry = Way("hungry", "ways_startup:fresh", {"code": "pass"}, largest=6)
    outcome = bench.measure_work(work(broken, unknown, hungry), "full", repeats=1)
    assert "hungry" not in outcome.measured[7] and "hungry" not in outcome.failed[7]
    assert outcome.measured[7]["ours"].seconds > 0
    assert outcome.failed[7]["broken"] == "RuntimeError: no luck today"
    assert "No module named" in outcome.failed[7]["unknown"]


def test_a_way_with_another_result_is_no_comparison(monkeypatch):
    rows = {"ours": row(1.0), "other": row(0.1, result=2), "limit": row(0.1, result=3)}
    monkeypatch.setattr(bench, "measure", lambda *_: dict(rows))
    outcome = bench.measure_work(work(Way("other", ""), limit=Way("limit", "")), "quick", repeats=1)
    assert list(outcome.measured[30]) == ["ours", "limit"]
    assert "not that of ours" in outcome.failed[30]["other"]


def test_large_sizes_are_measured_by_the_package_alone(monkeypatch):
    asked = []

    def measured(variants, *_):
        asked.append(list(variants))
        return {name: row(1.0) for name in variants}

    monkeypatch.setattr(bench, "measure", measured)
    bench.measure_work(work(Way("slow", "")), "quick", repeats=1, alone=True)
    assert asked and all(ways == ["ours"] for ways in asked)


def test_time_and_memory_of_processes_that_a_work_starts_are_counted():
    code = "x = bytearray(60_000_000); import time; time.sleep(0.5); sum(range(10**6))"
    variant = measuring.Variant("tests.benchmarks.ways_startup:fresh", {"code": code}, processes=True)
    run = measuring._run_in_own_process("a child", variant)
    assert run["peak_mb"] > 60
    assert run["cpu_seconds"] > 0


def test_every_work_is_measured_in_full_at_the_size_of_the_table():
    for each in WORKS:
        assert each.shown in each.at("full")
        assert len({way.name for way in each.ways}) == len(each.ways)
        assert not each.package.absent


def test_the_estimate_says_that_it_is_one_and_where_its_figures_are_from():
    from helpers.finetuning import GPUS

    text = estimates([Outcome(work(), {30: {"ours": row(0.5)}})], TINY)
    assert "not measured" in text and "Assumed" in text
    assert "Files to images took 0.50 s here" in text
    for gpu in HARDWARE:
        assert gpu.source in text
        assert gpu.operations in {of.operations for name, of in GPUS.items() if name[:4] == gpu.name[:4]}


def test_a_run_of_a_few_works_takes_their_places_alone():
    kept = {"about": {"minutes": 50}, "works": [{"work": "a", "n": 1}, {"work": "b", "n": 1}]}
    now = guide.kept_with({"about": {"minutes": 3}, "works": [{"work": "b", "n": 2}]}, kept)
    assert now == {
        "about": {"minutes": 50, "again": ["b"]},
        "works": [{"work": "a", "n": 1}, {"work": "b", "n": 2}],
    }
    about = dict.fromkeys(guide.ABOUT, 60)
    whole = {"about": about, "works": [{"work": "a", "n": 3}, {"work": "b", "n": 3}]}
    assert guide.kept_with(whole, now) == whole
    assert guide.kept_with(whole, {**now, "growth": {"works": []}}) == {**whole, "growth": {"works": []}}


def test_growth_is_told_for_each_unit_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "WORKS", [replace(work(), each="slice")])
    outcome = Outcome(guide.WORKS[0], {10: {"ours": row(0.05, 3)}, 1000: {"ours": row(20.0, 1500)}})
    write_report(tmp_path, [outcome], {}, "")
    grown = json.loads((tmp_path / "bench.json").read_text())
    page = "<!-- figures: growth -->\n<!-- end of figures -->"
    text = guide.with_figures(page, {"about": {}, "works": [], "growth": grown})
    assert "| 10 slices | 0.05 s | 5 ms | 3 MB |\n| 1,000 slices | 20.0 s | 20 ms | 1,500 MB |\n" in text
    guide.draw_growth(grown, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", guide.PAGES)
def test_the_figures_of_the_guide_are_those_of_the_kept_run(name):
    page = (guide.DOCS / name).read_text(encoding="utf-8")
    assert "<!-- figures: " in page
    assert guide.with_figures(page, json.loads(guide.KEPT.read_text(encoding="utf-8"))) == page


def test_figures_replace_those_of_an_older_run_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "WORKS", [work(Way("slow", ""), limit=Way("limit: bytes alone", ""))])
    outcome = Outcome(guide.WORKS[0])
    outcome.measured = {
        10: {"ours": row(0.126, 0), "limit: bytes alone": row(0.1)},
        30: {"slow": row(1.0)},  # where the package failed there is nothing to compare
        7000: {"ours": row(12.34, 1234), "slow": row(2.0, 5), "limit: bytes alone": row(1.0)},
    }
    about = {"cores": 2, "memory_gb": 24, "python": "3.11.7", "minutes": 39.6}
    write_report(tmp_path, [outcome], about, "")
    page = "# A\n\n<!-- figures: works -->\nold\n<!-- end of figures -->\n\nB\n"
    text = guide.with_figures(page, json.loads((tmp_path / "bench.json").read_text()))
    assert text.startswith(
        "# A\n\n<!-- figures: works -->\nMedians on 2 CPU cores of one machine with 24 GB (Python"
    )
    assert "took 40 minutes" in text and "old" not in text and "| 30 slices" not in text
    assert "| 10 slices |  | 0.13 s, 0 MB | bytes alone: 0.10 s |\n" in text
    assert "| 7,000 slices | slow: 2.00 s, 5 MB | 12.3 s, 1,234 MB | bytes alone: 1.00 s |\n" in text
    assert text.endswith("|\n<!-- end of figures -->\n\nB\n")
