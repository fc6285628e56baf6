"""Read the package's public names with their signatures and docstrings from the source, without importing it.

The public names are those in a folder's face (its ``__init__.pyi``). `griffe` finds the definition of each name,
and reads its docstring.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import InputError

if TYPE_CHECKING:
    import griffe

PACKAGE = Path(__file__).resolve().parents[1]
_TITLES = {"parameters": "Arguments", "returns": "Returns", "raises": "Raises", "yields": "Yields"}


@dataclass(frozen=True)
class Part:
    """A part of a docstring: words, or rows of name and words under a title. Both are Markdown."""

    title: str  # empty if there are only words
    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Name:
    """A public function, class, method, attribute or constant."""

    name: str  # for a method with its class: "Volume.slices"
    kind: str  # "function", "class" or "value"
    signature: str  # as in the source
    parts: list[Part]
    members: list[Name] = field(default_factory=list)

    @property
    def words(self) -> str:
        """All of it as plain text."""
        rows = [f"{name} {words.replace('`', '')}" for part in self.parts for name, words in part.rows]
        return " ".join([self.signature, *rows, *(member.words for member in self.members)])


@dataclass(frozen=True)
class Face:
    """A folder of the package, with its public names."""

    name: str
    parts: list[Part]
    names: list[Name]
    files: list[str]  # full names of its modules

    @property
    def page(self) -> str:
        """Its address from the site's root."""
        return f"api/{self.name.rpartition('.')[2]}.html"

    @property
    def words(self) -> str:
        """Its docstring."""
        return "\n\n".join(words for part in self.parts for _, words in part.rows)

    @property
    def sentence(self) -> str:
        """The first paragraph of its docstring."""
        return self.words.partition("\n\n")[0]


def read_api(package: Path = PACKAGE) -> list[Face]:
    """Read the faces of a package's folders, in alphabetical order.

    Raises:
        InputError: griffe is not installed.
    """
    try:
        import griffe
    except ModuleNotFoundError:
        raise InputError(
            "Writing the API pages needs the package griffe, which is not installed.",
            remedy="Run: pip install 'medgemma-tutorials[gallery]'",
        ) from None
    loaded = griffe.load(package.name, search_paths=[package.parent], allow_inspection=False)
    folders = [face for _, face in sorted(loaded.modules.items()) if face.is_init_module]
    return [
        Face(face.path, _parts(face), list(_handed_on(face)), [file.path for file in face.modules.values()])
        for face in folders
    ]


def addresses(faces: list[Face]) -> dict[str, str]:
    """The address of each folder, function and class on the site, relative to its root.

    The keys are full names (``helpers.data``, ``helpers.data.fetch``; of a file, ``helpers.data.idc``, it is its
    folder's page) and, where only one object has it, the last part of a function's or class's name (``fetch``).
    """
    full: dict[str, str] = {}
    short: dict[str, set[str]] = {}
    for face in faces:
        page = face.page
        full |= dict.fromkeys([*face.files, face.name], page)
        for name in face.names:
            if name.kind != "value":
                full[f"{face.name}.{name.name}"] = f"{page}#{name.name}"
                short.setdefault(name.name, set()).add(f"{page}#{name.name}")
    once = {name: found.pop() for name, found in short.items() if len(found) == 1}
    return once | full


def _handed_on(face: griffe.Module) -> Iterator[Name]:
    for name, member in face.members.items():
        if member.is_alias and member.target_path.startswith(f"{face.path}."):
            yield _name(name, member.final_target)


def _members(parent: griffe.Class, prefix: str) -> Iterator[Name]:
    for name, member in parent.members.items():
        if name.startswith("_") or member.is_alias or not member.lineno:
            continue
        found = _name(prefix + name, member)
        if not found.signature.startswith("self."):  # set in __init__, whose arguments describe it
            yield found


def _name(name: str, member: griffe.Object) -> Name:
    if member.is_class:
        return Name(name, "class", _of_class(member), _parts(member), list(_members(member, f"{name}.")))
    if member.is_function or "property" in member.labels:
        return Name(name, "function", _signature(member), _parts(member))
    return _value(name, member)


def _signature(member: griffe.Object) -> str:
    """The lines from its decorators to its docstring, as the source has them."""
    end = member.docstring.lineno - 1 if member.docstring else member.lineno
    return textwrap.dedent("\n".join(_lines(member)[member.lineno - 1 : end])).strip().removesuffix(":")


def _of_class(member: griffe.Class) -> str:
    """A class, with the arguments of its ``__init__`` if the source has one."""
    made = member.members.get("__init__")
    own = made is not None and not made.is_alias and made.lineno
    return _signature(member) + (":\n" + textwrap.indent(_signature(made), "    ") if own else "")


def _value(name: str, member: griffe.Attribute) -> Name:
    """A constant or a field. The comment at the end of its line is its description."""
    source = textwrap.dedent("\n".join(_lines(member)[member.lineno - 1 : member.endlineno]))
    line, _, comment = source.partition("  # ") if "\n" not in source else (source, "", "")
    parts = _parts(member) or ([Part("", [("", comment)])] if comment else [])
    return Name(name, "value", line.strip(), parts)


def _lines(member: griffe.Object) -> list[str]:
    return member.filepath.read_text(encoding="utf-8").splitlines()


def _parts(member: griffe.Object) -> list[Part]:
    """The parts of a docstring in Google's style, in its order."""
    if not member.docstring:
        return []
    parts = []
    options = {"returns_multiple_items": False, "returns_named_value": True, "warnings": False}
    for section in member.docstring.parse("google", **options):
        kind = section.kind.value
        if kind == "text":
            parts.append(Part("", [("", section.value)]))
        elif kind in _TITLES:
            named = [
                (str(item.annotation) if kind == "raises" else item.name, item.description)
                for item in section.value
            ]
            parts.append(Part(_TITLES[kind], named))
        else:
            raise InputError(f"The docstring of {member.path} has a section that the pages cannot show: {kind}.")
    return parts
