"""The checkpoints of a run: their names, which are kept, and what a user's `--checkpoint` means; no tensors."""

import os
import shutil
from pathlib import Path

from vqtool.core.nearest import did_you_mean
from vqtool.errors import CheckpointError
from vqtool.runs.find import did_you_mean_run
from vqtool.runs.folder import RunFolder, parse_step_name, step_folders, step_name

LATEST = "latest"


def point_at(run: RunFolder, name: str, step: int) -> None:
    """Make `checkpoints/name` mean the checkpoint of `step`, in one move: it always resolves."""
    link = run.checkpoints / name
    temporary = link.with_name(f".{name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(step_name(step))
    temporary.replace(link)


def pointed_step(run: RunFolder, name: str) -> int | None:
    """The step that `checkpoints/name` means; None where there is no such name."""
    link = run.checkpoints / name
    return parse_step_name(link.readlink().name) if link.is_symlink() else None


def list_checkpoints(run: RunFolder) -> list[tuple[int, Path]]:
    """The checkpoints of a run, ascending by step."""
    return [(step, path) for step, path in step_folders(run.checkpoints) if path.is_dir()]


def drop_old_checkpoints(run: RunFolder, keep_last: int) -> list[int]:
    """Remove all but the last `keep_last` checkpoints and those with a name; returns the steps removed."""
    named = {pointed_step(run, path.name) for path in run.checkpoints.iterdir() if path.is_symlink()}
    old = [(step, path) for step, path in list_checkpoints(run)[:-keep_last] if step not in named]
    for _, path in old:
        # Renamed first, so that a kill in the middle leaves no half checkpoint under a checkpoint's name.
        doomed = path.with_name(f".{path.name}.removed")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return [step for step, _ in old]


def find_checkpoint(name: str) -> Path:
    """The checkpoint folder that `name` means: a run (its latest), `RUN:best-psnr`, `RUN:step-00000100`, a folder.

    Raises:
        CheckpointError: there is none; lists what the run has.
    """
    path = Path(name)
    if path.is_dir():
        return _latest(RunFolder(path)) if RunFolder(path).exists() else path.resolve()
    run_path, colon, which = name.rpartition(":")
    run = RunFolder(Path(run_path))
    if not colon or not run.exists():
        raise CheckpointError(
            f"no checkpoint {name}: expected a run folder, RUN:best-psnr or a checkpoint folder"
            f"{did_you_mean_run(Path(run_path if colon else name))}"
        )
    found = run.checkpoints / which
    if found.parent != run.checkpoints or which.startswith(".") or not found.is_dir():
        known = sorted(path.name for path in run.checkpoints.glob("[!.]*"))
        listed = f"{', '.join(known) or 'none yet'}{did_you_mean(which, known)}"
        raise CheckpointError(f"run {run.path} has no checkpoint {which!r}; it has: {listed}")
    return found.resolve()


def _latest(run: RunFolder) -> Path:
    checkpoints = list_checkpoints(run)
    if not checkpoints:
        raise CheckpointError(f"run {run.path} has no checkpoint yet: train it longer, or ask for one in vqtool dash")
    return checkpoints[-1][1].resolve()
