"""`vqtool data`: look at a frame store, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.data.skipped import Skipped
    from vqtool.data.store import StoreInfo

app = typer.Typer(no_args_is_help=True, help="Look at frame stores, and check them.")
Store = Annotated[Path, typer.Argument(metavar="STORE", help="Folder that vqtool preprocess wrote.")]


@app.command(
    epilog="Examples:\n\nvqtool data info data/robonet64\n\nvqtool data info data/robonet64 --json | jq .splits"
)
def info(store: Store, json_: options.Json = False, debug: options.Debug = False) -> None:
    """Show what a frame store holds: splits, robots, statistics, and what was skipped and why."""
    import json
    from dataclasses import asdict

    from vqtool.cli.console import printable
    from vqtool.data.store import FrameStore

    opened = FrameStore.open(store)
    if json_:
        typer.echo(json.dumps(asdict(opened.info) | {"robots": opened.robots}, indent=2))
        return
    lines = [*describe(store, opened.info), *_facts(opened.info), f"robots     {', '.join(opened.robots)}"]
    typer.echo(printable("\n".join(lines)))


VERIFY_EPILOG = """Examples:

vqtool data verify data/robonet64

vqtool data verify data/robonet64 && vqtool train

Reads every byte of the store: checksums of all shards and of clips.csv, and whether the index contradicts itself."""


@app.command(epilog=options.epilog(VERIFY_EPILOG))
def verify(store: Store, debug: options.Debug = False) -> None:
    """Check every file of a frame store; exit 1 and name the files that were altered."""
    from vqtool.cli.console import progress
    from vqtool.data.verify import verify as run
    from vqtool.errors import DataError

    with progress("verifying", "files") as advance:
        result = run(store, advance)
    if result.problems:
        lines = [f"  {problem.file}: {problem.detail}" for problem in result.problems]
        noun = "file is" if len(lines) == 1 else "files are"
        advice = f"restore from a copy, or remove {store} and preprocess again"
        raise DataError("\n".join([f"{len(lines)} {noun} not as written in {store} ({advice}):", *lines]))
    typer.echo(f"{result.num_files:,} files verified")


def describe(path: Path, info: StoreInfo) -> list[str]:
    """The lines that say what a store holds: totals, a row a split, and a row a reason for skipping."""
    frames = sum(counts.frames for counts in info.splits.values())
    lines = [f"{path}: {frames:,} frames of {info.size} x {info.size} pixels"]
    row = "{:<6} {:>12} {:>9} {:>11}".format
    lines.append(row("split", "trajectories", "videos", "frames"))
    for split, counts in info.splits.items():
        lines.append(row(split, f"{counts.trajectories:,}", f"{counts.clips:,}", f"{counts.frames:,}"))
    used = sum(counts.trajectories for counts in info.splits.values())
    lines.append(f"skipped {len(info.skipped):,} of {used + len(info.skipped):,} trajectories")
    return lines + _skip_lines(info.skipped)


def _skip_lines(skipped: tuple[Skipped, ...]) -> list[str]:
    examples: dict[str, list[Skipped]] = {}
    for skip in skipped:
        examples.setdefault(skip.kind, []).append(skip)
    return [
        f"  {len(skips):,} {kind}, such as {skips[0].source}: {skips[0].reason}" for kind, skips in examples.items()
    ]


def _facts(info: StoreInfo) -> list[str]:
    num_bytes = sum(shard.frames for shard in info.shards) * info.size * info.size * 3
    settings = ", ".join(f"{name} {value}" for name, value in info.settings.items())
    return [
        f"source     {info.source}, seed {info.seed}, at least {info.min_frames} frames, vqtool {info.vqtool_version}",
        *([f"frames     {settings}"] if settings else []),
        f"shards     {len(info.shards)}, {num_bytes / 1e6:,.1f} MB of frames",
        f"train mean {' '.join(f'{value:.4f}' for value in info.mean)} (R G B in 0..1)",
        f"train std  {' '.join(f'{value:.4f}' for value in info.std)}",
        f"columns    {info.state_dim} of states, {info.action_dim} of actions",
    ]
