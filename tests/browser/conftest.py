"""One JupyterLab and one Chromium for all browser tests; a window and a kernel of its own for each notebook."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from papermill.iorw import load_notebook_node, write_ipynb
from papermill.parameterize import parameterize_notebook
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import ROOT, Lab, running_lab
from tests.browser.notebook_page import NotebookPage

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PICTURES = ROOT / "build" / "browser"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium: install it (on Debian and Ubuntu: apt install chromium), or name it in CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu", "--disable-quic"])
        yield started
        started.close()


@pytest.fixture
def run_notebook(browser: Browser, lab: Lab) -> Callable[..., AbstractContextManager[NotebookPage]]:
    """Open a notebook by its name and run all of it; at the end of the block nothing may have gone wrong.

    Parameters are written into the copy that is opened, as papermill does.
    """

    @contextmanager
    def run(name: str, **parameters: Any) -> Iterator[NotebookPage]:
        PICTURES.mkdir(parents=True, exist_ok=True)
        if parameters:
            path = str(lab.notebooks / f"{name}.ipynb")
            write_ipynb(parameterize_notebook(load_notebook_node(path), parameters), path)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        notebook = NotebookPage(page, lab, name, PICTURES)
        try:
            notebook.open()
            notebook.photograph("opened")
            notebook.run_all()
            notebook.photograph_all()
            assert notebook.error_outputs() == []
            yield notebook
            assert notebook.error_outputs() + notebook.problems == []
        except BaseException:
            notebook.photograph("failed")
            raise
        finally:
            page.close()
            lab.end_kernels()

    return run
