"""`vqtool train`: train a tokenizer, or go on with a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import completion, options

if TYPE_CHECKING:
    from vqtool.core.config import Config
    from vqtool.runs.folder import RunFolder

EPILOG = """Examples:

vqtool train --config tiny.toml --data data/robonet64

vqtool train --config baseline.toml --run first --set train.steps=1000 --device cuda

vqtool train --config baseline.toml --dry-run

vqtool train --run first --resume"""


def train(
    config: options.Config = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="NAME",
            autocompletion=completion.run_names,
            help="Name of the run folder, with --resume also its path; default: config, date and time.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's latest checkpoint; without --run, the newest run.")
    ] = False,
    data: options.Store = None,
    device: options.Device = "auto",
    set_: options.Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train a few steps in memory only, and say what the run would take.")
    ] = False,
    debug: options.Debug = False,
) -> None:
    """Train a tokenizer on a frame store; Ctrl-C saves a checkpoint and stops.

    Writes a run folder: watch it with `vqtool dash` in another terminal. On N GPUs: torchrun --nproc_per_node=N -m --
    vqtool train ...; train.batch_size is that of all together.
    """
    from vqtool.cli.processes import only_main_speaks, says_which
    from vqtool.cli.train_display import run_silently, show
    from vqtool.core.config_file import load_config
    from vqtool.core.distributed import joined_processes
    from vqtool.training.start import resume_run, start_run

    overrides = options.overrides(set_, data__store=str(data) if data else None)
    command = options.command_line()
    if dry_run and resume:
        raise typer.BadParameter("--dry-run is for a new run: it does not go with --resume")
    if dry_run:
        _estimate(load_config(config, overrides), device)
        return
    with joined_processes() as processes:
        with only_main_speaks(processes):
            if resume:
                folder = _run_to_resume(config, run, overrides)
                settings = load_config(str(folder.config_file), overrides)
                session = resume_run(folder, settings, device, command, processes)
            else:
                settings = load_config(config, options.overrides(overrides, run__name=run))
                session = start_run(settings, device, config or "defaults", command, processes)
        with says_which(processes):
            signal = show(session) if processes.is_main else run_silently(session)
    if signal is not None:
        raise typer.Exit(128 + signal)


def _estimate(config: "Config", device: str) -> None:
    from vqtool.cli.console import printable, stderr_line
    from vqtool.core.config_file import dump_config
    from vqtool.core.device import choose_device
    from vqtool.core.text import escaped
    from vqtool.training.estimate import estimate_run
    from vqtool.training.start import build

    trainer, _ = build(config, choose_device(device))  # finds every mistake before anything is promised
    stderr_line("timing a few steps; nothing is written")
    estimate = estimate_run(config, trainer)
    typer.echo(escaped(dump_config(config)))
    typer.echo(printable("\n".join(estimate.lines())))


def _run_to_resume(config: str | None, run: str | None, overrides: list[str]) -> "RunFolder":
    from vqtool.core.config_file import load_config
    from vqtool.runs.find import find_named_run
    from vqtool.runs.folder import find_run

    runs_dir = Path(load_config(config, overrides).run.dir)
    if run is None:
        return find_run(runs_dir)
    folder = find_named_run(run, runs_dir)
    folder.read_status()
    return folder
