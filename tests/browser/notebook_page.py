"""A notebook in JupyterLab in Chromium: opened, run, watched and photographed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Locator, Page

from tests.browser.lab import Lab

OPEN_MS = 300_000
RUN_MS = 600_000  # the longest takes two minutes on two quiet cores
ANSWER_MS = 120_000
# What JupyterLab shows in red: tracebacks, and all else that goes to stderr.
ERROR = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
CONTENT = "async img => (await fetch(img.src)).text()"


class NotebookPage:
    """One notebook; ``problems`` lists what a reader would call broken, as it happens."""

    def __init__(self, page: Page, lab: Lab, name: str, pictures: Path) -> None:
        self.page, self.lab, self.name, self.pictures = page, lab, name, pictures
        self.problems: list[str] = []
        page.set_default_timeout(ANSWER_MS)
        page.on("request", lambda request: self._check_host(request.url))
        page.on("websocket", lambda socket: self._check_host(socket.url))
        page.on("requestfailed", lambda r: self._note(f"failed: {r.method} {r.url} ({r.failure})"))
        page.on("response", lambda r: r.status >= 400 and self._note(f"{r.status}: {r.request.method} {r.url}"))
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("console", lambda m: m.type == "error" and self._note(f"console: {m.text} ({m.location})"))

    def _note(self, problem: str) -> None:
        self.problems.append(problem.replace(self.lab.token, "TOKEN"))

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.lab.url).netloc:
            self._note(f"outside host: {url}")

    def open(self) -> None:
        """Open it and wait until its kernel is idle."""
        self.page.goto(self.lab.page(self.name), timeout=OPEN_MS)
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=OPEN_MS)
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=OPEN_MS)

    def run_all(self) -> None:
        """Unfold the solutions and run all cells by the menu, and wait until the last has ended or one has failed.

        A folded cell shows no number when it has run.
        """
        self._choose("View", "Expand All Code")
        self._choose("Run", "Run All Cells")
        self.page.wait_for_function(
            """error => {
              const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
              return prompts.every((prompt) => /\\d/.test(prompt.textContent)) || document.querySelector(error);
            }""",
            arg=ERROR,
            timeout=RUN_MS,
        )

    def _choose(self, menu: str, command: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=command, exact=True).click()

    def error_outputs(self) -> list[str]:
        """Tracebacks, warnings, and widgets that could not be drawn."""
        return self.page.locator(f"{ERROR}, .jupyter-widgets-error-widget").all_inner_texts()

    def find(self, name: str) -> Locator:
        """The element of a class that the helpers give to their widgets."""
        return self.page.locator(f".{name}")

    @contextmanager
    def another_picture(self, name: str) -> Iterator[None]:
        """Wait at the end of the block until the picture of a widget is drawn and looks different."""
        picture = self.find(name).locator("img")
        before, source = picture.evaluate(CONTENT), picture.get_attribute("src")
        yield
        self.page.wait_for_function(
            "([name, source]) => { const img = document.querySelector(`.${name} img`); "
            "return img.src !== source && img.complete && img.naturalWidth > 0; }",
            arg=[name, source],
        )
        assert picture.evaluate(CONTENT) != before, f"{name} looks as before"

    def photograph(self, what: str, *, of: str | None = None) -> None:
        """Keep a picture of the window, or of a widget by its class."""
        (self.find(of) if of else self.page).screenshot(path=self.pictures / f"{self.name}-{what}.png")

    def photograph_all(self) -> None:
        """Keep a picture of the whole notebook, put together from one of each screenful."""
        panel = self.page.locator(".jp-WindowedPanel-outer")
        whole, screen = panel.evaluate("panel => [panel.scrollHeight, panel.clientHeight]")
        picture = None
        for top in [*range(0, whole - screen, screen), whole - screen]:
            panel.evaluate("(panel, top) => panel.scrollTo({ top, behavior: 'instant' })", top)
            part = Image.open(io.BytesIO(panel.screenshot())).convert("RGB")
            picture = picture or Image.new("RGB", (part.width, whole))
            picture.paste(part, (0, top))
        picture.save(self.pictures / f"{self.name}-whole.png")
