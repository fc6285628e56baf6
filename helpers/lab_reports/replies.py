"""Read the rows of a model's reply about a report, with types, and note what was mended or could not be read.

Every row names the faults that were mended in it, so no guess stays hidden. A reply without a list of rows counts
as unparsable. An empty list is a valid reply.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from helpers.lab_reports.lenient_json import Entry, Found, scan_json
from helpers.lab_reports.printed_numbers import read_number
from helpers.lab_reports.schema import LabRow

# Other names that replies use for a field, with those of the report's prompt among them.
OTHER_NAMES = {
    "test": ("name", "test_name", "analyte", "parameter"),
    "value": ("result", "test_result"),
    "unit": ("units",),
    "range": ("reference_range", "ref_range", "reference", "normal_range"),
    "flag": ("flags", "abnormal_flag"),
}
_FLAGS = ("H", "L", "HH", "LL", "*", "↑", "↓")
# A unit as it is printed behind a number: one word, or words with slashes between, maybe with a power of ten.
_WORD = r"(?:[^\W\d_]|[%‰°.²³]|\^?[23](?!\d)|1[.,]73\s?m|[\[{][^\]}\d]*[\]}])+"
_POWER = r"[x×*]?\s?10\s?(?:\^|\*\*?|[eE])?\s?(?:[⁰¹²³⁴-⁹]|\d){1,2}"
_UNIT = re.compile(rf"(?:{_POWER}|(?:{_POWER}\s?)?/?\s?{_WORD})(?:\s?/\s?{_WORD})*")
_NAMED = re.compile(r"[^\W\d_]|[%‰°]")
_ONLY_NOTHING = re.compile(r"\[\s*\]")


@dataclass(frozen=True)
class ReadRow:
    """A row, and the faults that were mended in it."""

    row: BaseModel
    mended: tuple[str, ...] = ()
    cut: bool = False  # the reply ended in the middle of the row, so cells may be missing


@dataclass(frozen=True)
class ReadReply:
    """The rows of a reply, and how well they could be read."""

    rows: tuple[ReadRow, ...] = ()
    parsed: bool = False  # whether the reply holds a list of rows; an empty list counts too
    mended: tuple[str, ...] = ()  # faults outside of rows
    left_out: tuple[str, ...] = ()  # rows that could not be read, with the reason
    cut: bool = False  # the reply ended too early, so rows may be missing

    @property
    def clean(self) -> bool:
        """Whether the reply could be read without mending."""
        return self.parsed and not (self.mended or self.left_out or any(row.mended for row in self.rows))


def read_reply(text: str, schema: type[BaseModel] = LabRow, *, finished: bool = True) -> ReadReply:
    """Read the rows of a reply, in their order. Never raises: a reply without a list of rows has ``parsed`` false.

    Args:
        text: the reply without its thinking.
        schema: the fields of a row (`read_schema`). The first field names the row, and a row without it is left
            out.
        finished: whether the model ended the reply by itself. If not, the reply counts as cut.
    """
    found = scan_json(text)
    entries, told = _entries(found, schema)
    if entries is None:
        return ReadReply(cut=not finished)
    rows, left_out = [], []
    for k, entry in enumerate(entries, start=1):
        read = _row(entry, schema)
        if isinstance(read, str):
            left_out.append(f"row {k}: {read}")
        else:
            rows.append(read)
    cut = not finished or any(one.cut for one in found)
    return ReadReply(tuple(rows), bool(rows) or not entries, tuple(told), tuple(left_out), cut)


def join_pages(pages: Sequence[ReadReply]) -> ReadReply:
    """Join the replies to the pages of one report. The result is parsed if all of them are."""
    return ReadReply(
        rows=tuple(row for page in pages for row in page.rows),
        parsed=all(page.parsed for page in pages),
        mended=tuple(words for page in pages for words in page.mended),
        left_out=tuple(words for page in pages for words in page.left_out),
        cut=any(page.cut for page in pages),
    )


def as_reply(rows: Sequence[BaseModel]) -> str:
    """Write rows in the form that a model is asked for: a JSON list."""
    listed = [row.model_dump(mode="json") for row in rows]
    return json.dumps(listed, ensure_ascii=False, indent=1)


def _entries(found: list[Found], schema: type[BaseModel]) -> tuple[list[Entry] | None, list[str]]:
    """The objects that are rows, and the faults mended around them. None if the text holds no list of rows."""
    lists: list[tuple[list[Entry], list[str]]] = []
    for one in found:
        told = list(one.mended)
        entries = _rows_in(one.value, schema, told)
        if entries:
            lists.append((entries, told))
    if not lists:
        empty = any(one.value == [] and not one.cut for one in found)
        return ([], []) if empty else (None, [])
    if len(lists) == 1:
        return lists[0]
    names = [{json.dumps(entry, sort_keys=True) for entry in entries} for entries, _ in lists]
    told = list(dict.fromkeys(words for _, each in lists for words in each))
    if sum(map(len, names)) == len(set().union(*names)):
        return [entry for entries, _ in lists for entry in entries], [*told, f"{len(lists)} lists were joined"]
    longest = max(lists, key=lambda one: len(one[0]))[0]
    return longest, [*told, f"the longest of {len(lists)} lists that share rows was taken"]


def _rows_in(value: Any, schema: type[BaseModel], told: list[str]) -> list[Entry]:
    """The rows in a list or object, also if other lists or objects are wrapped around them."""
    if isinstance(value, list):
        rows = [entry for item in value for entry in _rows_in(item, schema, told)]
        if rows and any(not isinstance(item, (dict, list)) for item in value):
            told.append("texts between the rows were left out")
        return rows
    if not isinstance(value, Entry):
        return []
    first = next(iter(schema.model_fields))
    named, _ = _by_field(value, schema)
    inside = {key: item for key, item in value.items() if isinstance(item, (dict, list))}
    heard: dict[str, list[str]] = {key: [] for key in inside}
    rows_of = {key: _rows_in(item, schema, heard[key]) for key, item in inside.items()}
    panel = [key for key, rows in rows_of.items() if any(_says_more(row, schema) for row in rows)]
    below = [row for key in panel for row in rows_of[key]]
    if below:
        told += [words for key in panel for words in heard[key]]
        told.append(f"the list was in an object ({', '.join(panel)})")
    if below and not _says_more(value, schema):  # its own cell is a heading, such as the name of a panel
        told += value.mended
        return below
    if first in named or (set(named) and not inside):
        return [value, *below]
    keyed = {key: _by_field(item, schema)[0] for key, item in inside.items() if isinstance(item, Entry)}
    if keyed and len(keyed) == len(value) and all(cells and first not in cells for cells in keyed.values()):
        for key, item in inside.items():
            item[first] = key
            item.mended.append(f"its {first} was the key of the row")
        return list(inside.values())
    rows = [row for rows in rows_of.values() for row in rows]
    told += [words for each in heard.values() for words in each]
    if rows:
        told.append(f"the list was in an object ({', '.join(inside)})")
    told += value.mended
    return rows


def _says_more(entry: Entry, schema: type[BaseModel]) -> bool:
    """Whether an object names a row and has another cell of it."""
    named, _ = _by_field(entry, schema)
    cells = {name for name, cell in named.items() if not isinstance(cell, (dict, list))}
    return next(iter(schema.model_fields)) in cells and len(cells) > 1


def _by_field(entry: Mapping[str, Any], schema: type[BaseModel]) -> tuple[dict[str, Any], list[str]]:
    """The entry's values by the names of the schema's fields, and the faults that were mended."""
    wanted = {_key(name): name for name in schema.model_fields}
    other = {
        _key(alias): name
        for name, aliases in OTHER_NAMES.items()
        if name in schema.model_fields
        for alias in aliases
        if _key(alias) not in wanted
    }
    named: dict[str, Any] = {}
    told = []
    for key, value in entry.items():
        if (field_name := wanted.get(_key(key))) is not None:
            if field_name in named:
                told.append(f"{key} was left out beside {field_name}")
                continue
            named[field_name] = value
            if key != field_name:
                told.append(f"{key} was read as {field_name}")
    for key, value in entry.items():
        if _key(key) in wanted:
            continue
        field_name = other.get(_key(key))
        if field_name is None or field_name in named:
            told.append(f"{key} is not asked for and was left out")
            continue
        named[field_name] = value
        told.append(f"{key} was read as {field_name}")
    return named, told


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip()).casefold()


def _row(entry: Entry, schema: type[BaseModel]) -> ReadRow | str:
    """A row, or the reason why the entry is no row."""
    named, told = _by_field(entry, schema)
    told = [*entry.mended, *told]
    first = next(iter(schema.model_fields))
    values = {}
    for name, value in named.items():
        if isinstance(value, (dict, list)):
            told.append(f"{name} holds a list or an object and was left out")
            continue
        values[name] = None if value is None else " ".join(value.split())
    if schema is LabRow:
        _part_value(values, told)
    if not values.get(first):
        return f"it has no {first}"
    typed = {}
    for name, value in values.items():
        kinds = get_args(schema.model_fields[name].annotation) or (schema.model_fields[name].annotation,)
        typed_value = _typed(name, value, kinds, told)
        if typed_value is not None:
            typed[name] = typed_value
    try:
        return ReadRow(schema(**typed), tuple(told), entry.cut)
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())


def _part_value(values: dict[str, Any], told: list[str]) -> None:
    """Move unit and flag out of a value like "5.2 mmol/L H", if their own fields are empty or say the same.

    Whatever else stands behind a number stays in the value ("150 000", "1 : 160"), which is then no number.
    """
    for name in ("flag", "unit"):
        value = values.get("value") or ""
        rest = _behind_number(value)
        tail = rest.rpartition(" ")[2] if name == "flag" else rest
        taken = tail.strip("()") if name == "flag" else tail
        said = values.get(name) or taken
        if rest and said == taken and (_is_flag if name == "flag" else _is_unit)(taken, rest, values):
            values[name] = taken
            values["value"] = value.removesuffix(tail).strip()
            told.append(f"the {name} {taken} was taken out of the value")


def _behind_number(value: str) -> str:
    """The words behind the number with which a value begins; "" if it is a number, or begins with none."""
    number, _, rest = value.partition(" ")
    while read_number(number) is None and rest:  # in "< 5 mg/L", the number has a space
        more, _, rest = rest.partition(" ")
        number = f"{number} {more}"
    return "" if read_number(number) is None or read_number(value) is not None else rest


def _is_flag(mark: str, rest: str, values: dict[str, Any]) -> bool:
    """Whether the last word is a flag. "2.1 L" may be low, or a volume in litres, if nothing names the unit."""
    unit = values.get("unit") or ""
    clear = mark != "L" or rest.strip("()") != mark or values.get("flag") == mark or unit not in ("", mark)
    return mark in _FLAGS and clear


def _is_unit(words: str, rest: str, values: dict[str, Any]) -> bool:
    if words.strip("()") in _FLAGS:
        return values.get("unit") == words
    return _UNIT.fullmatch(words) is not None and _NAMED.search(words) is not None


def _typed(name: str, value: Any, kinds: tuple[Any, ...], told: list[str]) -> Any:
    """Convert a text to the type of its field. If this fails, return None and note the fault."""
    if value is None:
        return None
    if str in kinds:
        return value
    if bool in kinds:
        known = {"true": True, "yes": True, "false": False, "no": False}.get(value.casefold())
        if known is None:
            told.append(f"{name}: {value!r} is neither true nor false, so it was left out")
        elif value not in ("true", "false"):
            told.append(f"{name}: {value!r} was read as {str(known).lower()}")
        return known
    if int in kinds or float in kinds:
        number = read_number(value)
        whole = int in kinds
        if (
            number is None
            or number.relation
            or not math.isfinite(float(number.value))
            or (whole and number.value % 1)
        ):
            told.append(f"{name}: {value!r} is not a {'whole ' if whole else ''}number, so it was left out")
            return None
        if "," in value:
            told.append(f"{name}: the comma of {value!r} was read as decimal")
        return int(number.value) if whole else float(number.value)
    options = {option.casefold(): option for kind in kinds for option in get_args(kind)}
    if value.casefold() not in options:
        told.append(f"{name}: {value!r} is none of the options, so it was left out")
        return None
    return options[value.casefold()]
