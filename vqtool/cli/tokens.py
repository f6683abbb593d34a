"""`vqtool tokens`: look at a token store, check it, and export it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.data.token_store import TokenStoreInfo

app = typer.Typer(no_args_is_help=True, help="Look at token stores, check and export them.")
Tokens = Annotated[Path, typer.Argument(metavar="TOKENS", help="Folder that vqtool encode --data wrote.")]


@app.command(
    epilog="Examples:\n\nvqtool tokens info data/tokens64\n\nvqtool tokens info data/tokens64 --json | jq .grid"
)
def info(tokens: Tokens, json_: options.Json = False, debug: options.Debug = False) -> None:
    """Show what a token store holds and whose tokens they are."""
    import json
    from dataclasses import asdict

    from vqtool.cli.console import printable
    from vqtool.data.token_store import TokenStore

    opened = TokenStore.open(tokens)
    if json_:
        typer.echo(json.dumps(asdict(opened.info), indent=2))
    else:
        typer.echo(printable("\n".join(describe(tokens, opened.info))))


@app.command(
    epilog="Examples:\n\nvqtool tokens verify data/tokens64\n\nvqtool tokens verify data/tokens64 && echo whole"
)
def verify(tokens: Tokens, debug: options.Debug = False) -> None:
    """Check every file of a token store; exit 1 and name the files that were altered."""
    from vqtool.cli.console import progress
    from vqtool.data.token_verify import verify_tokens
    from vqtool.errors import DataError

    with progress("verifying", "files") as advance:
        result = verify_tokens(tokens, advance)
    if result.problems:
        lines = [f"  {problem.file}: {problem.detail}" for problem in result.problems]
        noun = "file is" if len(lines) == 1 else "files are"
        advice = f"restore from a copy, or remove {tokens} and encode again"
        raise DataError("\n".join([f"{len(lines)} {noun} not as written in {tokens} ({advice}):", *lines]))
    typer.echo(f"{result.num_files:,} files verified")


EXPORT_EPILOG = """Examples:

vqtool tokens export data/tokens64 --format raw --output exported

vqtool tokens export data/tokens64 --format npz --clip-frames 16 --output exported

raw: a folder a split of video.bin, segment_ids.bin and metadata.json. npz: a file a split of int64 (B, T, h, w) and the
codebook. docs/formats.md has both byte by byte."""


@app.command(epilog=options.epilog(EXPORT_EPILOG))
def export(
    tokens: Tokens,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write; must not exist.")],
    form: Annotated[Literal["raw", "npz"], typer.Option("--format", help="Which form.")] = "raw",
    clip_frames: Annotated[int, typer.Option("--clip-frames", min=1, help="npz: frames of a window, T.")] = 12,
    debug: options.Debug = False,
) -> None:
    """Write the tokens in a form that other second stages read."""
    from vqtool.cli.console import printable
    from vqtool.codec.export_tokens import export_npz, export_raw
    from vqtool.data.token_store import TokenStore

    store = TokenStore.open(tokens)
    counts = export_raw(store, output) if form == "raw" else export_npz(store, output, clip_frames)
    unit = "frames" if form == "raw" else f"windows of {clip_frames} frames"
    parts = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    typer.echo(printable(f"{output}: {unit}: {parts}"))


def describe(path: Path, info: TokenStoreInfo) -> list[str]:
    """The lines that say what a token store holds: totals, a row a split, and whose tokens they are."""
    frames = sum(counts.frames for counts in info.splits.values())
    lines = [f"{path}: {frames:,} frames of {info.grid[0]} x {info.grid[1]} tokens"]
    row = "{:<6} {:>12} {:>9} {:>11}".format
    lines.append(row("split", "trajectories", "videos", "frames"))
    for split, counts in info.splits.items():
        lines.append(row(split, f"{counts.trajectories:,}", f"{counts.clips:,}", f"{counts.frames:,}"))
    if info.context_grid is not None:
        grids = sum(shard.segments for shard in info.shards)
        height, width = info.context_grid
        lines.append(f"context    {grids:,} grids of {height} x {width}, each of {info.segment_frames} frames")
    lines.append(f"codes      {info.codebook_size:,}, stored as {info.token_dtype}")
    lines.append(f"tokenizer  {info.tokenizer_sha256[:16]} ({info.checkpoint}), {info.precision}")
    if info.search_steps:
        lines.append(f"search     {info.search_steps} steps of gradient a frame")
    return lines
