"""Read from the package's metadata which packages are always needed, and the optional parts."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path
from typing import Any

DISTRIBUTION = "medgemma-tutorials"
_PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def requirements() -> tuple[list[str], dict[str, list[str]]]:
    """The required packages, and the packages of each extra, as texts of requirements."""
    if _PYPROJECT.is_file():
        project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
        return project["dependencies"], project["optional-dependencies"]
    about = importlib.metadata.metadata(DISTRIBUTION)
    texts = importlib.metadata.requires(DISTRIBUTION) or []
    extras = {
        name: [text for text in texts if text.replace("'", '"').endswith(f'extra == "{name}"')]
        for name in about.get_all("Provides-Extra") or []
    }
    return [text for text in texts if "extra ==" not in text], extras


def version_of(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def extras_here() -> dict[str, dict[str, Any]]:
    """For each extra: "installed", its "missing" packages (also those of a wrong version), and the "install"
    command.

    A package that is not made for this system counts as missing.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:  # the doctor tells of it
        return {}
    found = {}
    for extra, texts in requirements()[1].items():
        wanted = [Requirement(text) for text in texts]
        missing = [one.name for one in wanted if not one.specifier.contains(version_of(one.name) or "0", True)]
        found[extra] = {"installed": not missing, "missing": missing, "install": f"pip install {_source(extra)}"}
    return found


def _source(extra: str) -> str:
    """What pip installs an extra from, quoted for a shell: this checkout, or the repository's address."""
    if _PYPROJECT.is_file():
        return f"-e '.[{extra}]'"
    urls = dict(
        line.split(", ", 1) for line in importlib.metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    )
    address = urls.get("Repository")
    return f"'{DISTRIBUTION}[{extra}]" + (f" @ git+{address}'" if address else "'")
