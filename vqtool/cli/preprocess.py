"""`vqtool preprocess`: raw robot videos become a frame store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqtool.cli import completion, options

if TYPE_CHECKING:
    from vqtool.preprocessing.pipeline import Summary

FRAMES, VIDEOS, SPLITS, WORK = "Frames", "For --source videos", "Splits", "Work"
MAX_NAMED = 100
"""Bad files that --strict names."""

EPILOG = """Examples:

vqtool preprocess --input robonet/hdf5 --output data/robonet64

vqtool preprocess --input my_hdf5 --output data/mine --val 12 --test 12

vqtool preprocess --input clips --fps 10 --max-frames 300 --fit crop --output data/clips64 --val 12 --test 12

vqtool preprocess --source videos --input rig --cameras subfolder --stride 2 --output data/rig64 --val 12 --test 12

vqtool preprocess --source lerobot --input my_dataset --fit pad --output data/lerobot64 --val 12 --test 12

vqtool preprocess --source synthetic --output data/synthetic64 --limit 40 --val 4 --test 4

vqtool preprocess --input /shared/hdf5 --output /shared/robonet64 --executor dask --scheduler tcp://node1:8786

vqtool preprocess --input robonet/hdf5 --output data/robonet64 --test-list robonet_testset_filenames.txt --val 256

vqtool preprocess --input robonet/hdf5 --output data/robonet64 --strict

Killed, interrupted or out of space, the same command continues where it was, with any --workers, and makes the same
bytes. --test-list takes a text file with one trajectory a line: with or without .hdf5 and folders before the name;
blank lines and # comments are left out; these trajectories are the test split, and --val are drawn from the others.

All cameras of a trajectory go to the same split. Files that cannot be used are skipped, counted and listed with the
reason in dataset.json."""


def preprocess(
    config: options.Config = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="auto|robonet|videos|lerobot|synthetic",
            autocompletion=completion.words_of("preprocess", "source"),
            help="Kind of the raw videos; default: auto looks at the input; synthetic draws its own.",
        ),
    ] = None,
    input_: Annotated[
        Path | None,
        typer.Option("--input", "-i", metavar="DIR", help="Folder of the raw videos; default: data/hdf5."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="STORE", help="Frame store to write; default: data/robonet64."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", rich_help_panel=FRAMES, help="Height and width of a stored frame, pixels; default: 64."),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            "--fit",
            metavar="squash|crop|pad",
            autocompletion=completion.words_of("preprocess", "fit"),
            rich_help_panel=FRAMES,
            help="Frame to square: change the aspect ratio (default), cut to the centre, or add black bars.",
        ),
    ] = None,
    cameras: Annotated[
        str | None,
        typer.Option(
            "--cameras",
            metavar="single|subfolder",
            autocompletion=completion.words_of("preprocess", "cameras"),
            rich_help_panel=VIDEOS,
            help="A file is a trajectory (default), or a camera of the trajectory that its folder is.",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", rich_help_panel=VIDEOS, help="Sample at this rate, frames/s; default: all frames."),
    ] = None,
    stride: Annotated[
        int | None, typer.Option("--stride", rich_help_panel=VIDEOS, help="Take every n-th frame; default: 1.")
    ] = None,
    max_frames: Annotated[
        int | None,
        typer.Option(
            "--max-frames", rich_help_panel=VIDEOS, help="Take at most this many frames of each; default: all."
        ),
    ] = None,
    min_frames: Annotated[
        int | None,
        typer.Option("--min-frames", rich_help_panel=FRAMES, help="Skip videos with fewer usable frames; default: 12."),
    ] = None,
    val: Annotated[
        int | None,
        typer.Option("--val", rich_help_panel=SPLITS, help="Number of validation trajectories; default: 256."),
    ] = None,
    test: Annotated[
        int | None, typer.Option("--test", rich_help_panel=SPLITS, help="Number of test trajectories; default: 256.")
    ] = None,
    test_list: Annotated[
        Path | None,
        typer.Option(
            "--test-list",
            metavar="FILE",
            rich_help_panel=SPLITS,
            help="File that names the test trajectories, instead of --test; default: none.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", rich_help_panel=SPLITS, help="Seed of the split; default: 23.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", rich_help_panel=SPLITS, help="Take this many trajectories, drawn by the seed; default: all."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", rich_help_panel=WORK, help="Worker processes; default: one a core.")
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="local|dask",
            autocompletion=completion.words_of("preprocess", "executor"),
            rich_help_panel=WORK,
            help="Worker processes here (default), or the workers of a Dask cluster.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            rich_help_panel=WORK,
            help="The Dask cluster's scheduler, for --executor dask; default: none.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", rich_help_panel=WORK, help="Exit 1 after finishing where a bad file was skipped; names them."
        ),
    ] = False,
    set_: options.Set = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Turn raw robot videos into a frame store to train on."""
    from vqtool.cli.console import progress, stderr_line, told_if_interrupted
    from vqtool.core.config_file import load_config
    from vqtool.data.sources.choice import resolve_source
    from vqtool.errors import ConfigError
    from vqtool.preprocessing.pipeline import preprocess as run

    if test is not None and test_list:
        raise ConfigError("--test N draws the test split and --test-list names it: give one of the two")
    flags = options.overrides(
        set_,
        preprocess__source=source,
        preprocess__input=str(input_) if input_ else None,
        preprocess__output=str(output) if output else None,
        preprocess__size=size,
        preprocess__fit=fit,
        preprocess__cameras=cameras,
        preprocess__fps=fps,
        preprocess__stride=stride,
        preprocess__max_frames=max_frames,
        preprocess__min_frames=min_frames,
        preprocess__val=val,
        preprocess__test=test,
        preprocess__test_list=str(test_list) if test_list else None,
        preprocess__seed=seed,
        preprocess__workers=workers,
        preprocess__limit=limit,
        preprocess__executor=executor,
        preprocess__scheduler=scheduler,
    )
    given = load_config(config, flags).preprocess
    settings, reason = resolve_source(given)
    if given.source == "auto":
        stderr_line(f"{settings.input}: taken as --source {settings.source}: {reason}")
    with (
        told_if_interrupted(lambda: "what is done is kept, and the same command continues"),
        progress("preprocessing", "trajectories") as advance,
    ):
        summary = run(settings, advance)
    _print(summary, json_)
    if strict:
        _refuse_skipped(summary)


