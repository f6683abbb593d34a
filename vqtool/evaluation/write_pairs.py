"""Writing reconstructions beside their input: GIF, MP4 and PNG."""

from collections.abc import Sequence
from pathlib import Path

from vqtool.core.atomic import explained_os_errors
from vqtool.data import Frames
from vqtool.data.video import write_video
from vqtool.errors import DataError
from vqtool.evaluation.captions import add_caption
from vqtool.evaluation.pictures import side_by_side, stack_clips, strip
from vqtool.evaluation.reconstruct import Pair

SUFFIXES = (".gif", ".mp4", ".png")
STRIP_FRAMES = 12
"""Columns of a PNG strip: more would be too small to see."""


def check_output(output: Path) -> None:
    """Refuse an output that could not be written, before any work is done.

    Raises:
        DataError: a suffix that is not one of `SUFFIXES`, or a folder that is a file.
    """
    if output.suffix and output.suffix not in SUFFIXES and not output.is_dir():
        raise DataError(f"--output {output}: expected a folder or a file ending in {', '.join(SUFFIXES)}")
    if not output.suffix and output.exists() and not output.is_dir():
        raise DataError(f"--output {output} is a file: give a folder, or a file ending in {', '.join(SUFFIXES)}")


def write_folder(pairs: Sequence[Pair], folder: Path, scale: int, caption: bool = False) -> list[Path]:
    """A GIF, an MP4 and a PNG strip of each pair in `folder`; gives the files."""
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for pair in pairs:
        stem = folder / pair.name.replace("/", "_")
        for suffix in SUFFIXES:
            path = stem.with_name(stem.name + suffix)
            _write([pair], path, scale, caption)
            written.append(path)
    return written


def write_one_file(pairs: Sequence[Pair], path: Path, scale: int, caption: bool = False) -> list[Path]:
    """All pairs below each other in one file of the kind of its suffix."""
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _write(pairs, path, scale, caption)
    return [path]


def _write(pairs: Sequence[Pair], path: Path, scale: int, caption: bool) -> None:
    """With `caption` bits a frame and PSNR below each pair."""
    is_strip = path.suffix == ".png"
    panels = [_strip(pair, scale) if is_strip else side_by_side(pair.real, pair.fake, scale) for pair in pairs]
    if caption:
        panels = [add_caption(panel, _figures(pair)) for panel, pair in zip(panels, pairs, strict=True)]
    if is_strip:
        write_video(path, stack_clips(panels)[0], fps=1)
    else:
        # A picture has no rate of its own.
        rates = [pair.fps for pair in pairs if len(pair.real) > 1]
        write_video(path, stack_clips(panels), rates[0] if rates else pairs[0].fps)


def _strip(pair: Pair, scale: int) -> Frames:
    """The first frames of a pair as a video of one picture, (1, H, W, 3)."""
    return strip(pair.real[:STRIP_FRAMES], pair.fake[:STRIP_FRAMES], scale)[None]


def _figures(pair: Pair) -> list[str]:
    return [f"{pair.bits_per_frame:,.1f} bits/frame", f"PSNR {pair.psnr_db:.2f} dB"]
