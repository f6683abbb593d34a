"""Previews: for a few fixed clips and every step they were kept at, input and reconstruction as a picture, and tokens.

A preview folder `previews/step-00000100/` holds `clip-00.png` (two rows: input above, reconstruction below; one column
a frame; no gaps), `clip-00.tokens.npy` (unsigned integers (T, h, w)) and, written last, `preview.json`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from vqtool.core.atomic import atomic_folder
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, step_folders, step_name

Frames = NDArray[np.uint8]
INDEX_FILE = "preview.json"
VERSION = 1


@dataclass(frozen=True)
class PreviewClip:
    """One clip of a preview: its name, frames uint8 RGB (T, H, W, 3), tokens (T, h, w) and PSNR a frame in dB."""

    name: str
    real: Frames
    reconstruction: Frames
    tokens: NDArray[np.unsignedinteger]
    psnr_db: tuple[float | None, ...]


def write_preview(run: RunFolder, step: int, clips: Sequence[PreviewClip]) -> Path:
    """Write the preview of `step`, whole or not at all; an existing one of that step is kept as it is."""
    target = run.previews / step_name(step)
    if target.exists():
        return target
    with atomic_folder(target) as folder:
        index = []
        for number, clip in enumerate(clips):
            stem = f"clip-{number:02d}"
            iio.imwrite(folder / f"{stem}.png", _strip(clip))
            np.save(folder / f"{stem}.tokens.npy", clip.tokens)
            frames, height, width, _ = clip.real.shape
            index.append(
                {"stem": stem, "clip": clip.name, "frames": frames, "height": height, "width": width}
                | {"psnr_db": list(clip.psnr_db)}
            )
        record = {"version": VERSION, "step": step, "clips": index}
        (folder / INDEX_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return target


def list_previews(run: RunFolder) -> list[tuple[int, Path]]:
    """The whole previews of a run, ascending by step."""
    return [(step, path) for step, path in step_folders(run.previews) if (path / INDEX_FILE).is_file()]


def read_preview(folder: Path) -> list[PreviewClip]:
    """The clips of a preview folder.

    Raises:
        RunError: the folder is incomplete, damaged or of another version.
    """
    try:
        record = json.loads((folder / INDEX_FILE).read_bytes())
        if record["version"] != VERSION:
            raise RunError(f"{folder} has preview version {record['version']}; this vqtool reads version {VERSION}")
        return [_read_clip(folder, entry) for entry in record["clips"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"cannot read preview {folder}: {error}") from error


def _strip(clip: PreviewClip) -> Frames:
    rows = [np.concatenate(list(frames), axis=1) for frames in (clip.real, clip.reconstruction)]
    return np.concatenate(rows, axis=0)


def _read_clip(folder: Path, entry: dict[str, object]) -> PreviewClip:
    stem = Path(str(entry["stem"])).name
    frames, height, width = (int(str(entry[key])) for key in ("frames", "height", "width"))
    picture = np.asarray(iio.imread(folder / f"{stem}.png"), dtype=np.uint8)
    if picture.shape != (2 * height, frames * width, 3):
        raise ValueError(f"{stem}.png is {picture.shape}, expected {(2 * height, frames * width, 3)}")
    rows = picture.reshape(2, height, frames, width, 3).transpose(0, 2, 1, 3, 4)
    psnr = entry["psnr_db"]
    values = tuple(None if value is None else float(value) for value in psnr) if isinstance(psnr, list) else ()
    tokens = np.load(folder / f"{stem}.tokens.npy", allow_pickle=False)
    return PreviewClip(str(entry["clip"]), rows[0], rows[1], tokens, values)
