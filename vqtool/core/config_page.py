"""The page of every setting, `docs/config.md`, written from the schema."""

import json
import typing
from collections.abc import Iterator
from typing import Any, Literal

import annotated_types
from pydantic.fields import FieldInfo

from vqtool.core.config import Config, Section
from vqtool.core.config_keys import Key, keys_of

Bounds = dict[Literal["ge", "gt", "le", "lt"], Any]
"""The numbers that bound a value, by pydantic's names."""

INTRODUCTION = """# Every setting

A config is one TOML file. What it leaves out has the default below. The shipped configs (`tiny.toml`, `best.toml`, ...)
set other values than these defaults.

    vqtool config show tiny.toml            # all that a config comes to
    vqtool config check my.toml             # every mistake in one
    vqtool train --config tiny.toml --set train.steps=500 --set optim.lr=1e-3

Written by `vqtool config docs > docs/config.md` from the schema in `vqtool/core/config/`: change it there.
"""


class ConfigPage:
    """Writes the page; a section is described where it is met first, and referred to from elsewhere."""

    def __init__(self) -> None:
        """Nothing met yet."""
        self._places: dict[type[Section], str] = {}

    def text(self) -> str:
        """The whole page as Markdown."""
        lines = [INTRODUCTION]
        for key in keys_of(Config):
            self._meet(key, key.name)
            lines += self._section(key, key.name)
        return "\n".join(lines).rstrip() + "\n"

    def _meet(self, key: Key, path: str) -> None:
        for section in key.sections:
            self._places.setdefault(section, path)

    def _section(self, key: Key, path: str) -> Iterator[str]:
        kinds = key.sections
        if self._places[kinds[0]] != path:
            return
        inner: dict[str, Key] = {}
        for below in (key for kind in kinds for key in keys_of(kind) if key.sections):
            inner.setdefault(f"{path}.{below.name}", below)
        for below_path, below in inner.items():
            self._meet(below, below_path)
        yield f"## [{path}]\n"
        if len(kinds) > 1:
            names = ", ".join(f'`"{_kind(kind)}"`' for kind in kinds)
            yield f"{(key.field.description or '').capitalize()}. `kind` is one of {names}.\n"
        for kind in kinds:
            if len(kinds) > 1:
                yield f'### {path}.kind = "{_kind(kind)}"\n'
            yield from self._table(kind)
        for below_path, below in inner.items():
            yield from self._section(below, below_path)

    def _table(self, section: type[Section]) -> Iterator[str]:
        yield f"{(section.__doc__ or '').strip()}\n"
        keys = [key for key in keys_of(section) if key.name != "kind"]
        if keys:
            yield "| key | value | default | meaning |\n|---|---|---|---|"
            yield from map(self._row, keys)
            yield ""

    def _row(self, key: Key) -> str:
        value = self._reference(key) if key.sections else value_text(key)
        meaning = (key.field.description or "").replace("|", r"\|")
        return f"| `{key.name}` | {value} | {_default_text(key.field.default)} | {meaning} |"

    def _reference(self, key: Key) -> str:
        place = self._places[key.sections[0]]
        return f"section, see [{place}](#{place.replace('.', '')})"


def value_text(key: Key) -> str:
    """What a plain value may be: its words, or its type with the bounds."""
    if key.words:
        words = " ".join(f"`{word}`" for word in key.words)
        return f"list of {words}" if typing.get_origin(key.field.annotation) is tuple else words
    bounds = _bounds_text(_bounds(key.field.metadata) or _bounds(_metadata_in(key.field.annotation)))
    return ", ".join(part for part in (_type_text(key.field.annotation), bounds) if part)


def _type_text(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        return _type_text(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is tuple:
        parts = typing.get_args(annotation)
        count = "" if parts[-1] is Ellipsis else f"{len(parts)} "
        return f"list of {count}{_type_text(parts[0])}s"
    return {int: "whole number", float: "number", str: "text"}[annotation]


def _bounds_text(bounds: Bounds) -> str:
    """Bounds as `1 to 64`, `above 0`, `0 to below 1`; empty where there are none."""
    low = next((f"{word}{bounds[name]:g}" for name, word in (("ge", ""), ("gt", "above ")) if name in bounds), "")
    high = next(
        (f"{word}{_large(bounds[name])}" for name, word in (("le", ""), ("lt", "below ")) if name in bounds), ""
    )
    if low and high:
        return f"{low} to {high}"
    if low:
        return low if "gt" in bounds else f"{low} or more"
    return f"at most {high}" if high else ""


def _large(number: Any) -> str:
    return f"{number:,.10g}"


def _bounds(metadata: list[Any]) -> Bounds:
    found: Bounds = {}
    for item in metadata:
        match item:
            case annotated_types.Ge(ge=bound):
                found["ge"] = bound
            case annotated_types.Gt(gt=bound):
                found["gt"] = bound
            case annotated_types.Le(le=bound):
                found["le"] = bound
            case annotated_types.Lt(lt=bound):
                found["lt"] = bound
            case FieldInfo():
                found |= _bounds(item.metadata)
    return found


def _metadata_in(annotation: Any) -> list[Any]:
    found = list(getattr(annotation, "__metadata__", ()))
    for argument in typing.get_args(annotation):
        found += _metadata_in(argument)
    return found


def _default_text(default: Any) -> str:
    """A default as TOML; of a section its kind and what differs from that kind's own defaults."""
    if isinstance(default, Section):
        return ", ".join(f"`{part}`" for part in _differences(default))
    return f"`{json.dumps(default)}`"


def _differences(section: Section, prefix: str = "") -> Iterator[str]:
    for name, value in sorted(section, key=lambda item: item[0] != "kind"):
        if isinstance(value, Section):
            yield from _differences(value, f"{prefix}{name}.")
        elif name == "kind" or value != type(section).model_fields[name].default:
            yield f"{prefix}{name} = {json.dumps(value)}"


def _kind(section: type[Section]) -> str:
    return str(section.model_fields["kind"].default)
