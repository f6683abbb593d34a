"""Finding videos in a folder tree: video files, and folders of numbered images."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from vqtool.data.image_folder import is_numbered_image

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".gif")
SUFFIXES = (*VIDEO_SUFFIXES, *(suffix.upper() for suffix in VIDEO_SUFFIXES))
"""As cameras write them: all small or all capital letters."""


def is_video_file(path: Path) -> bool:
    """Whether `path` is a file with the suffix of a video."""
    return path.suffix in SUFFIXES and path.is_file()


def find_videos(root: Path) -> Iterator[tuple[Path, bool]]:
    """Every video below `root`, and whether it is a folder of images, in an order of its own.

    Hidden files and folders are left out. Links are followed, after all real folders, and no folder is taken twice.
    """
    for folder, entries in _folders(root):
        if any(is_numbered_image(entry.name) and entry.is_file() for entry in entries):
            yield folder, True
        for entry in entries:
            if is_video_file(entry):
                yield entry, False


def _folders(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder once, with its visible entries in the order of their names."""
    top = root.resolve()
    seen: set[Path] = set()
    real, linked = deque([root]), deque[Path]()
    while real or linked:
        folder = real.popleft() if real else linked.popleft()
        target = folder.resolve()
        if target in seen or (target != top and top.is_relative_to(target)):
            continue
        seen.add(target)
        entries = _visible(folder)
        yield folder, entries
        for entry in entries:
            if entry.is_dir():
                (linked if entry.is_symlink() else real).append(entry)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
