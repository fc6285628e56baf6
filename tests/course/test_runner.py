"""The runner on tiny notebooks: what it runs, what it keeps, and how it says that something went wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import psutil
import pytest

from helpers.cli import main
from helpers.course import run_notebooks, typed_value
from helpers.course.side_by_side import NEED
from helpers.errors import InputError

PARAMETERS = 'MODEL = "standin"\nDATA = "ct-head"\nMAX_SLICES = 4\nSEED = 0\nOUTPUT_DIR = "outputs"'
WRITE_RESULTS = (
    "import json\nfrom pathlib import Path\n"
    "Path(OUTPUT_DIR, 'results.json').write_text(json.dumps("
    "{'model': MODEL, 'limit': MAX_SLICES, 'seed': SEED, 'folder': str(Path.cwd())}))"
)
PLANTED = "hf_planted/token+0123456789"


def write_notebook(folder: Path, name: str, *cells: str, parameters: str = PARAMETERS) -> Path:
    """A notebook of a title, a parameters cell and ``cells``."""
    v4 = nbformat.v4
    tagged = v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    title = v4.new_markdown_cell(f"# About {name}")
    notebook = v4.new_notebook(cells=[title, tagged, *map(v4.new_code_cell, cells)])
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """One run of notebooks that end in different ways: its output folder and its summary."""
    root = tmp_path_factory.mktemp("run")
    folder, output = root / "notebooks", root / "out"
    write_notebook(
        folder, "01_good", "from IPython.display import Image, HTML\nHTML('<b>shown</b>')", WRITE_RESULTS
    )
    write_notebook(folder, "02_fails", "fine = 1", "values = [1]\nvalues[3]", "never = 1")
    write_notebook(folder, "03_no_results", "fine = 1")
    write_notebook(
        folder,
        "04_token",
        "import os\ntoken = os.environ['PLANTED_TOKEN']\nprint('the token is', token)\ntoken",
        WRITE_RESULTS.replace("MODEL,", "MODEL, 'leak': token,"),
        "raise RuntimeError(f'refused: {token}')",
    )
    write_notebook(folder, "05_dies", "import os\nos.kill(os.getpid(), 9)")
    bar = "from tqdm.notebook import tqdm\nfor _ in tqdm(range(3), desc='counting'):\n    pass"
    write_notebook(folder, "06_widget", "import ipywidgets\nipywidgets.IntSlider()", bar, WRITE_RESULTS)
    stale = output / "03_no_results" / "results.json"
    stale.parent.mkdir(parents=True)
    stale.write_text('{"accuracy": 1.0}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_TOKEN", PLANTED)
        yield output, run_notebooks(output, folder=folder, model="some/model", parameters={"MAX_SLICES": 7})


def record(summary: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in summary["notebooks"] if r["notebook"] == f"{name}.ipynb")


def test_a_good_notebook_is_given_its_parameters_and_its_results_are_collected(run):
    output, summary = run
    good = record(summary, "01_good")
    assert (good["status"], good["title"], good["error"]) == ("ok", "About 01_good", None)
    folder = str(output.parent / "notebooks")
    assert good["results"] == {"model": "some/model", "limit": 7, "seed": 0, "folder": folder}
    assert good["parameters"]["OUTPUT_DIR"] == str(output / "01_good")
    assert good["seconds"] > 0
    assert good["peak_memory_mb"] > 10
    assert json.loads((output / "summary.json").read_text()) == summary


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell how many share a page")
def test_memory_that_processes_share_is_counted_once(tmp_path: Path) -> None:
    share = (
        "import multiprocessing, time\nheld = bytearray(b'x') * 400_000_000\n"
        "fork = multiprocessing.get_context('fork')\n"
        "children = [fork.Process(target=time.sleep, args=(5,)) for _ in range(2)]\n"
        "[child.start() for child in children]\n[child.join() for child in children]"
    )
    folder = write_notebook(tmp_path / "notebooks", "01_shares", share, WRITE_RESULTS)
    summary = run_notebooks(tmp_path / "out", folder=folder)
    assert 400 < record(summary, "01_shares")["peak_memory_mb"] < 800


def test_a_failure_names_cell_and_error_and_the_others_go_on(run):
    output, summary = run
    failed = record(summary, "02_fails")
    assert failed["status"] == "failed"
    assert failed["error"] == "cell 4 of 5 (values = [1]): IndexError: list index out of range"
    executed = nbformat.read(output / "02_fails.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in executed.cells for o in c.get("outputs", []))
    statuses = [r["status"] for r in summary["notebooks"]]
    assert statuses == ["ok", "failed", "failed", "failed", "failed", "ok"]
    assert "cell 3 of 3" in record(summary, "05_dies")["error"]
    assert "kernel died" in record(summary, "05_dies")["error"]


def test_results_of_an_earlier_run_do_not_pass_for_this_one(run):
    output, summary = run
    failed = record(summary, "03_no_results")
    assert failed["status"] == "failed"
    assert "results.json" in failed["error"]
    assert failed["results"] == {}
    assert not (output / "03_no_results" / "results.json").exists()


def test_a_planted_token_reaches_no_file(run):
    output, _ = run
    texts = {path: path.read_text(encoding="utf-8") for path in output.rglob("*") if path.is_file()}
    assert "[token removed]" in texts[output / "04_token.ipynb"]
    assert "refused: [token removed]" in texts[output / "summary.json"]
    assert not [path.name for path, text in texts.items() if PLANTED in text or "0123456789" in text]


def test_pages_ask_no_outside_host_for_anything(run):
    output, summary = run
    pages = sorted(path.name for path in output.glob("*.html"))
    assert pages == sorted(
        ["index.html", *(r["notebook"].replace(".ipynb", ".html") for r in summary["notebooks"])]
    )
    for name in pages:
        page = (output / name).read_text(encoding="utf-8")
        assert not re.findall(
            r"""(?:src|@import|url\(|<link[^>]*href)\s*=?\s*["'(]?\s*(?:https?:)?//[^"')]+""", page
        )
        assert "<script" not in page or not re.findall(r"""(?:import|from)\s*\(?["']https?:""", page)
    widgets = (output / "06_widget.html").read_text(encoding="utf-8")
    assert widgets.count("(interactive: open the notebook in JupyterLab)") == 1, "the slider, and not the bar"
    assert "About 02_fails" in (output / "index.html").read_text()
    assert not list(output.rglob("*.partial"))


def test_an_unknown_parameter_or_notebook_or_a_damaged_one_stops_before_anything_runs(tmp_path):
    folder = write_notebook(tmp_path / "notebooks", "01_good", WRITE_RESULTS)
    write_notebook(folder, "02_other", WRITE_RESULTS, parameters=PARAMETERS + "\nONLY_HERE = 1")
    output = tmp_path / "out"
    with pytest.raises(
        InputError,
        match=r"MAX_SLICE: No notebook .*MAX_SLICES\? Their parameters are DATA, MAX_SLICES, MODEL, ONLY_HERE",
    ):
        run_notebooks(output, folder=folder, parameters={"MAX_SLICE": 3})
    with pytest.raises(InputError, match="ONLY_HERE: No notebook"):
        run_notebooks(output, folder=folder, only=["01"], parameters={"ONLY_HERE": 3})
    with pytest.raises(InputError, match=r"07: There is no such notebook\. Choose from 01_good, 02_other"):
        run_notebooks(output, folder=folder, only=["07"])
    with pytest.raises(InputError, match="OUTPUT_DIR"):
        run_notebooks(output, folder=folder, parameters={"OUTPUT_DIR": "elsewhere"})
    with pytest.raises(InputError, match="no notebooks"):
        run_notebooks(output, folder=tmp_path)
    (folder / "03_cut.ipynb").write_text((folder / "01_good.ipynb").read_text()[:200])
    with pytest.raises(InputError, match=r"03_cut\.ipynb: .*cannot be read"):
        run_notebooks(output, folder=folder)
    assert not output.exists()


def test_command_line_runs_the_chosen_notebook_with_typed_parameters_and_tells_failure_by_its_exit_code(
    tmp_path, capsys
):
    folder = write_notebook(tmp_path / "notebooks", "01_fails", "1 / 0")
    write_notebook(folder, "02_good", "assert MAX_SLICES == 0.5 and SEED is None", WRITE_RESULTS)
    command = ["run", "--notebooks", str(folder), "--output", str(tmp_path / "out")]
    assert main([*command, "--only", "2", "-p", "MAX_SLICES", "0.5", "-p", "SEED", "None"]) == 0
    assert "[1/1] 02_good: ok" in capsys.readouterr().out
    assert main([*command, "--only", "01"]) == 1
    assert "01_fails.ipynb failed at cell 3 of 3 (1 / 0): ZeroDivisionError" in capsys.readouterr().err
    assert main([*command, "--only", "09"]) == 2
    assert capsys.readouterr().err.startswith("error: 09: There is no such notebook.")


def test_a_parameter_of_some_of_the_notebooks_is_given_to_those(tmp_path):
    write_results = "import json, pathlib\npathlib.Path(OUTPUT_DIR, 'results.json').write_text(json.dumps({}))"
    folder = write_notebook(tmp_path / "notebooks", "01_slices", "assert MAX_SLICES == 7", write_results)
    others = PARAMETERS.replace("MAX_SLICES = 4", "MAX_CASES = 3")
    write_notebook(folder, "01b_cases", "assert 'MAX_SLICES' not in globals()", write_results, parameters=others)
    summary = run_notebooks(tmp_path / "out", folder=folder, parameters={"MAX_SLICES": 7})
    assert [(r["status"], r["error"]) for r in summary["notebooks"]] == [("ok", None)] * 2
    limits = [{k: v for k, v in r["parameters"].items() if "MAX" in k} for r in summary["notebooks"]]
    assert limits == [{"MAX_SLICES": 7}, {"MAX_CASES": 3}]


def waits_for(name: str) -> str:
    """A cell that ends when another notebook has ended, and fails if that takes too long."""
    return (
        f"import time\nfrom pathlib import Path\nother = Path(OUTPUT_DIR).with_name('{name}.html')\n"
        "for _ in range(300):\n    if other.exists(): break\n    time.sleep(0.1)\nassert other.exists()"
    )


def test_two_at_a_time_share_the_cores_and_keep_their_order(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    threads = "import os\nassert os.environ['OMP_NUM_THREADS'] == '3'"
    folder = write_notebook(tmp_path / "notebooks", "01_waits", threads, waits_for("03_last"), WRITE_RESULTS)
    write_notebook(folder, "02_fails", threads, "1 / 0")
    write_notebook(folder, "03_last", threads, WRITE_RESULTS)
    summary = run_notebooks(tmp_path / "out", folder=folder, jobs=2)
    assert [r["status"] for r in summary["notebooks"]] == ["ok", "failed", "ok"]
    assert summary["notebooks"][0]["results"]["folder"] == str(folder)
    lines = [line.split(",")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    begun = [line for line in lines if line.endswith("cells")]
    assert begun == ["[1/3] 01_waits: 5 cells", "[2/3] 02_fails: 4 cells", "[3/3] 03_last: 4 cells"]
    ends = ["[2/3] 02_fails: failed", "[3/3] 03_last: ok", "[1/3] 01_waits: ok"]
    assert [line for line in lines if line not in begun] == ends
    with pytest.raises(InputError, match="The number of jobs is 0"):
        run_notebooks(tmp_path / "none", folder=folder, jobs=0)


def test_a_second_one_waits_where_memory_would_not_last_for_both(tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=NEED * 1.5))
    folder = write_notebook(tmp_path / "notebooks", "01_first", "import time\ntime.sleep(0.5)", WRITE_RESULTS)
    done = "from pathlib import Path\nassert Path(OUTPUT_DIR).with_name('01_first.ipynb').exists()"
    write_notebook(folder, "02_second", done, WRITE_RESULTS)
    summary = run_notebooks(tmp_path / "out", folder=folder, jobs=2)
    assert [(r["status"], r["error"]) for r in summary["notebooks"]] == [("ok", None)] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_run_that_is_ended_says_what_ran_and_leaves_no_process(tmp_path, ending, code):
    begin = (
        "import os, subprocess, sys\nfrom pathlib import Path\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=subprocess.PIPE)\n"
        "Path(OUTPUT_DIR, 'pids').write_text(f'{os.getpid()} {child.pid}\\n')"
    )
    folder = write_notebook(tmp_path / "notebooks", "01_good", WRITE_RESULTS)
    write_notebook(folder, "02_long", begin, "import time\ntime.sleep(120)")
    write_notebook(folder, "03_long", begin, "import time\ntime.sleep(120)")
    write_notebook(folder, "04_later", WRITE_RESULTS)
    output = tmp_path / "out"
    command = [sys.executable, "-m", "helpers", "run", "--notebooks", str(folder), "--output", str(output)]
    process = subprocess.Popen(
        [*command, "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    noted = [output / name / "pids" for name in ("02_long", "03_long")]
    while not all(path.exists() and path.read_text().endswith("\n") for path in noted) and process.poll() is None:
        time.sleep(0.05)
    pids = [int(pid) for path in noted for pid in path.read_text().split()]
    os.kill(process.pid, ending)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in errors
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert not psutil.wait_procs(left, timeout=60)[1]
    if ending != signal.SIGKILL:
        summary = json.loads((output / "summary.json").read_text())
        assert [r["status"] for r in summary["notebooks"]] == ["ok", "interrupted", "interrupted", "not run"]
        assert (output / "02_long.html").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20),
        ("1e-3", 0.001),
        ("true", True),
        ("None", None),
        ("ct-head", "ct-head"),
        ("'02'", "02"),
        ("02", "02"),
    ],
)
def test_parameter_values_are_typed(text, value):
    assert typed_value(text) == value
    assert type(typed_value(text)) is type(value)


def test_a_run_that_is_killed_in_its_first_notebook_leaves_a_summary(tmp_path: Path) -> None:
    # `record` knows by the summary that a folder is its own, and may begin again in it.
    folder = write_notebook(tmp_path / "notebooks", "01_kills", "import os\nos.kill(os.getppid(), 9)", "never = 1")
    run = f"run_notebooks({str(tmp_path / 'out')!r}, folder={str(folder)!r})"
    program = f"from helpers.course import run_notebooks; {run}"
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = json.loads((tmp_path / "out" / "summary.json").read_text())["notebooks"]
    assert left["notebook"] == "01_kills.ipynb" and left["status"] == "not run"
