"""`vqtool demo`: the whole program on videos it draws itself, in about three minutes on two cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.core.config import Config
    from vqtool.runs.folder import RunFolder

EPILOG = """Examples:

vqtool demo

vqtool demo --output /tmp/demo --steps 50"""

NUM_TRAJECTORIES = 60
SEED = 23
TRAIN_SECONDS = 110


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for data, run and pictures.")
    ] = Path("demo"),
    steps: Annotated[
        int | None, typer.Option("--steps", min=10, help=f"Training steps; default what fits in {TRAIN_SECONDS} s.")
    ] = None,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Draw robot videos, preprocess, train, evaluate and reconstruct them: the whole program in about three minutes.

    Videos and frame store are kept and used again by the next demo; every demo trains a new run.
    """
    from vqtool.cli.console import stderr_line

    hdf5, store = output / "hdf5", output / "store"
    config = _config(hdf5, store, output / "runs", steps)
    stderr_line(f"1/5 drawing {NUM_TRAJECTORIES} robot trajectories in RoboNet's HDF5 layout: {hdf5}")
    _draw(hdf5)
    stderr_line(f"2/5 preprocessing into a frame store: {store}")
    _preprocess(config, store)
    stderr_line("3/5 training a small tokenizer: 64x64 frames to 16 tokens of 10 bits")
    run = _train(config, device)
    stderr_line("4/5 evaluating on trajectories it has never seen")
    _evaluate(run, device)
    picture = output / "reconstruction.gif"
    stderr_line(f"5/5 reconstructing: {picture}")
    _reconstruct(run, picture, device)
    _say_what_next(run, picture)


def _config(hdf5: Path, store: Path, runs: Path, steps: int | None) -> Config:
    from vqtool.core.config_file import load_config

    flags = options.overrides(
        ["preprocess.val=6", "preprocess.test=6"],
        preprocess__input=str(hdf5),
        preprocess__output=str(store),
        data__store=str(store),
        run__dir=str(runs),
        train__steps=steps,
        train__max_seconds=None if steps else TRAIN_SECONDS,
    )
    return load_config("tiny.toml", flags)


def _draw(hdf5: Path) -> None:
    from vqtool.cli.console import progress
    from vqtool.data.sources.synthetic import write_synthetic

    if len(list(hdf5.glob("*.hdf5"))) == NUM_TRAJECTORIES:
        return
    with progress("drawing", "trajectories") as advance:
        write_synthetic(hdf5, NUM_TRAJECTORIES, SEED, advance)


def _preprocess(config: Config, store: Path) -> None:
    from vqtool.cli.console import progress
    from vqtool.data.store import DATASET_FILE
    from vqtool.preprocessing.pipeline import preprocess

    if (store / DATASET_FILE).is_file():
        return
    with progress("preprocessing", "trajectories") as advance:
        preprocess(config.preprocess, advance)


def _train(config: Config, device: str) -> RunFolder:
    from vqtool.cli.train_display import show
    from vqtool.training.start import start_run

    session = start_run(config, device, "demo", options.command_line())
    if show(session) is not None:
        raise KeyboardInterrupt
    return session.run


def _evaluate(run: RunFolder, device: str) -> None:
    from vqtool.cli.eval import evaluate
    from vqtool.weights.networks import has_weights

    # FVD of a dozen clips would say little, and take longer than the training.
    metrics = "psnr,ssim,lpips" if has_weights("lpips") else "psnr,ssim"
    evaluate([str(run.path)], split="test", metrics=metrics, device=device)


def _reconstruct(run: RunFolder, picture: Path, device: str) -> None:
    from vqtool.cli.reconstruct import reconstruct

    reconstruct(str(run.path), picture, clips=4, device=device)


def _say_what_next(run: RunFolder, picture: Path) -> None:
    from shlex import quote

    from vqtool.cli.console import printable

    path = quote(str(run.path))
    typer.echo(
        printable(
            f"\nLook at   {picture} (input | reconstruction | error)\n"
            f"Watch     vqtool dash {path}\n"
            f"Train on  vqtool train --run {path} --resume --set train.max_seconds=600\n"
            f"Your own  vqtool preprocess --input YOUR_HDF5 --output data/mine, then vqtool train --config tiny.toml\n"
        ),
        nl=False,
    )
