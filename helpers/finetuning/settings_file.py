"""Read a YAML file with the line of each of its parts, so that errors can name the line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from helpers.errors import InputError
from helpers.finetuning.problems import Place

MERGE = "tag:yaml.org,2002:merge"  # of the key <<


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, with the numbers of YAML 1.2.

    PyYAML takes 1e-4 for a text, 010 for 8, 1:30 for 90 and 2024-01-02 for a date. Here the first is a number, and
    the others are texts, so that none becomes a number that nobody wrote.
    """

    yaml_implicit_resolvers: ClassVar = {
        first: [one for one in resolvers if one[0].rpartition(":")[2] not in ("int", "float", "timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose names are texts. Names such as 3 and yes are reported as they are written."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


@dataclass(frozen=True)
class SettingsFile:
    """What a file holds, and where."""

    data: Any
    lines: dict[Place, int]
    twice: list[tuple[int, str]]  # keys that are given more than once: the line, and what to say

    def line(self, place: Place) -> int:
        """The line of a setting. For a missing setting, the line of the part that lacks it."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


def read_settings(path: Path) -> SettingsFile:
    """Read a YAML file; raises `InputError` with the line if it is not YAML."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        parts = list(_parts(node, ()))  # before the data, because there PyYAML mixes merged names with the others
        data = None if node is None else loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise InputError(
            f"The settings are not UTF-8 text ({error}).", path=path, remedy="Save the file as UTF-8."
        ) from error
    except OSError as error:
        raise InputError(
            f"The settings cannot be read ({error}).",
            path=path,
            remedy="Check that the file exists and may be read.",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise InputError(
            f"This is not YAML: {where}{getattr(error, 'problem', None) or error}.",
            path=path,
            remedy="Correct this place. Put quotes around a text with a colon or other signs.",
        ) from error
    lines: dict[Place, int] = {(): 1}
    twice: list[tuple[int, str]] = []
    for place, line, names in parts:
        lines[place] = line
        for name, at in names.items():
            if len(at) > 1:
                shown = ".".join(map(str, (*place, name)))
                twice.append((at[-1], f"{shown} occurs {len(at)} times, in lines {', '.join(map(str, at))}"))
    return SettingsFile(data, lines, twice)


def _parts(
    node: yaml.Node | None, place: Place, line: int = 1, above: tuple[yaml.Node, ...] = ()
) -> Iterator[tuple[Place, int, dict[str, list[int]]]]:
    """Each part of a file: its place, its line, and, of a mapping, the lines of its keys."""
    names: dict[str, list[int]] = defaultdict(list)
    inside: list[tuple[Place, int, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = key.start_mark.line + 1
            if key.tag == MERGE:  # its names also count here, unless they are given here
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                inside = [(place, at, one) for one in merged] + inside
                continue
            inside.append(((*place, str(key.value)), at, value))
            names[str(key.value)].append(at)
    elif isinstance(node, yaml.SequenceNode):
        inside = [((*place, k), value.start_mark.line + 1, value) for k, value in enumerate(node.value)]
    yield place, line, names
    for below, at, value in inside:
        if value not in above:  # otherwise an alias of a part that contains it
            yield from _parts(value, below, at, (*above, value))
