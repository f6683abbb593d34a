"""The layout of a run folder and its status file `run.json`."""

import json
import os
import platform
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vqtool.core.atomic import explained_os_errors, explained_refusals, write_atomic
from vqtool.errors import RunError

Status = Literal["running", "finished", "stopped", "failed"]

STATUS_FILE = "run.json"
HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
"""A running trainer writes its heartbeat every `HEARTBEAT_SECONDS`; one silent for `STALE_SECONDS` counts as gone."""
CLOCK_SECONDS = 3600.0
"""What the clock of another machine may be ahead."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run; creating the object touches nothing."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.path.name

    @property
    def status_file(self) -> Path:
        """Name, status, pid, host, heartbeat, step, device, versions, command."""
        return self.path / STATUS_FILE

    @property
    def config_file(self) -> Path:
        """The resolved config."""
        return self.path / "config.toml"

    @property
    def metrics_file(self) -> Path:
        """A JSON object a line: step, time, split and numbers."""
        return self.path / "metrics.jsonl"

    @property
    def events_file(self) -> Path:
        """A JSON object a line: step, time, kind and more."""
        return self.path / "events.jsonl"

    @property
    def console_file(self) -> Path:
        """What the trainer printed."""
        return self.path / "console.log"

    @property
    def previews(self) -> Path:
        """Folder of the previews, one folder a step."""
        return self.path / "previews"

    @property
    def worst(self) -> Path:
        """Folder of the worst clips of the last evaluation, one folder of a step."""
        return self.path / "worst"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints, one folder a step."""
        return self.path / "checkpoints"

    @property
    def codebook(self) -> Path:
        """Folder of the usage counts per code, one file an evaluation."""
        return self.path / "codebook"

    @property
    def control(self) -> Path:
        """Folder of the requests to the trainer."""
        return self.path / "control"

    def exists(self) -> bool:
        """Whether this is a run folder: it has a `run.json`."""
        return self.status_file.is_file()

    def read_status(self) -> dict[str, Any]:
        """`run.json`.

        Raises:
            RunError: missing or damaged.
        """
        try:
            with explained_refusals(RunError):
                status = json.loads(self.status_file.read_bytes())
        except FileNotFoundError:
            raise RunError(
                f"{self.path} is not a run folder: it has no {STATUS_FILE} (vqtool train makes run folders)"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"cannot read {self.status_file}: {error}; if the run was copied, copy it again") from error
        if not isinstance(status, dict):
            raise RunError(
                f"{self.status_file} is damaged: expected a JSON object; if the run was copied, copy it again"
            )
        return status

    def update_status(self, **changes: Any) -> None:
        """Merge `changes` into `run.json`, atomically."""
        write_atomic(self.status_file, json.dumps(self.read_status() | changes, indent=2) + "\n")


def step_name(step: int) -> str:
    """The name of a step's preview or checkpoint folder: `step-00000100`."""
    return f"step-{step:08d}"


def parse_step_name(name: str) -> int | None:
    """The step of a folder name made by `step_name`; None for any other name."""
    match = re.fullmatch(r"step-(\d{8,})", name)
    return int(match[1]) if match else None


def step_folders(folder: Path) -> list[tuple[int, Path]]:
    """The step folders (or `.npy` files) in `folder`, ascending by step; empty where there is none."""
    try:
        paths = list(folder.iterdir())
    except OSError:
        return []
    steps = ((parse_step_name(path.name.removesuffix(".npy")), path) for path in paths)
    return sorted((step, path) for step, path in steps if step is not None)


def create_run(runs_dir: Path, name: str, config_toml: str, facts: Mapping[str, Any]) -> RunFolder:
    """Make the run folder `runs_dir/name` with its config and status; `facts` join `run.json`.

    Raises:
        RunError: `name` is not a plain folder name, or the folder exists (an earlier run is never touched).
        VqtoolError: the folder cannot be written.
    """
    if not re.fullmatch(r"[\w.+=@-]+", name) or name.startswith("."):
        raise RunError(f"run name {name!r}: use letters, digits and . _ - + = @ only")
    run = RunFolder(runs_dir / name)
    with explained_os_errors(run.path):
        runs_dir.mkdir(parents=True, exist_ok=True)
        try:
            run.path.mkdir()
        except FileExistsError:
            raise RunError(
                f"{run.path} exists already: choose another --run name, or continue that run with --run {name} --resume"
            ) from None
        for folder in (run.previews, run.checkpoints, run.codebook, run.control):
            folder.mkdir()
    write_atomic(run.config_file, config_toml)
    now = time.time()
    status = {"name": name, "status": "running", "started": now, "heartbeat": now, "step": 0} | process_facts()
    write_atomic(run.status_file, json.dumps(status | dict(facts), indent=2) + "\n")
    return run


def process_facts() -> dict[str, Any]:
    """What identifies this process: pid, host, Python version."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "python": platform.python_version()}


def list_runs(runs_dir: Path) -> Iterator[RunFolder]:
    """The run folders directly inside `runs_dir`, the one that was active last first."""
    try:
        paths = list(runs_dir.iterdir())
    except OSError:
        return
    dated = [(_modified(path / STATUS_FILE), path) for path in paths]
    for modified, path in sorted(dated, reverse=True):
        if modified:
            yield RunFolder(path)


def find_run(path: Path) -> RunFolder:
    """The run folder `path`, or the run in the folder of runs `path` that was active last.

    Raises:
        RunError: neither.
    """
    run = RunFolder(path)
    if run.exists():
        return run
    if not path.is_dir():
        raise RunError(f"no folder {path}: give a run folder or a folder of runs (vqtool train makes one in ./runs)")
    newest = next(list_runs(path), None)
    if newest is None:
        raise RunError(f"no run in {path}: give a run folder or a folder of runs (vqtool train makes one in ./runs)")
    return newest


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def is_alive(status: Mapping[str, Any], now: float) -> bool:
    """Whether the trainer behind `run.json` is believed to be alive at `now` (unix seconds).

    On the trainer's own host its process is looked for; elsewhere its heartbeat is all there is to go by: one from the
    future is believed as far as clocks of two machines may differ.
    """
    if status.get("status") != "running":
        return False
    if status.get("host") == socket.gethostname() and isinstance(status.get("pid"), int):
        return _process_exists(status["pid"])
    heartbeat = status.get("heartbeat")
    return isinstance(heartbeat, int | float) and -CLOCK_SECONDS < now - heartbeat < STALE_SECONDS


def _process_exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended and only its parent has not noticed, as in a container without an init."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return state[:1] == [b"Z"]
