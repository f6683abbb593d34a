"""The tables of docs/json.md as schemas, and outputs compared with them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,), "whole number": (int,), "number": (int, float), "flag": (bool,), "list": (list, tuple),
    "null": (type(None),),
}  # fmt: skip


def tables() -> dict[str, dict[tuple[str, ...], str]]:
    """By command, the type of each path; a path is a tuple of names, `*` and `[]`."""
    found: dict[str, dict[tuple[str, ...], str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## vqtool "):
            rows = found.setdefault(line.removeprefix("## vqtool "), {})
        elif row := re.match(r"\| `([^`]+)` \| ([a-z ]+) \|", line):
            path = tuple(part for part in re.split(r"\.|(\[\])", row[1]) if part)
            rows[path] = row[2].strip()
    return found


def problems(output: Any, rows: dict[tuple[str, ...], str]) -> list[str]:
    """Where an output and its table differ: fields without a row, of another type, and rows without a field."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for path, value in _leaves(output):
        row = next((row for row in rows if _matches(row, path, rows[row])), None)
        if row is None:
            found.append(f"{path} = {value!r} is not in docs/json.md")
            continue
        seen.add(row)
        if not _is(value, rows[row]) and len(row) == len(path):
            found.append(f"{path} = {value!r} is no {rows[row]}")
    missing = [row for row in rows if row not in seen and not _is_empty(output, row)]
    return found + [f"{row} is in docs/json.md, but not in the output" for row in missing]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from _leaves(inner, (*path, "[]"))
    elif not (value == [] and path and path[-1] == "[]"):
        yield path, value


def _matches(row: tuple[str, ...], path: tuple[str, ...], kind: str) -> bool:
    if len(path) < len(row) or (len(path) > len(row) and kind != "any"):
        # An empty list of objects is a leaf above the rows of its entries.
        return len(path) < len(row) and row[len(path)] == "[]" and _matches(row[: len(path)], path, kind)
    return all(part in ("*", name) for part, name in zip(row, path, strict=False))


def _is(value: Any, kind: str) -> bool:
    if kind == "any" or value == []:
        return True
    flag = isinstance(value, bool)
    return any(isinstance(value, TYPES[one]) and flag == (one == "flag") for one in kind.split(" or "))


def _is_empty(value: Any, row: tuple[str, ...]) -> bool:
    """Whether the row's place is within something that is empty in this output."""
    for part in row:
        if part == "[]" or part == "*":
            entries = list(value.values()) if isinstance(value, dict) else value
            return all(_is_empty(entry, row[row.index(part) + 1 :]) for entry in entries) if entries else True
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return value in ({}, [])
