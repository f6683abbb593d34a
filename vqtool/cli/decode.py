"""`vqtool decode`: tokens to frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.codec.tokenizer import LoadedTokenizer
    from vqtool.data.token_store import TokenStore

EPILOG = """Examples:

vqtool decode data/tokens64 --split test --clips 4 --output decoded

vqtool decode data/tokens64 --clip traj7/cam0 --output traj7.mp4 --checkpoint runs/first

vqtool decode data/tokens64 --clip traj7/cam0 --format png --output frames"""


def decode(
    tokens: Annotated[Path, typer.Argument(metavar="TOKENS", help="Folder that vqtool encode --data wrote.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR|FILE", help="A folder, or one .mp4 or .gif file.")
    ],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="RUN_OR_CHECKPOINT",
            help="The tokenizer that encoded them; default the name that the token store has.",
        ),
    ] = None,
    clip: Annotated[
        list[str] | None, typer.Option("--clip", metavar="NAME", help="A clip of clips.csv; repeat.")
    ] = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option("--split", help="Without --clip.")] = "test",
    clips: Annotated[int, typer.Option("--clips", min=1, help="Without --clip: how many, evenly spread.")] = 8,
    form: Annotated[Literal["mp4", "gif", "png"], typer.Option("--format", help="Of files in a folder.")] = "mp4",
    fps: Annotated[float, typer.Option("--fps", min=0.1, max=1000, help="Frames a second; a store has none.")] = 6.0,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Write clips of a token store as videos, or as a picture a frame."""
    from vqtool.cli.console import printable, progress
    from vqtool.codec.decode_store import check_output, choose_clips, decode_clip, write_clips
    from vqtool.data.token_store import TokenStore

    store = TokenStore.open(tokens)
    chosen = choose_clips(store, clip or [], split, clips)
    check_output(output, len(chosen))
    tokenizer = _tokenizer(store, checkpoint, device)
    with progress("decoding", "clips") as advance:
        decoded = (decode_clip(tokenizer, store, one) for one in chosen)
        written = []
        for path in write_clips(chosen, decoded, output, form, fps):
            written.append(path)
            advance(len(written), len(chosen))
    typer.echo(printable("\n".join(str(path) for path in written)))


def _tokenizer(store: "TokenStore", checkpoint: str | None, device: str) -> "LoadedTokenizer":
    """The tokenizer that the user names or else the store, if it is the one that encoded the store."""
    from vqtool.codec.decode_store import check_tokenizer
    from vqtool.codec.tokenizer import load
    from vqtool.errors import CheckpointError

    name = checkpoint or store.info.checkpoint
    try:
        tokenizer = load(name, device)
    except CheckpointError as error:
        if checkpoint:
            raise
        raise CheckpointError(
            f"{store.path} was encoded by {name}, which is not there now ({error}): give it with --checkpoint"
        ) from error
    check_tokenizer(tokenizer, store)
    return tokenizer
