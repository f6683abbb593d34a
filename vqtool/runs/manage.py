"""Runs as things to keep: what there is, packing one up, removing one. A run at work is never touched."""

import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqtool.core.atomic import explained_os_errors
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, is_alive, list_runs

ARCHIVE_SUFFIX = ".tar.gz"


@dataclass(frozen=True)
class RunFacts:
    """A run in a line: `status` is `dead` where run.json says running and no such process is; `best` maps a score's
    name to (value, step); `active` is when it was last at work, unix seconds, None where unknown.
    """

    name: str
    path: str
    status: str
    step: int
    total_steps: int
    best: Mapping[str, tuple[float, int]]
    active: float | None
    num_bytes: int


def describe_runs(runs_dir: Path) -> Iterator[RunFacts]:
    """The runs in a folder, the one that was active last first; a run whose run.json is damaged is `damaged`."""
    for run in list_runs(runs_dir):
        try:
            status = run.read_status()
        except RunError:
            status = {"status": "damaged"}
        yield _facts(run, status)


def check_idle(run: RunFolder) -> None:
    """Raises RunError where a trainer is at work on `run`, or `run` is no run folder."""
    status = run.read_status()
    if is_alive(status, time.time()):
        raise RunError(
            f"run {run.path} is at work (process {status.get('pid')} on {status.get('host')}): stop it first"
        )


def remove_run(run: RunFolder) -> None:
    """Remove the folder of a run.

    Raises:
        RunError: no run, or at work.
        VqtoolError: it cannot be written.
    """
    check_idle(run)
    # Renamed first, so that a kill in the middle leaves no half run under a run's name.
    doomed = run.path.with_name(f".{run.name}.removed")
    with explained_os_errors(run.path):
        run.path.rename(doomed)
        shutil.rmtree(doomed)


def archive_run(run: RunFolder) -> Path:
    """Pack a run into `NAME.tar.gz` beside it and remove its folder; gives the file.

    Raises:
        RunError: no run, at work, or the file is there already.
        VqtoolError: no space left, or it cannot be written; the run is then as it was.
    """
    check_idle(run)
    target = run.path.with_name(run.name + ARCHIVE_SUFFIX)
    if target.exists():
        raise RunError(f"{target} exists already: move it away first")
    temporary = target.with_name(f".{target.name}.tmp")
    with explained_os_errors(target):
        try:
            # Level 1: most of a run is weights, which no level makes smaller.
            with tarfile.open(temporary, "w:gz", compresslevel=1) as archive:
                archive.add(run.path, arcname=run.name)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    remove_run(run)
    return target


def folder_bytes(path: Path) -> int:
    """The bytes of all files below a folder, links not followed."""
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def _facts(run: RunFolder, status: Mapping[str, Any]) -> RunFacts:
    word = str(status.get("status", "unknown"))
    if word == "running" and not is_alive(status, time.time()):
        word = "dead"
    heartbeat = status.get("heartbeat")
    return RunFacts(
        name=run.name,
        path=str(run.path),
        status=word,
        step=_whole(status.get("step")),
        total_steps=_whole(status.get("total_steps")),
        best=_best(status.get("best")),
        active=float(heartbeat) if isinstance(heartbeat, int | float) else None,
        num_bytes=folder_bytes(run.path),
    )


def _best(scores: object) -> dict[str, tuple[float, int]]:
    """The scores in run.json, where they are what a trainer writes."""
    try:
        return {str(name): (float(value), int(step)) for name, (value, step) in dict(scores).items()}  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
