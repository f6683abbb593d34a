"""A small input of each kind of source, for the tests that hold for all of them."""

from pathlib import Path
from shutil import copytree

from bar_videos import bar_frame, write_bars
from lerobot_files import write_lerobot2, write_lerobot3
from PIL import Image

SMALL = Path(__file__).resolve().parents[1] / "files" / "robonet_sim_small" / "hdf5"
LENGTHS = [13, 9, 16, 11, 14]


def _robonet(folder: Path) -> None:
    copytree(SMALL, folder, dirs_exist_ok=True)


def _videos(folder: Path) -> None:
    for number, length in enumerate(LENGTHS):
        write_bars(folder / f"day{number % 2}" / f"clip {number}.mp4", range(length))
    for number in range(12):
        path = folder / "images" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(bar_frame(number)).save(path)


def _cameras(folder: Path) -> None:
    for number, length in enumerate(LENGTHS):
        for camera in range(2):
            write_bars(folder / f"traj{number}" / f"cam{camera}.mkv", range(length + camera))


def _lerobot3(folder: Path) -> None:
    write_lerobot3(folder, LENGTHS)


def _lerobot2(folder: Path) -> None:
    write_lerobot2(folder, LENGTHS)


def _nothing(folder: Path) -> None:
    """The synthetic source draws its own."""


INPUTS = {
    "robonet": (_robonet, {}),
    "videos": (_videos, {"stride": 1}),
    "videos, cameras": (_cameras, {"cameras": "subfolder", "fps": 10.0}),
    "lerobot": (_lerobot3, {}),
    "lerobot, 2.1": (_lerobot2, {}),
    "synthetic": (_nothing, {"limit": 5}),
}
"""What writes the input, and the settings to read it with; the first word of a name is the source."""
