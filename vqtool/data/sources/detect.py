"""What an input folder holds: RoboNet files, a LeRobot dataset, or videos."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import h5py

from vqtool.core.config import SourceKind
from vqtool.data.image_folder import IMAGE_SUFFIXES
from vqtool.data.sources.video_tree import VIDEO_SUFFIXES, find_videos
from vqtool.errors import DataError

NUM_PROBED = 50
"""Files that are opened to see whether they are RoboNet's."""
LEROBOT_INFO = Path("meta", "info.json")


def detect_kind(folder: Path) -> tuple[SourceKind, str]:
    """The kind of source that `folder` holds, and what it was recognised by.

    Raises:
        DataError: missing, of no known kind, or of several.
    """
    if not folder.is_dir():
        noun = "a file, not a folder" if folder.exists() else "no such folder"
        raise DataError(f"no input folder {folder} ({noun}): give the folder of the raw videos with --input")
    found = dict(_kinds(folder))
    match list(found.items()):
        case [(kind, reason)]:
            return kind, reason
        case []:
            raise DataError(_nothing(folder))
        case several:
            seen = " and ".join(f"{kind} ({reason})" for kind, reason in several)
            raise DataError(f"{folder} could be {seen}: say which with --source {' or --source '.join(found)}")


def _kinds(folder: Path) -> Iterator[tuple[SourceKind, str]]:
    robonet = next((file for file in islice(_hdf5_files(folder), NUM_PROBED) if _is_robonet(file)), None)
    if robonet:
        yield "robonet", f"{robonet.relative_to(folder)} is an HDF5 file with env/"
    if (folder / LEROBOT_INFO).is_file():
        # Its videos are not trajectories: several episodes lie in one file.
        yield "lerobot", f"it has {LEROBOT_INFO.as_posix()}"
        return
    _refuse_collection(folder)
    video = next(find_videos(folder), None)
    if video:
        path, is_folder = video
        name = path.relative_to(folder).as_posix()
        yield "videos", f"{name} is a folder of numbered images" if is_folder else f"{name} is a video file"


def _hdf5_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.hdf5") if path.is_file())


def _is_robonet(file: Path) -> bool:
    try:
        with h5py.File(file, "r", locking=False) as content:
            # `"env" in content` would open whatever other file a link leads to.
            return bool(content.id.links.exists(b"env"))
    except (OSError, RuntimeError):
        return False


def _refuse_collection(folder: Path) -> None:
    dataset = next((path.parents[1] for path in sorted(folder.glob(f"*/{LEROBOT_INFO.as_posix()}"))), None)
    if dataset:
        raise DataError(f"{folder} holds LeRobot datasets in folders of their own: give one of them, --input {dataset}")


def _nothing(folder: Path) -> str:
    looked = (
        ".hdf5 files with env/ in them (--source robonet)",
        f"{LEROBOT_INFO.as_posix()} (--source lerobot)",
        f"{', '.join(VIDEO_SUFFIXES)} files, or numbered {', '.join(IMAGE_SUFFIXES)} images (--source videos)",
    )
    num_hdf5 = len(_hdf5_files(folder))
    note = f" (none of the first {min(num_hdf5, NUM_PROBED)} .hdf5 files there can be read as such)" if num_hdf5 else ""
    return (
        f"cannot tell what {folder} holds{note}: it has none of {'; '.join(looked)}. "
        "Give the right folder with --input, or say what it is with --source (synthetic needs no input)"
    )
