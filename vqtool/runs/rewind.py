"""Taking a run folder back to a step: what came after it is kept aside, and every name resolves again."""

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.runs.checkpoints import LATEST, point_at
from vqtool.runs.folder import RunFolder, step_folders

DISCARDED_FOLDER = "discarded"


def rewind(run: RunFolder, step: int, best_steps: Mapping[str, int]) -> int:
    """Make `run` what it was when the checkpoint of `step` was written; gives the number of log lines taken out.

    Log lines, previews, worst clips, usage counts and checkpoints of later steps move to `discarded/TIME/`, unfinished
    files go, and the names of checkpoints are set anew: `latest`, and `best-NAME` for each of `best_steps`.

    Raises:
        VqtoolError: the folder cannot be written.
    """
    aside = run.path / DISCARDED_FOLDER / time.strftime("%Y%m%d-%H%M%S")
    with explained_os_errors(run.path):
        _remove_unfinished(run)
        num_lines = sum(_cut(file, step, aside) for file in (run.metrics_file, run.events_file))
        for folder in (run.previews, run.worst, run.codebook, run.checkpoints):
            for later, path in step_folders(folder):
                if later > step:
                    _move(path, aside / folder.name)
        _point(run, {LATEST: step} if step else {}, best_steps)
    return num_lines


def _point(run: RunFolder, latest: Mapping[str, int], best_steps: Mapping[str, int]) -> None:
    kept = {step for step, _ in step_folders(run.checkpoints)}
    names = {**latest, **{f"best-{name}": step for name, step in best_steps.items() if step in kept}}
    for link in run.checkpoints.iterdir():
        if link.is_symlink() and link.name not in names:
            link.unlink()
    for name, step in names.items():
        point_at(run, name, step)


def _cut(file: Path, step: int, aside: Path) -> int:
    """Take the lines of later steps, and what is no whole line, out of a log."""
    if not file.exists():
        return 0
    kept: list[bytes] = []
    cut: list[bytes] = []
    for line, line_step in _steps(file.read_bytes()):
        (kept if line_step is not None and line_step <= step else cut).append(line)
    if cut:
        aside.mkdir(parents=True, exist_ok=True)
        with (aside / file.name).open("ab") as stream:
            stream.write(b"\n".join([*cut, b""]))
        write_atomic(file, b"".join(line + b"\n" for line in kept))
    return len(cut)


def _steps(content: bytes) -> Iterator[tuple[bytes, int | None]]:
    """Each line, and its step where it is a whole record."""
    *whole, torn = content.split(b"\n")
    for line in whole:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        found = record.get("step") if isinstance(record, dict) else None
        if line:
            yield line, found if isinstance(found, int) else None
    if torn:
        yield torn, None


def _move(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    if target.exists():  # a second rewind within the second
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    path.rename(target)


def _remove_unfinished(run: RunFolder) -> None:
    """What a killed trainer was about to write or to remove."""
    for folder in (run.path, run.previews, run.worst, run.codebook, run.checkpoints, run.control):
        for path in folder.glob(".*"):
            if path.name.endswith((".tmp", ".removed")):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
