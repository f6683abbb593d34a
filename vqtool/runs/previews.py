"""Previews: for a few fixed clips and every step they were kept at, input and reconstruction as a picture, and tokens.

A preview folder `previews/step-00000100/` holds `clip-00.png` (two rows: input above, reconstruction below; one column
a frame; no gaps), `clip-00.tokens.npy` (unsigned integers (T, h, w)), for clips with
a context `clip-00.context.npy` (S, h, w), and, written last, `preview.json`. In the same form `worst/step-00000100/`
holds the clips that the last evaluation scored worst, the worst first.
"""

import json
import math
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqtool.core.atomic import atomic_folder, explained_os_errors
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, step_folders, step_name

Frames = NDArray[np.uint8]
INDEX_FILE = "preview.json"
VERSION = 1
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, struct.error)


@dataclass(frozen=True)
class PreviewClip:
    """One clip of a preview: its name, frames uint8 RGB (T, H, W, 3), tokens (T, h, w) and PSNR a frame in dB.

    context_tokens: those that the frames of each segment share, (S, h, w); None where every frame stands alone.
    """

    name: str
    real: Frames
    reconstruction: Frames
    tokens: NDArray[np.integer]
    psnr_db: tuple[float | None, ...]
    context_tokens: NDArray[np.integer] | None = None


def write_preview(run: RunFolder, step: int, clips: Sequence[PreviewClip]) -> Path:
    """Write the preview of `step`, whole or not at all; an existing one of that step is kept as it is."""
    return _write(run.previews / step_name(step), step, clips)


def write_worst(run: RunFolder, step: int, clips: Sequence[PreviewClip]) -> Path:
    """Write the worst clips of the evaluation at `step`, then drop those of earlier evaluations."""
    with explained_os_errors(run.worst):
        run.worst.mkdir(exist_ok=True)
    target = _write(run.worst / step_name(step), step, clips)
    for earlier, folder in step_folders(run.worst):
        if earlier < step:
            shutil.rmtree(folder, ignore_errors=True)
    return target


def _write(target: Path, step: int, clips: Sequence[PreviewClip]) -> Path:
    from PIL import Image

    if target.exists():
        return target
    with atomic_folder(target) as folder:
        index = []
        for number, clip in enumerate(clips):
            stem = f"clip-{number:02d}"
            Image.fromarray(_strip(clip)).save(folder / f"{stem}.png")
            np.save(folder / f"{stem}.tokens.npy", clip.tokens)
            if clip.context_tokens is not None:
                np.save(folder / f"{stem}.context.npy", clip.context_tokens)
            frames, height, width, _ = clip.real.shape
            index.append(
                {"stem": stem, "clip": clip.name, "frames": frames, "height": height, "width": width}
                | {"psnr_db": [_finite_or_none(value) for value in clip.psnr_db]}
            )
        record = {"version": VERSION, "step": step, "clips": index}
        (folder / INDEX_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return target


def list_previews(run: RunFolder) -> list[tuple[int, Path]]:
    """The whole previews of a run, ascending by step."""
    return _whole(run.previews)


def list_worst(run: RunFolder) -> list[tuple[int, Path]]:
    """The worst clips that a run has whole: those of its last evaluation."""
    return _whole(run.worst)


def _whole(folder: Path) -> list[tuple[int, Path]]:
    return [(step, path) for step, path in step_folders(folder) if (path / INDEX_FILE).is_file()]


def read_preview(folder: Path) -> list[PreviewClip]:
    """The clips of a preview folder.

    Raises:
        RunError: the folder is incomplete, damaged or of another version.
    """
    # Here, for the dashboard shows its curves before it needs any picture.
    from PIL.Image import DecompressionBombError

    try:
        record = json.loads((folder / INDEX_FILE).read_bytes())
        if record["version"] != VERSION:
            raise RunError(
                f"{folder} has preview version {record['version']}; this vqtool reads version {VERSION}: "
                "look at it with the vqtool that wrote it"
            )
        return [_read_clip(folder, entry) for entry in record["clips"]]
    except (*_DAMAGE, SyntaxError, DecompressionBombError) as error:
        raise RunError(f"cannot read preview {folder}: {error!r}") from error


def _strip(clip: PreviewClip) -> Frames:
    rows = [np.concatenate(list(frames), axis=1) for frames in (clip.real, clip.reconstruction)]
    return np.concatenate(rows, axis=0)


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _read_clip(folder: Path, entry: dict[str, object]) -> PreviewClip:
    from PIL import Image

    stem = Path(str(entry["stem"])).name
    frames, height, width = (int(str(entry[key])) for key in ("frames", "height", "width"))
    with Image.open(folder / f"{stem}.png", formats=["PNG"]) as image:
        if image.size != (frames * width, 2 * height):
            raise ValueError(f"{stem}.png is {image.size}, expected {(frames * width, 2 * height)}")
        picture = np.asarray(image.convert("RGB"))
    rows = picture.reshape(2, height, frames, width, 3).transpose(0, 2, 1, 3, 4)
    psnr = entry["psnr_db"]
    values = tuple(None if value is None else float(value) for value in psnr) if isinstance(psnr, list) else ()
    context = folder / f"{stem}.context.npy"
    return PreviewClip(
        name=str(entry["clip"]),
        real=rows[0],
        reconstruction=rows[1],
        tokens=read_array(folder / f"{stem}.tokens.npy"),
        psnr_db=values,
        context_tokens=read_array(context) if context.is_file() else None,
    )


def read_array(path: Path) -> NDArray[np.integer]:
    """An array of integers from a `.npy` file that may be damaged or hostile: no pickle, no size beyond the file's.

    Raises:
        OSError: missing or unreadable.
        ValueError: not such a file.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError as error:
        raise ValueError(f"{path.name} is empty") from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{path.name} does not hold an array of integers")
    return np.array(array)
