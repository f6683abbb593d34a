"""What the shell completes: configs, `--set` keys, runs, checkpoints, metrics.

Imports little, for it runs at every Tab.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vqtool.core.config_keys import Key

RUNS = Path("runs")
NUM_VALUES = 40
"""Runs that are offered, at most: those that were active last."""
BREAKS = re.compile("[:=]+")
OPTION_AND_VALUE = re.compile("--[a-z-]+=")
OFFERS = {"complete_zsh": re.compile(r"""^(_arguments '\*: :\(\()?\""""), "complete_fish": re.compile("^(?=.)")}
"""What comes before an offer in a line of typer's answer; zsh has them in quotes, and the first in a call."""


def configs(incomplete: str) -> list[str]:
    """Shipped presets, those in ./configs, and TOML files and folders that `incomplete` leads to."""
    from vqtool.core.presets import preset_names

    names = [*preset_names(), *(path.name for path in sorted(Path("configs").glob("*.toml")))]
    head = incomplete[: incomplete.rfind("/") + 1]
    for path in sorted(Path(head or ".").glob("*")):
        if path.suffix == ".toml" or (path.is_dir() and not path.name.startswith(".")):
            names.append(f"{head}{path.name}{'/' if path.is_dir() else ''}")
    return list(dict.fromkeys(names))


def settings(incomplete: str) -> list[str]:
    """Keys for `--set`, a section at a time, and the values of the key that is being set."""
    from vqtool.core.config_keys import keys_below

    name, equals, _ = incomplete.partition("=")
    *path, last = name.split(".")
    found = {key: keys for key, keys in keys_below(path).items() if key.startswith(last)}
    if equals:
        return [f"{name}={value}" for value in _values(found.get(last, []))]
    start = "".join(f"{part}." for part in path)
    if len(found) > 1:
        return [f"{start}{key}{'.' if keys[0].sections else '='}" for key, keys in found.items()]
    for key, keys in found.items():
        if keys[0].sections:
            return settings(f"{start}{key}.")
        return [f"{start}{key}=", *(f"{start}{key}={value}" for value in _values(keys))]
    return []


def _values(keys: list[Key]) -> list[str]:
    """The words that a key may be, and otherwise its default."""
    import json

    words = [word for key in keys for word in key.words]
    plain = [json.dumps(key.field.default, separators=(",", ":")).strip('"') for key in keys if not key.sections]
    return list(dict.fromkeys(words or plain))


def run_names(context: typer.Context) -> list[str]:
    """Names of runs in `--dir`, or in ./runs."""
    return [path.name for path in _run_folders(context.params.get("runs_dir") or RUNS)]


def run_paths(incomplete: str) -> list[str]:
    """Run folders beside `incomplete`, or in ./runs."""
    return [str(path) for path in _run_folders(Path(incomplete).parent if "/" in incomplete else RUNS)]


def checkpoints(incomplete: str) -> list[str]:
    """Run folders, the checkpoints of the one that `incomplete` names, and published tokenizers here."""
    run, colon, _ = incomplete.rpartition(":")
    if colon:
        return list(_checkpoints_of(run))
    runs = [path for path in run_paths(incomplete) if path.startswith(incomplete)]
    if len(runs) == 1:
        runs += _checkpoints_of(runs[0])
    return [*runs, *(str(path.parent) for path in Path().glob("*/model.safetensors"))]


def metrics(incomplete: str) -> list[str]:
    """Names of metrics, after those already given with commas."""
    from typing import get_args

    from vqtool.core.config.section import MetricName

    head = incomplete[: incomplete.rfind(",") + 1]
    return [f"{head}{name}" for name in get_args(MetricName) if name not in head.split(",")]


def devices() -> list[str]:
    """Kinds of device."""
    return ["auto", "cpu", "cuda"]


def weights() -> list[str]:
    """Networks that can be fetched."""
    from vqtool.weights.registry import REGISTRY

    return list(REGISTRY)


def words_of(section: str, name: str) -> Callable[[], list[str]]:
    """Completes with the words that a setting of the config may be."""

    def words() -> list[str]:
        from vqtool.core.config_keys import keys_below

        return [word for key in keys_below([section])[name] for word in key.words]

    return words


def _run_folders(folder: Path) -> list[Path]:
    from vqtool.runs.folder import list_runs

    return [run.path for run in list_runs(folder)][:NUM_VALUES]


def _checkpoints_of(run: str) -> Iterator[str]:
    for path in sorted((Path(run) / "checkpoints").glob("[!.]*")):
        yield f"{run}:{path.name}"


def join_bash_words() -> str:
    """Bash breaks words at `:` and `=`: put those in its COMP_WORDS together again.

    Gives the part of the current word that bash does not replace, and so does not want to see again.
    """
    words = os.environ.get("COMP_WORDS", "").split("\n")
    current = int(os.environ.get("COMP_CWORD", "0"))
    joined: list[str] = []
    position, ended_by_break = 0, False
    for number, word in enumerate(words):
        is_break = BREAKS.fullmatch(word) is not None
        if joined and (is_break or ended_by_break):
            joined[-1] += word
        else:
            joined.append(word)
        if number == current:
            position = len(joined) - 1
            break
        ended_by_break = is_break
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(joined), str(position)
    breaks = list(BREAKS.finditer(joined[position])) if joined else []
    return joined[position][: breaks[-1].end()] if breaks else ""


def complete_in_bash(run: Callable[[], None]) -> None:
    """Run the completion of typer with whole words, and print what bash wants to see of its answer."""
    kept = join_bash_words()
    _change_answer(run, lambda line: line.removeprefix(kept))


def complete_in_zsh_or_fish(run: Callable[[], None]) -> None:
    """Run the completion of typer; where `--config=ti` is to be completed, print offers that begin with `--config=`.

    Typer offers what may follow the `=`, and these shells compare an offer with the whole word.
    """
    option = OPTION_AND_VALUE.match(os.environ.get("_TYPER_COMPLETE_ARGS", "").rpartition(" ")[2])
    if option is None:
        run()
    else:
        before = OFFERS[os.environ["_VQTOOL_COMPLETE"]]
        _change_answer(run, lambda line: before.sub(rf"\g<0>{option[0]}", line))


def _change_answer(run: Callable[[], None], change: Callable[[str], str]) -> None:
    """Run the completion of typer and print its answer, each line changed."""
    import contextlib
    import io

    from vqtool.cli.console import printable

    answer = io.StringIO()
    try:
        with contextlib.redirect_stdout(answer):
            run()
    finally:
        for line in answer.getvalue().splitlines():
            typer.echo(printable(change(line)))
