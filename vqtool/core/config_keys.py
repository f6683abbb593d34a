"""Every key that a config may have, from the schema: for completion and for the page that lists them."""

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.fields import FieldInfo

from vqtool.core.config import Config, Section


@dataclass(frozen=True)
class Key:
    """A key of a section and what the schema says of its value."""

    name: str
    field: FieldInfo

    @property
    def sections(self) -> tuple[type[Section], ...]:
        """The kinds of section that the value may be; empty for a plain value."""
        return tuple(_sections_in(self.field.annotation))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that the value, or each of its parts, may be; empty where it is no choice."""
        if self.field.annotation is bool:
            return ("true", "false")
        return tuple(_words_in(self.field.annotation))


def keys_of(section: type[Section]) -> list[Key]:
    """The keys of one section, in the order of the schema."""
    return [Key(name, field) for name, field in section.model_fields.items()]


def keys_below(path: Sequence[str]) -> dict[str, list[Key]]:
    """The keys one level below the dotted `path`, by name; as many of a name as kinds of the section have it."""
    sections: tuple[type[Section], ...] = (Config,)
    for part in path:
        keys = [key for section in sections for key in keys_of(section) if key.name == part]
        sections = tuple(dict.fromkeys(inner for key in keys for inner in key.sections))
    found: dict[str, list[Key]] = {}
    for section in sections:
        for key in keys_of(section):
            found.setdefault(key.name, []).append(key)
    return found


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif isinstance(annotation, types.UnionType) or typing.get_origin(annotation) in (typing.Union, typing.Annotated):
        for argument in typing.get_args(annotation):
            yield from _sections_in(argument)


def _words_in(annotation: Any) -> Iterator[str]:
    if typing.get_origin(annotation) is Literal:
        yield from (str(word) for word in typing.get_args(annotation))
        return
    for argument in typing.get_args(annotation):
        yield from _words_in(argument)
