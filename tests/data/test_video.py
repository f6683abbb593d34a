"""Video files: what is read is what OpenCV reads, what is written other programs read, and nothing is half-written."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from vqtool.data.resize import resize
from vqtool.data.video import read_video, write_video
from vqtool.errors import DataError


def moving_disc(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A red disc that crosses a smooth background: easy for every codec."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    frames = np.empty((num_frames, height, width, 3), dtype=np.uint8)
    frames[:] = np.stack([across * 2, down * 3, np.full_like(down, 90)], axis=-1).astype(np.uint8)
    for number, frame in enumerate(frames):
        frame[np.hypot(across - 8 - 3 * number, down - height / 2) < 7] = (220, 40, 40)
    return frames


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def opencv_frames(path: Path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (result := capture.read())[0]:
        frames.append(result[1][:, :, ::-1])
    return np.stack(frames)


def encode(path: Path, frames: np.ndarray, codec: str, pixel_format: str = "yuv420p") -> None:
    """Write with PyAV directly, independently of the code under test."""
    with av.open(str(path), "w") as file:
        track = file.add_stream(codec, rate=Fraction(12))
        track.height, track.width, track.pix_fmt = *frames.shape[1:3], pixel_format
        for frame in frames:
            file.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixel_format)))
        file.mux(track.encode(None))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.mov", "mpeg4")],
)
def test_containers_are_read_as_opencv_reads_them(tmp_path: Path, name: str, codec: str) -> None:
    encode(tmp_path / name, moving_disc(9), codec)
    frames, fps = read_video(tmp_path / name)
    assert frames.dtype == np.uint8 and fps == pytest.approx(12, rel=1e-3)
    assert np.abs(frames.astype(int) - opencv_frames(tmp_path / name)).max() <= 2


def test_gif_is_read(tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in moving_disc(5)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    frames, fps = read_video(tmp_path / "a.gif")
    assert frames.shape == (5, 48, 64, 3) and fps == pytest.approx(10)
    assert psnr_db(frames, moving_disc(5)) > 25


def test_frames_are_resized_as_in_preprocessing_and_cut(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", moving_disc(70), "libx264")
    frames, _ = read_video(tmp_path / "a.mp4")
    small, _ = read_video(tmp_path / "a.mp4", size=32, max_frames=66)
    assert len(frames) == 70
    np.testing.assert_array_equal(small, resize(frames, 32, 32)[:66])


def test_real_camera_videos(real_data: Path) -> None:
    path = real_data / "videos" / "carphone_pristine.mp4"
    frames, fps = read_video(path, max_frames=20)
    assert frames.shape == (20, 144, 176, 3) and fps == pytest.approx(29.97, abs=0.01)
    assert np.abs(frames.astype(int) - opencv_frames(path)[:20]).max() <= 2


@pytest.mark.parametrize(
    "name", ["notes.mp4", "empty.mp4", "cut.mp4", "none.mp4", "folder.mp4", "list.m3u8", "song.mp4"]
)
def test_what_is_no_video_is_one_error(tmp_path: Path, name: str) -> None:
    encode(tmp_path / "whole.mp4", moving_disc(9), "libx264")
    (tmp_path / "notes.mp4").write_text("hello, this is not a video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:800])
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/whole.mp4\n")
    with av.open(str(tmp_path / "song.mp4"), "w") as file:
        track = file.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        file.mux(track.encode(frame))
        file.mux(track.encode(None))
    with pytest.raises(DataError, match=f"cannot read video .*{name}"):
        read_video(tmp_path / name)


@pytest.mark.parametrize(("size", "least_db"), [((48, 64), 31), ((47, 63), 38)])
def test_mp4_is_nearly_lossless_for_other_readers(tmp_path: Path, size: tuple[int, int], least_db: float) -> None:
    """Even sizes lose some of the red edge, since colour is kept at half the resolution."""
    frames = moving_disc(12, *size)
    write_video(tmp_path / "a.mp4", frames, fps=6.5)
    read_back = opencv_frames(tmp_path / "a.mp4")
    assert read_back.shape == frames.shape
    assert psnr_db(read_back, frames) > least_db
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(6.5)


def test_gif_keeps_few_colours_exactly_under_one_palette(tmp_path: Path) -> None:
    frames = (moving_disc(6) // 64) * 64
    write_video(tmp_path / "a.gif", frames, fps=10)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 6 and picture.info["duration"] == 100 and picture.info["loop"] == 0
        read_back = []
        for number in range(6):
            picture.seek(number)
            read_back.append(np.asarray(picture.convert("RGB")))
    np.testing.assert_array_equal(np.stack(read_back), frames)


def test_gif_maps_a_colour_to_the_same_colour_everywhere(tmp_path: Path) -> None:
    frames = moving_disc(6)
    write_video(tmp_path / "a.gif", frames, fps=10)
    read_back, _ = read_video(tmp_path / "a.gif")
    assert len(np.unique(frames.reshape(-1, 3), axis=0)) > 1000
    pairs = np.unique(np.concatenate([frames, read_back], axis=-1).reshape(-1, 6), axis=0)
    assert len(pairs) == len(np.unique(frames.reshape(-1, 3), axis=0))
    assert psnr_db(read_back, frames) > 30


def test_png_holds_a_picture_exactly(tmp_path: Path) -> None:
    picture = moving_disc(1)[0]
    write_video(tmp_path / "a.PNG", picture, fps=1)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.PNG"))[:, :, ::-1], picture)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.webm is none of \.mp4, \.gif, \.png"):
        write_video(tmp_path / "a.webm", moving_disc(2), fps=5)
    assert list(tmp_path.iterdir()) == []


def test_several_frames_are_no_png(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one picture, not 2 frames"):
        write_video(tmp_path / "a.png", moving_disc(2), fps=5)
