"""A run in full: what it is, what it takes of the machine, its config, and how that differs from another run's."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from vqtool.core.text import clean
from vqtool.dash.state import RunState
from vqtool.dash.summary import Summary, eta_text
from vqtool.dash.text import duration, percent, short_number
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, list_runs

MAX_CONFIG_BYTES = 1 << 20
MAX_OTHERS = 200
Settings = Mapping[str, str]
"""Values as text by dotted name."""


@dataclass(frozen=True)
class Comparison:
    """The settings of a run, and those of another one where there is one to compare with; errors are for showing."""

    settings: Settings
    other_name: str = ""
    other_settings: Settings | None = None
    num_others: int = 0
    error: str = ""


def compare(run: RunFolder, other: int | None) -> Comparison:
    """Read the run's settings and those of another run beside it: the one of this number, the last active first."""
    settings, error = _settings_of(run)
    if other is None:
        return Comparison(settings, num_others=len(_others(run)), error=error)
    others = _others(run)
    if not others:
        return Comparison(settings, error=error or "there is no other run in the folder to compare with")
    chosen = others[other % len(others)]
    found, problem = _settings_of(chosen)
    return Comparison(settings, chosen.name, found, len(others), error or problem)


def overview_lines(state: RunState, summary: Summary, comparison: Comparison) -> Iterator[str]:
    """The overview as lines of text; not yet cleaned."""
    for alarm in summary.alarms:
        yield _line("ALARM", f"{alarm.evidence}; {alarm.remedy}")
    yield from _facts(state, summary)
    yield ""
    yield from _machine(state)
    if comparison.error:
        yield from ("", comparison.error)
    if comparison.other_settings is not None:
        yield ""
        yield from _difference(comparison)
    yield ""
    hint = f"   (d: compare with one of {comparison.num_others} other runs)" if comparison.num_others else ""
    yield f"config{hint}"
    for name, value in comparison.settings.items():
        yield f"  {name} = {value}"


def _facts(state: RunState, summary: Summary) -> Iterator[str]:
    status = state.status
    yield _line("run", f"{summary.name}  {summary.path}")
    yield _line("status", " ".join(map(str, filter(None, (summary.status, status.get("reason"), status.get("error"))))))
    yield _line("step", f"{summary.step:,}" + (f" of {summary.total_steps:,}" if summary.total_steps else ""))
    yield _line("started", _date(status.get("started")))
    left = f", {eta_text(summary)} left" if summary.alive else ""
    yield _line("time", f"{duration(summary.elapsed_seconds)} elapsed{left}")
    yield _line("command", status.get("command"))
    yield _line("config", status.get("config_name"))
    versions = status.get("versions")
    named = versions.items() if isinstance(versions, Mapping) else ()
    yield _line("versions", "  ".join(f"{name} {value}" for name, value in named) + f"  python {status.get('python')}")
    yield _line("revision", status.get("git_revision"))
    parameters = status.get("num_parameters")
    yield _line("model", f"{short_number(parameters)} parameters" if isinstance(parameters, int | float) else None)
    best = status.get("best")
    for name, entry in best.items() if isinstance(best, Mapping) else ():
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], int | float):
            yield _line(f"best {name}", f"{short_number(entry[0])} at step {entry[1]}")


def _machine(state: RunState) -> Iterator[str]:
    """What the trainer takes of its machine."""
    status, latest = state.status, state.metrics.latest
    yield _line("host", f"{status.get('host', '–')}, process {status.get('pid', '–')}")
    yield _line("device", " ".join(str(status[key]) for key in ("device", "precision") if status.get(key)))
    yield _line("speed", f"{short_number(latest('train', 'speed/frames_per_second'))} frames/s")
    wait = latest("train", "speed/data_wait_fraction")
    yield _line("data wait", None if wait is None or wait != wait else f"{percent(max(0.0, wait))} of the time")
    parts = (
        ("cpu", "cpu_cores", "cores busy"),
        ("memory", "memory_gib", "GiB"),
        ("GPU memory", "gpu_memory_gib", "GiB"),
    )
    for title, name, unit in parts:
        value = latest("train", f"system/{name}")
        if value is not None:
            yield _line(title, f"{short_number(value)} {unit}")
    load = latest("train", "system/gpu_load")
    if load is not None and load == load:
        yield _line("GPU load", percent(max(0.0, load)))


def _difference(comparison: Comparison) -> Iterator[str]:
    here, there = comparison.settings, comparison.other_settings or {}
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    yield f"differs from {clean(comparison.other_name, 60)} in {len(names)} settings   (d: next run)"
    for name in names:
        yield f"  {name}: {here.get(name, '(not set)')}   there {there.get(name, '(not set)')}"


def _line(title: str, value: object) -> str:
    return f"{title:10}  {value if value not in (None, '') else '–'}"


def _date(seconds: object) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(float(str(seconds))):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "–"


def _others(run: RunFolder) -> list[RunFolder]:
    folder = run.path.absolute().parent
    return [other for other in list_runs(folder) if other.name != run.path.absolute().name][:MAX_OTHERS]


def _settings_of(run: RunFolder) -> tuple[Settings, str]:
    """The settings of a run and no error, or none and why."""
    try:
        return dict(_flat(_read(run.config_file))), ""
    except (OSError, ValueError, RecursionError, RunError) as error:
        return {}, f"cannot read the config of {run.name}: {error}"


def _read(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        content = stream.read(MAX_CONFIG_BYTES + 1)
    if len(content) > MAX_CONFIG_BYTES:
        raise RunError(f"{file} has more than {MAX_CONFIG_BYTES:,} bytes")
    return tomli.loads(content.decode("utf-8"))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", repr(value) if isinstance(value, str) else str(value)
