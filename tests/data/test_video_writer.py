"""Videos written frame by frame, read back by other libraries."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from vqtool.data.video import read_video
from vqtool.data.video_writer import open_video_writer
from vqtool.errors import DataError


def bars(num_frames: int, height: int = 32, width: int = 48) -> np.ndarray:
    """A bright bar that moves over a dark slope, uint8 (T, H, W, 3)."""
    slope = np.linspace(0, 90, width).astype(np.uint8)
    frames = np.broadcast_to(slope[None, None, :, None], (num_frames, height, width, 3)).copy()
    for number, frame in enumerate(frames):
        frame[:, number * 2 % width :][:, :6] = (250, 200, 40)
    return frames


def write(path: Path, frames: np.ndarray, fps: Fraction) -> None:
    with open_video_writer(path, fps) as add:
        for start in range(0, len(frames), 7):
            add(frames[start : start + 7])


def pillow_frames(path: Path) -> tuple[np.ndarray, list[int]]:
    with Image.open(path) as picture:
        shown = [
            (np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)
        ]
    return np.stack([frame for frame, _ in shown]), [duration for _, duration in shown]


@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
def test_mp4(size: tuple[int, int], tmp_path: Path) -> None:
    frames = bars(20, *size)
    write(tmp_path / "a.mp4", frames, Fraction(30000, 1001))
    read, fps = read_video(tmp_path / "a.mp4")
    assert read.shape == frames.shape
    assert fps == pytest.approx(29.97, abs=0.01)
    assert np.abs(read.astype(int) - frames).mean() < 4


def test_the_same_frames_make_the_same_mp4(tmp_path: Path) -> None:
    """Whatever lies in the memory that x264 is given: its tree of macroblocks read some of it."""
    rng = np.random.default_rng(3)
    coarse = 128 + np.cumsum(rng.normal(0, 25, (4, 4, 4, 3)), axis=0)
    frames = coarse.clip(0, 255).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    files = set()
    for value in range(1, 25):
        dirty = [np.full(rng.integers(1000, 3_000_000), value * 10, np.uint8) for _ in range(8)]
        del dirty
        write(tmp_path / "a.mp4", frames, Fraction(6))
        files.add((tmp_path / "a.mp4").read_bytes())
    assert len(files) == 1


def test_gif_is_exact_where_the_palette_suffices(tmp_path: Path) -> None:
    frames = bars(20)
    write(tmp_path / "a.gif", frames, Fraction(10))
    read, durations = pillow_frames(tmp_path / "a.gif")
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).max() <= 3
    assert set(durations) == {100}
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.info["loop"] == 0


def test_webp(tmp_path: Path) -> None:
    frames = bars(20)
    write(tmp_path / "a.webp", frames, Fraction(25))
    read, durations = pillow_frames(tmp_path / "a.webp")
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 4
    assert durations == [40] * 20
    with Image.open(tmp_path / "a.webp") as picture:
        assert (picture.format, picture.size, picture.info["loop"]) == ("WEBP", (48, 32), 0)


def test_webp_by_hand(tmp_path: Path) -> None:
    """Chunk by chunk, as the container's specification has them; 30 frames/s are no whole milliseconds."""
    write(tmp_path / "a.webp", bars(9, 31, 47), Fraction(30))
    content = (tmp_path / "a.webp").read_bytes()
    assert content[:4] + content[8:12] == b"RIFFWEBP"
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    chunks, at = [], 12
    while at < len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        chunks.append((content[at : at + 4], content[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    assert [name for name, _ in chunks] == [b"VP8X", b"ANIM"] + [b"ANMF"] * 9
    size = (46).to_bytes(3, "little") + (30).to_bytes(3, "little")
    assert chunks[0][1] == b"\x02\0\0\0" + size
    assert chunks[1][1] == bytes(6)
    assert all(frame[:12] == bytes(6) + size and frame[15:20] == b"\x02VP8 " for _, frame in chunks[2:])
    shown = [int.from_bytes(frame[12:15], "little") for _, frame in chunks[2:]]
    assert shown == [33, 34, 33] * 3


def test_frames_too_large_for_webp_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at most 16383 pixels a side, these frames are 16384 x 2"):
        write(tmp_path / "a.webp", np.zeros((1, 2, 16384, 3), np.uint8), Fraction(10))
    assert not list(tmp_path.iterdir())


def test_folder_of_png_is_exact(tmp_path: Path) -> None:
    frames = bars(20)
    write(tmp_path / "frames", frames, Fraction(10))
    paths = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in paths] == [f"{number:06d}.png" for number in range(20)]
    np.testing.assert_array_equal(np.stack([np.asarray(Image.open(path)) for path in paths]), frames)


def test_one_png_is_the_only_frame(tmp_path: Path) -> None:
    write(tmp_path / "a.PNG", bars(1), Fraction(10))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.PNG")), bars(1)[0])
    for num_frames in (2, 8):  # in one part, and in two
        with pytest.raises(DataError, match=r"one picture, and there are more frames: give a folder or a \.mp4, "):
            write(tmp_path / "b.png", bars(num_frames), Fraction(10))
    with pytest.raises(DataError, match="more frames"), open_video_writer(tmp_path / "b.png", Fraction(10)) as add:
        add(bars(1))
        add(bars(1))
    assert [path.name for path in tmp_path.iterdir()] == ["a.PNG"]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png", "frames"])
def test_nothing_is_left_of_a_video_that_ends_in_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(KeyError), open_video_writer(tmp_path / name, Fraction(10)) as add:
        add(bars(1))
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name, message in (("a.avi", "expected a folder or a file ending in .mp4, .gif, .webp"), ("there", "exists")):
        with pytest.raises(DataError, match=message), open_video_writer(tmp_path / name, Fraction(10)):
            pass
