"""Config files: finding, reading, overriding and writing them, and saying what is wrong in them all at once."""

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli
import tomli_w
from pydantic import BaseModel, ValidationError

from vqtool.core.config import Config
from vqtool.core.nearest import did_you_mean
from vqtool.core.presets import preset_names, presets_folder
from vqtool.errors import ConfigError

Table = dict[str, Any]


def find_config(name: str) -> Path:
    """The file that `name` means: the path, then in `./configs/`, then a shipped preset; `.toml` may be left out.

    Raises:
        ConfigError: no such file; names the nearest preset.
    """
    for candidate in (name, f"{name}.toml"):
        for path in (Path(candidate), Path("configs") / candidate, presets_folder() / candidate):
            if path.is_file():
                return path
    known = preset_names()
    raise ConfigError(
        f"no config {name!r} here, in ./configs/ or among the presets{did_you_mean(name, known)} "
        f"(presets: {', '.join(known)})"
    )


def load_config(name: str | None, overrides: Sequence[str] = ()) -> Config:
    """Read the config `name` (the defaults where None) and apply `section.key=value` overrides.

    Raises:
        ConfigError: no such file, not TOML, or every wrong key and value of file and overrides in one message.
    """
    path = find_config(name) if name else None
    return _validate(read_toml(path) if path else {}, str(path) if path else "defaults", overrides)


def config_from_table(table: Table, origin: str, overrides: Sequence[str] = ()) -> Config:
    """The config of `table`, the rest as by default, with `section.key=value` overrides; messages name `origin`.

    Raises:
        ConfigError: as `load_config`.
    """
    return _validate(table, origin, overrides)


def override_config(config: Config, overrides: Sequence[str]) -> Config:
    """`config` with `section.key=value` overrides.

    Raises:
        ConfigError: as `load_config`.
    """
    return _validate(config.model_dump(), "config", overrides)


def dump_config(config: Config) -> str:
    """The resolved config as TOML."""
    return tomli_w.dumps(config.model_dump(mode="json"))


def _validate(table: Table, file: str, overrides: Sequence[str]) -> Config:
    origins = {_apply_override(table, override): f"--set {override}" for override in overrides}
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_explain(error, file, origins)) from error


def read_toml(path: Path) -> Table:
    """The tables of a TOML file as they are written there, without defaults.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"cannot read config {path}: {error.strerror}") from error


def _apply_override(table: Table, override: str) -> tuple[str, ...]:
    name, equals, text = override.partition("=")
    keys = tuple(part.strip() for part in name.split("."))
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: expected section.key=value, for example --set train.steps=100")
    *sections, last = keys
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section (vqtool config show prints both)")
    table[last] = _parse_value(text.strip())
    return keys


def _parse_value(text: str) -> Any:
    try:
        return tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text


def _explain(error: ValidationError, file: str, origins: Mapping[tuple[str, ...], str]) -> str:
    lines = []
    for problem in error.errors():
        keys, section = _resolve(problem["loc"])
        origin = next((origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in origins), file)
        lines.append(f"{origin}: {'.'.join(keys) or 'config'}: {_explain_one(problem, keys, section)}")
    noun = "mistake" if len(lines) == 1 else "mistakes"
    return f"{len(lines)} {noun} in the config:\n  " + "\n  ".join(lines)


def _explain_one(problem: Mapping[str, Any], keys: tuple[str, ...], section: type[BaseModel]) -> str:
    match problem["type"]:
        case "extra_forbidden":
            known = list(section.model_fields)
            prefix = "".join(f"{key}." for key in keys[:-1])
            return f"unknown key{did_you_mean(keys[-1], known, prefix.__add__)} (valid here: {', '.join(known)})"
        case "value_error":
            return str(problem["ctx"]["error"])
        case "union_tag_invalid":
            tags, tag = problem["ctx"]["expected_tags"], problem["ctx"]["tag"]
            return f"expected a kind of {tags} (got {tag!r}){_nearest_quoted(tag, tags)}"
        case "literal_error":
            words, word = problem["ctx"]["expected"], problem["input"]
            return f"expected {words} (got {word!r}){_nearest_quoted(word, words)}"
        case "model_attributes_type" | "model_type" | "dict_type":
            return f"expected a section [{'.'.join(keys)}] with keys (got {problem['input']!r})"
        case _:
            message = problem["msg"].removeprefix("Input should be ")
            return f"expected {message} (got {problem['input']!r})"


def _resolve(location: Sequence[str | int]) -> tuple[tuple[str, ...], type[BaseModel]]:
    """The dotted key of a pydantic location (which holds union tags as parts) and the section its last part is in."""
    keys: list[str] = []
    section: type[BaseModel] = Config
    choices: list[type[BaseModel]] = [Config]
    for part in location:
        tagged = [c for c in choices if len(choices) > 1 and c.model_fields["kind"].default == part]
        if tagged:
            choices = tagged
            continue
        keys.append(str(part))
        section = choices[0] if choices else section
        field = section.model_fields.get(str(part))
        choices = list(_members(field.annotation)) if field else []
    return tuple(keys), section


def _members(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _members(argument)


def _nearest_quoted(word: object, listed: str) -> str:
    """The nearest of the words that pydantic lists in quotes."""
    return did_you_mean(str(word), re.findall(r"'([^']*)'", listed))
