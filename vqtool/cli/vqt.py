"""What `vqtool encode VIDEO` and `vqtool decode FILE.vqt` do."""

from pathlib import Path

import typer


def encode_video(checkpoint: str, video: Path, output: Path, tile: bool, device: str, search_steps: int) -> None:
    """A video file to a `.vqt`; a line of figures on stdout."""
    from vqtool.cli.console import printable, progress, told_if_interrupted
    from vqtool.codec.tokenizer import load
    from vqtool.codec.video import VideoCodec
    from vqtool.errors import DataError

    if output.suffix != ".vqt" or output.is_dir():
        raise DataError(f"--output {output}: expected a file ending in .vqt")
    codec = VideoCodec(load(checkpoint, device, search_steps))
    with told_if_interrupted(lambda: _nothing_kept(output)), progress("encoding", "frames") as advance:
        done = codec.encode(video, output, tile, advance)
    bits = 8 * done.num_bytes / done.num_frames
    typer.echo(
        printable(
            f"{output}: {done.num_frames:,} frames of {done.width} x {done.height} pixels, {done.num_bytes:,} bytes, "
            f"{bits:,.1f} bits a frame"
        )
    )


def decode_video(checkpoint: str, file: Path, output: Path, device: str) -> None:
    """A `.vqt` to a video file or a folder of pictures."""
    from vqtool.cli.console import printable, progress, told_if_interrupted
    from vqtool.codec.tokenizer import load
    from vqtool.codec.video import VideoCodec
    from vqtool.data.video_writer import check_video_output

    check_video_output(output)
    codec = VideoCodec(load(checkpoint, device))
    with told_if_interrupted(lambda: _nothing_kept(output)), progress("decoding", "frames") as advance:
        done = codec.decode(file, output, advance)
    typer.echo(
        printable(
            f"{output}: {done.num_frames:,} frames of {done.width} x {done.height} pixels at {done.fps:.3g} frames/s"
        )
    )


def _nothing_kept(output: Path) -> str:
    """Files and folders of one video appear whole or not at all."""
    state = "is as it was before" if output.exists() else "was not written"
    return f"{output} {state}; the same command starts over"
