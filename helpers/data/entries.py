"""The data manifest: every image that this project uses, with its content, its source and the way to get it.

The manifest is a YAML mapping from a short name to an `Entry`. Errors name the line of the fault.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from helpers.errors import InputError


def _https(url: str) -> str:
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise ValueError("the address must begin with https://")
    return url


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or str(pure) != path or not pure.name:
        raise ValueError("the path must be relative, with / between folders and without ..")
    return path


Text = Annotated[str, Field(min_length=1)]
Https = Annotated[str, AfterValidator(_https)]
Uid = Annotated[str, Field(pattern=r"^[0-9.]+$", max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Strict):
    """A file: its path from the manifest's folder, its size and its SHA-256."""

    path: Annotated[str, AfterValidator(_inside)]
    bytes: PositiveInt
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Download(File):
    """A file at an address; its path is relative to the cache folder."""

    url: Https


class IdcSeries(_Strict):
    """A series of Imaging Data Commons, as the package idc-index-data of ``index_version`` lists it."""

    series_instance_uid: Uid
    # The name of this version of the series.
    crdc_series_uuid: Annotated[str, Field(pattern=r"^[0-9a-f-]+$")]
    collection: Text
    modality: Text
    instances: PositiveInt
    bytes: PositiveInt
    index_version: Text


class Box(_Strict):
    """A box in a 2D image, in pixels: its upper left corner, its width and its height."""

    left: Annotated[int, Field(ge=0)]
    top: Annotated[int, Field(ge=0)]
    width: PositiveInt
    height: PositiveInt


class Source(_Strict):
    """Where an image comes from: an address, and a sentence."""

    url: Https
    text: Text


class Entry(_Strict):
    """One image or record of the manifest. One of ``bundled``, ``download`` and ``idc`` says how to get it."""

    kind: Literal["ct-series", "mri-volume", "mri-series", "slide", "image-2d", "segmentation", "record"]
    title: Text
    source: Source
    licence: Text  # SPDX identifier, or a text if there is none
    citation: Text
    notes: Text
    boxes: dict[Text, Box] | None = None  # names of things in a 2D image -> their boxes
    bundled: Annotated[list[File], Field(min_length=1)] | None = None
    download: Download | None = None
    idc: IdcSeries | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Entry:
        if sum(way is not None for way in (self.bundled, self.download, self.idc)) != 1:
            raise ValueError("an entry must have exactly one of bundled, download and idc")
        if self.bundled and len({PurePosixPath(file.path).parent for file in self.bundled}) > 1:
            raise ValueError("the files of a series must lie in one folder")
        return self

    @property
    def bytes(self) -> int:
        """Size of all its files together."""
        return sum(file.bytes for file in self.bundled) if self.bundled else (self.download or self.idc).bytes


def manifest(path: str | os.PathLike[str] | None = None) -> dict[str, Entry]:
    """Read and check the manifest; return a dictionary from the name of each image to its `Entry`.

    Args:
        path: another manifest; default: this project's own.

    Raises:
        InputError: the file is missing or is not YAML, a name occurs twice, or an entry is wrong; the error names
            the line.
    """
    path = Path(path) if path else own_manifest()
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        tree = loader.get_single_node()
        _refuse_repeated_keys(tree, path)
        content = loader.construct_document(tree) if tree else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The data manifest cannot be read ({error}).",
            path=path,
            remedy="Install the package again, or clone the repository again.",
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            f"The manifest is not YAML: {getattr(error, 'problem', error)}.",
            path=f"{path}:{mark.line + 1 if mark else 1}",
            remedy="Correct this line.",
        ) from None
    try:
        return TypeAdapter(dict[str, Entry]).validate_python(content)
    except ValidationError as error:
        raise _manifest_error(error, tree, path) from None


def own_manifest() -> Path:
    """Path of this project's manifest: helpers/bundled/ of an installed package, beside helpers/ in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "bundled" / "data_manifest.yaml"
    return installed if installed.is_file() else package.parent / "data_manifest.yaml"


def _manifest_error(error: ValidationError, tree: yaml.Node | None, path: Path) -> InputError:
    """The first fault, with its entry, field and line, and the number of further faults."""
    # A misspelt field is also reported as missing. The misspelling is the better message.
    first, *others = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    entry, *fields = first["loc"] or ("",)
    if first["type"] == "extra_forbidden":
        known = {name for model in (Entry, Box, Source, Download, IdcSeries) for name in model.model_fields}
        close = difflib.get_close_matches(str(fields[-1]), known, n=1)
        what = "An entry has no field of this name." + (f" Did you mean {close[0]}?" if close else "")
    elif first["type"] == "missing":
        what = "The field is missing."
    else:
        message = first["msg"].removeprefix("Value error, ")
        what = f"{message[0].upper()}{message[1:]}."
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fields).lstrip(".")
    where = ", ".join([f"Entry {entry}"] * bool(entry) + [f"field {field}"] * bool(field))
    more = f" ({len(others)} more after this one.)" if others else ""
    line = _line(tree, first["loc"])
    return InputError(f"{where or 'The whole'}: {what}{more}", path=f"{path}:{line}", remedy="Correct this entry.")


def _line(node: yaml.Node | None, location: tuple[str | int, ...]) -> int:
    """The line, from 1, of ``location`` in the YAML, or of its last part that exists."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
        elif isinstance(node, yaml.SequenceNode):
            pairs = {i: (value, value) for i, value in enumerate(node.value)}
        else:
            break
        if part not in pairs:
            break
        key, node = pairs[part]
        line = key.start_mark.line + 1
    return line


def _refuse_repeated_keys(tree: yaml.Node | None, path: Path) -> None:
    """Refuse equal keys, because YAML readers would silently keep only the last."""
    for node in _mappings(tree):
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise InputError(
                    f"The name {name} occurs twice.",
                    path=f"{path}:{key.start_mark.line + 1}",
                    remedy="Remove or rename one of the two entries.",
                )
            seen.add(name)


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)
