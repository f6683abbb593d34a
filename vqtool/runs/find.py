"""Which run a user means by a name, with near names where there is none."""

from pathlib import Path

from vqtool.core.nearest import did_you_mean
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, list_runs


def find_named_run(name: str, runs_dir: Path) -> RunFolder:
    """The run called `name` in `runs_dir`, or the run folder `name`.

    Raises:
        RunError: neither; names the nearest.
    """
    for run in (RunFolder(runs_dir / name), RunFolder(Path(name))):
        if run.exists():
            return run
    known = [run.name for run in list_runs(runs_dir)]
    hint = did_you_mean(Path(name).name, known, most=3) or ": `vqtool runs` lists what there is"
    raise RunError(f"no run {name!r} in {runs_dir}{hint}")


def did_you_mean_run(path: Path, default: Path = Path("runs")) -> str:
    """`; did you mean runs/X?` with the nearest runs beside `path` and in `default`; empty where none is near."""
    known = {run.name: str(run.path) for folder in (default, path.parent) for run in list_runs(folder)}
    return did_you_mean(path.name, known, known.__getitem__, most=3)
