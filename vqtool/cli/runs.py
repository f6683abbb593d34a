"""`vqtool runs`: what runs there are; removing, packing up and exporting one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import completion, options

if TYPE_CHECKING:
    from rich.table import Table

    from vqtool.runs.folder import RunFolder
    from vqtool.runs.manage import RunFacts

app = typer.Typer(invoke_without_command=True, help="List, remove, archive and export runs; alone it lists them.")
RunsDir = Annotated[Path, typer.Option("--dir", metavar="DIR", file_okay=False, help="The folder of runs.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=completion.run_names, help="A run's name, or its folder.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ARCHIVE_EPILOG = """Examples:

vqtool runs archive first

vqtool runs archive first --dir /data/runs --yes

And back: tar xzf runs/first.tar.gz -C runs"""
BEST_SHOWN = ("psnr", "ssim", "lpips")


@app.callback()
def _default(context: typer.Context, runs_dir: RunsDir = Path("runs"), json_: options.Json = False) -> None:
    if context.invoked_subcommand is None:
        list_runs(runs_dir, json_)
    elif json_ or runs_dir != Path("runs"):
        raise typer.BadParameter(
            f"give --dir and --json after the command: vqtool runs {context.invoked_subcommand} ..."
        )


@app.command("list", epilog="Examples:\n\nvqtool runs list\n\nvqtool runs list --dir /data/runs --json")
def list_runs(
    runs_dir: RunsDir = Path("runs"),
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the runs in a folder, the one active last first."""
    import json
    from dataclasses import asdict

    from vqtool.cli.console import print_table
    from vqtool.errors import RunError
    from vqtool.runs.manage import describe_runs

    runs = list(describe_runs(runs_dir))
    if json_:
        typer.echo(json.dumps([asdict(facts) for facts in runs], indent=2))
    elif runs:
        print_table(_table(runs))
    else:
        raise RunError(f"no run in {runs_dir}: give a folder of runs with --dir (vqtool train makes one in ./runs)")


@app.command(epilog="Examples:\n\nvqtool runs rm first\n\nvqtool runs rm first second --yes")
def rm(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", autocompletion=completion.run_names, help="Names of runs, or their folders."),
    ],
    runs_dir: RunsDir = Path("runs"),
    yes: Yes = False,
    debug: options.Debug = False,
) -> None:
    """Remove runs with all their checkpoints; asks first."""
    from vqtool.cli.console import stderr_line
    from vqtool.runs.manage import check_idle, remove_run

    runs = [_find(name, runs_dir) for name in names]
    for run in runs:
        check_idle(run)
    for run in runs:
        if yes or _agreed(run, "Remove"):
            remove_run(run)
            stderr_line(f"removed {run.path}")
        else:
            stderr_line(f"kept {run.path}")


@app.command(epilog=ARCHIVE_EPILOG)
def archive(name: Name, runs_dir: RunsDir = Path("runs"), yes: Yes = False, debug: options.Debug = False) -> None:
    """Pack a run into one file beside it and remove its folder; asks first."""
    from vqtool.cli.console import printable
    from vqtool.runs.manage import archive_run, check_idle

    run = _find(name, runs_dir)
    check_idle(run)
    if yes or _agreed(run, "Pack up"):
        typer.echo(printable(str(archive_run(run))))


@app.command(epilog="Examples:\n\nvqtool runs export first\n\nvqtool runs export first --output first.json")
def export(
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A .csv or .json file; default: NAME.csv.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    debug: options.Debug = False,
) -> None:
    """Write a run's numbers as CSV (a row a logged line) or JSON (with its status and events)."""
    from vqtool.cli.console import printable, stderr_line
    from vqtool.runs.export import export_run

    run = _find(name, runs_dir)
    path = output or Path(f"{run.name}.csv")
    num_lines = export_run(run, path)
    stderr_line(f"{num_lines:,} lines of {run.path}")
    typer.echo(printable(str(path)))


def _find(name: str, runs_dir: Path) -> RunFolder:
    from vqtool.runs.find import find_named_run
    from vqtool.runs.folder import RunFolder

    return RunFolder(find_named_run(name, runs_dir).path.absolute())


def _agreed(run: RunFolder, verb: str) -> bool:
    from vqtool.cli.console import printable
    from vqtool.runs.manage import folder_bytes

    question = f"{verb} {run.path} ({_size(folder_bytes(run.path))})?"
    return typer.confirm(printable(question), err=True)


def _table(runs: list[RunFacts]) -> Table:
    from rich.table import Table

    from vqtool.cli.console import printable

    scores = [name for name in BEST_SHOWN if any(name in facts.best for facts in runs)]
    table = Table(box=None, pad_edge=False)
    for head in ("run", "status", "step", *(f"best {name.upper()}" for name in scores), "age", "size"):
        table.add_column(head, justify="left" if head in ("run", "status") else "right", no_wrap=head != "run")
    for facts in runs:
        best = (f"{facts.best[name][0]:.4g}" if name in facts.best else "–" for name in scores)
        step = f"{facts.step:,}/{facts.total_steps:,}"
        row = (printable(facts.name), facts.status, step, *best, _age(facts.active), _size(facts.num_bytes))
        table.add_row(*row)
    return table


def _age(active: float | None) -> str:
    import time

    if active is None:
        return "–"
    seconds = max(time.time() - active, 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(num_bytes: int) -> str:
    for unit, length in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= length:
            return f"{num_bytes / length:.1f} {unit}"
    return f"{num_bytes / 1000:.0f} kB"