def _refuse_skipped(summary: Summary) -> None:
    """What is too short was left out as --min-frames asks; everything else that was skipped is a bad file."""
    from vqtool.errors import DataError

    bad = [skip for skip in summary.info.skipped if skip.kind != "too short"]
    if bad:
        lines = [f"  {skip.source}: {skip.reason}" for skip in bad[:MAX_NAMED]]
        more = [f"  and {len(bad) - MAX_NAMED:,} more, see dataset.json"] if len(bad) > MAX_NAMED else []
        text = "\n".join([f"--strict: the store is complete, but {len(bad):,} bad files were skipped:", *lines, *more])
        raise DataError(text)


def _print(summary: Summary, as_json: bool) -> None:
    import json

    from vqtool.cli.console import printable
    from vqtool.cli.data import describe

    if as_json:
        typer.echo(json.dumps(_record(summary), indent=2))
        return
    speed = f"{summary.seconds:,.1f} s, {summary.frames_per_second:,.0f} frames/s"
    lines = [*describe(summary.path, summary.info), *_unknown_names(summary.unknown_test_names), speed]
    typer.echo(printable("\n".join(lines)))


def _unknown_names(names: tuple[str, ...]) -> list[str]:
    return [f"{len(names):,} names of the test list are unknown here, such as {names[0]}"] if names else []


def _record(summary: Summary) -> dict[str, Any]:
    from dataclasses import asdict

    info = asdict(summary.info)
    return {
        "store": str(summary.path),
        "frames": summary.num_frames,
        "splits": info["splits"],
        "skipped": info["skipped"],
        "unknown_test_names": summary.unknown_test_names,
        "resumed_trajectories": summary.num_resumed,
        "seconds": round(summary.seconds, 3),
        "frames_per_second": round(summary.frames_per_second, 1),
    }
