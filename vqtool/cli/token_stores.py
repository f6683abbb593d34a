"""What `vqtool encode --data` and `vqtool decode TOKENS` do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

Split = Literal["train", "val", "test"]
Form = Literal["mp4", "gif", "webp", "png"]

if TYPE_CHECKING:
    from vqtool.codec.encode_store import EncodedStore
    from vqtool.codec.tokenizer import LoadedTokenizer
    from vqtool.core.distributed import Processes
    from vqtool.data.token_store import TokenStore


def encode_store(
    checkpoint: str,
    data: Path | None,
    output: Path,
    batch_frames: int | None,
    device: str,
    as_json: bool,
    search_steps: int,
) -> None:
    """A frame store to a token store, by one process or those of a job."""
    from vqtool.cli.processes import only_main_speaks
    from vqtool.core.distributed import joined_processes

    with joined_processes() as processes, only_main_speaks(processes):
        result = _encode(checkpoint, data, output, batch_frames, device, processes, search_steps)
        if processes.is_main:
            _print(result, as_json)


def decode_store(
    tokens: Path,
    names: list[str],
    split: Split,
    clips: int,
    checkpoint: str | None,
    output: Path,
    form: Form,
    fps: float,
    device: str,
) -> None:
    """Clips of a token store to videos or pictures."""
    from vqtool.cli.console import printable, progress, told_if_interrupted
    from vqtool.codec.decode_store import check_output, choose_clips, decode_clip, write_clips
    from vqtool.data.token_store import TokenStore

    store = TokenStore.open(tokens)
    chosen = choose_clips(store, names, split, clips)
    check_output(output, chosen, form)
    tokenizer = _tokenizer(store, checkpoint, device)
    written: list[Path] = []

    def kept() -> str:
        if not written:
            return f"nothing is in {output} yet; the same command starts over"
        advice = "the same command writes all again"
        if form == "png":
            advice = f"remove {output}, or name the others with --clip, then run the same command again"
        return f"{len(written)} of {len(chosen)} clips are in {output}, each of them whole; {advice}"

    with told_if_interrupted(kept), progress("decoding", "clips") as advance:
        decoded = (decode_clip(tokenizer, store, one) for one in chosen)
        for path in write_clips(chosen, decoded, output, form, fps):
            written.append(path)
            advance(len(written), len(chosen))
    typer.echo(printable("\n".join(str(path) for path in written)))


def _encode(
    checkpoint: str,
    data: Path | None,
    output: Path,
    batch_frames: int | None,
    device: str,
    processes: Processes,
    search_steps: int,
) -> EncodedStore:
    from vqtool.cli.console import progress, told_if_interrupted
    from vqtool.codec.encode_store import StoreEncoder
    from vqtool.codec.tokenizer import load_folder
    from vqtool.core.device import choose_device
    from vqtool.data.store import FrameStore
    from vqtool.runs.checkpoints import find_checkpoint

    tokenizer = load_folder(find_checkpoint(checkpoint), processes.place(choose_device(device)), search_steps)
    store = FrameStore.open(data or Path(tokenizer.config.data.store))
    encoder = StoreEncoder(tokenizer, store, output, checkpoint, batch_frames)
    if not processes.is_main:
        return encoder.run(processes=processes)

    def kept() -> str:
        return (
            f"{encoder.num_kept_frames():,} of {encoder.num_frames:,} frames are encoded and kept in {output}; "
            "the same command continues from there"
        )

    with told_if_interrupted(kept), progress("encoding", "frames") as advance:
        return encoder.run(advance, processes)


def _print(result: EncodedStore, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from vqtool.cli.console import printable
    from vqtool.cli.tokens import describe

    if as_json:
        record = {
            "store": str(result.path),
            "metadata": asdict(result.info),
            "frames": result.num_frames,
            "resumed_frames": result.num_resumed_frames,
            "seconds": round(result.seconds, 3),
            "frames_per_second": round(result.frames_per_second, 1),
        }
        typer.echo(json.dumps(record, indent=2))
        return
    speed = f"{result.seconds:,.1f} s, {result.frames_per_second:,.0f} frames/s"
    if result.num_resumed_frames:
        speed += f", and {result.num_resumed_frames:,} frames that were done before"
    typer.echo(printable("\n".join([*describe(result.path, result.info), speed])))


def _tokenizer(store: TokenStore, checkpoint: str | None, device: str) -> LoadedTokenizer:
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
