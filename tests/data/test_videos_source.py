"""The videos source: right frames at the right times, names that stay apart, and a reason for what cannot be read."""

import logging
import os
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from bar_videos import bar_frame, bar_numbers, write_bars
from PIL import Image

from vqtool.data.resize import resize
from vqtool.data.sources.base import Trajectory, UnusableError
from vqtool.data.sources.videos import VideosSource
from vqtool.data.timed_frames import FrameChoice
from vqtool.errors import DataError

shrink = partial(resize, height=32, width=32)


def read(source: VideosSource, name: str, min_frames: int = 1) -> Trajectory:
    return source.read(name, shrink, min_frames)


def numbers(folder: Path, name: str, **choice: float) -> list[int]:
    return bar_numbers(read(VideosSource(folder, choice=FrameChoice(**choice)), name).videos["cam0"])


def write_image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(bar_frame(number)).save(path)


@pytest.mark.parametrize(
    ("file", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.MOV", "mpeg4")],
)
def test_every_kind_of_file_gives_all_its_frames(tmp_path: Path, file: str, codec: str) -> None:
    write_bars(tmp_path / "in" / file, range(5, 45), codec)
    source = VideosSource(tmp_path)
    assert source.trajectories() == {"in/a": f"in/{file}"}
    trajectory = read(source, "in/a")
    assert bar_numbers(trajectory.videos["cam0"]) == list(range(5, 45))
    assert trajectory.states.shape == trajectory.actions.shape == (40, 0)


def test_gif_frames(tmp_path: Path) -> None:
    pictures = [Image.fromarray(bar_frame(number)) for number in range(12)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    assert numbers(tmp_path, "a") == list(range(12))
    assert numbers(tmp_path, "a", fps=5) == list(range(0, 12, 2))


@pytest.mark.parametrize("file", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"stride": 3}, [0, 3, 6, 9, 12, 15, 18]),
        ({"max_frames": 4}, [0, 1, 2, 3]),
        ({"stride": 3, "max_frames": 4}, [0, 3, 6, 9]),
        ({"fps": 10}, list(range(20))),
        ({"fps": 5}, list(range(0, 20, 2))),
        ({"fps": 4}, [0, 2, 5, 7, 10, 12, 15, 17]),
        ({"fps": 20, "max_frames": 6}, [0, 0, 1, 1, 2, 2]),
        ({"fps": 5, "stride": 2}, [0, 4, 8, 12, 16]),
    ],
)
def test_frames_are_chosen_by_rate_stride_and_number(
    tmp_path: Path, file: str, choice: dict[str, float], expected: list[int]
) -> None:
    """At 4 frames/s every other wanted time lies between two frames: the earlier is taken."""
    write_bars(tmp_path / file, range(20))
    assert numbers(tmp_path, "a", **choice) == expected


def test_absurd_times_are_damage(tmp_path: Path) -> None:
    write_bars(tmp_path / "a.mp4", range(3), times=[0, 40, 2_000_040])
    with pytest.raises(UnusableError, match="seems to last 2,000 s"):
        numbers(tmp_path, "a", fps=10)


def test_a_matroska_file_at_its_own_rate_keeps_its_last_frame(tmp_path: Path) -> None:
    """It ends at 22/30 s, which Matroska rounds down to 733 ms."""
    write_bars(tmp_path / "a.mkv", range(23), fps=30)
    assert numbers(tmp_path, "a", fps=30) == list(range(23))


def test_a_title_in_an_unknown_encoding_does_no_harm(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as file:
        file.metadata["title"] = "Kueche"
        track = file.add_stream("mpeg4", rate=5)
        track.height, track.width, track.pix_fmt = 48, 64, "yuv420p"
        file.mux(track.encode(av.VideoFrame.from_ndarray(bar_frame(9), format="rgb24").reformat(format="yuv420p")))
        file.mux(track.encode(None))
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(content.replace(b"Kueche", b"K\xfcche\0"))
    assert b"K\xfcche" in (tmp_path / "a.avi").read_bytes() and numbers(tmp_path, "a") == [9]


def test_a_damaged_frame_is_not_stored(tmp_path: Path) -> None:
    write_bars(tmp_path / "a.mp4", range(20))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    with av.open(str(tmp_path / "a.mp4")) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    position, size = packets[7]
    content[position + size // 2 : position + size] = bytes(size - size // 2)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnusableError, match="damage"):
        numbers(tmp_path, "a")


def test_a_varying_frame_rate_is_sampled_by_the_times_of_the_frames(tmp_path: Path) -> None:
    times = [0, 40, 80, 500, 540, 1000, 1900]
    write_bars(tmp_path / "a.mp4", range(7), times=times)
    wanted = [100 * step for step in range(20)]
    nearest = [min(range(7), key=lambda frame: (abs(times[frame] - time), frame)) for time in wanted]
    assert numbers(tmp_path, "a") == list(range(7))
    assert numbers(tmp_path, "a", fps=10) == nearest


def rotated(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Put a rotation into the track header of an MP4, as a phone does (ISO 14496-12, tkhd)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    content[start : start + 36] = b"".join(
        value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    )
    path.write_bytes(content)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_phone_videos_stand_upright_as_in_opencv(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    write_bars(tmp_path / "a.mp4", range(77, 80))
    rotated(tmp_path / "a.mp4", matrix)
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"), cv2.CAP_FFMPEG)
    expected = np.ascontiguousarray(capture.read()[1][:, :, ::-1])
    frame = VideosSource(tmp_path).read("a", lambda frames: frames, 1).videos["cam0"][0]
    assert frame.shape == expected.shape == ((64, 48, 3) if matrix[0] == 0 else (48, 64, 3))
    assert np.abs(frame.astype(int) - expected).max() <= 2


def test_numbered_images_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 11, 100):
        write_image(tmp_path / "run" / f"frame{number}.png", number)
    (tmp_path / "run" / "notes.txt").touch()
    (tmp_path / "run" / "cover.png").touch()
    (tmp_path / "run" / ".frame5.png").touch()
    source = VideosSource(tmp_path)
    assert source.trajectories() == {"run": "run"}
    assert bar_numbers(read(source, "run").videos["cam0"]) == [1, 2, 9, 10, 11, 100]
    assert numbers(tmp_path, "run", stride=2, max_frames=2) == [1, 9]


def test_the_input_folder_itself_may_hold_the_images(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number:04d}.png", number)
    (name,) = VideosSource(tmp_path).trajectories()
    assert numbers(tmp_path, name) == [0, 1, 2] and "." not in name and "/" not in name


def test_images_of_every_colour_mode_become_rgb(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (6, 9), dtype=np.uint8)
    colour = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    alpha = np.full((6, 9, 1), 255, dtype=np.uint8)
    alpha[:, :4] = 0
    palette = Image.fromarray((colour // 128) * 255).quantize(8)
    pictures = [
        (Image.fromarray(grey), np.repeat(grey[..., None], 3, axis=2)),
        (Image.fromarray(grey.astype(np.uint16) * 257), np.repeat(grey[..., None], 3, axis=2)),
        (palette, np.asarray(palette.convert("RGB"))),
        (Image.fromarray(np.concatenate([colour, alpha], axis=2)), np.where(alpha == 0, 0, colour)),
        (Image.fromarray(grey > 127), np.repeat((grey > 127)[..., None] * np.uint8(255), 3, axis=2)),
    ]
    for number, (picture, _) in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    (name,) = VideosSource(tmp_path).trajectories()
    frames = VideosSource(tmp_path).read(name, lambda frames: frames, 1).videos["cam0"]
    for frame, (_, expected) in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(frame, expected)


def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(bar_frame(5)).save(tmp_path / "1.jpg", exif=exif, quality=95)
    (name,) = VideosSource(tmp_path).trajectories()
    frame = VideosSource(tmp_path).read(name, lambda frames: frames, 1).videos["cam0"][0]
    expected = cv2.imread(str(tmp_path / "1.jpg"))[:, :, ::-1]
    assert frame.shape == (64, 48, 3) and np.abs(frame.astype(int) - expected).max() <= 3


def test_transparent_video_is_in_front_of_black(tmp_path: Path) -> None:
    picture = np.zeros((16, 16, 4), dtype=np.uint8)
    picture[..., 0] = 200
    picture[:, 8:, 3] = 255
    with av.open(str(tmp_path / "a.mov"), "w") as file:
        track = file.add_stream("png", rate=5)
        track.height, track.width, track.pix_fmt = 16, 16, "rgba"
        file.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgba")))
        file.mux(track.encode(None))
    frame = VideosSource(tmp_path).read("a", lambda frames: frames, 1).videos["cam0"][0]
    np.testing.assert_array_equal(frame, picture[..., :3] * (picture[..., 3:] // 255))


@pytest.mark.parametrize("shape", [(47, 63), (17, 200), (2, 2)])
def test_odd_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        track = file.add_stream("ffv1", rate=5)
        track.height, track.width, track.pix_fmt = *shape, "bgr0"
        picture = bar_frame(90, *shape)
        file.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        file.mux(track.encode(None))
    frame = VideosSource(tmp_path).read("a", lambda frames: frames, 1).videos["cam0"][0]
    np.testing.assert_array_equal(frame, picture)


def test_names_stay_apart_and_safe_and_lead_back_to_their_files(tmp_path: Path) -> None:
    files = [
        "a.mp4",
        "a.mkv",
        "a.mp4.mkv",
        "b.gif.mkv",
        "with space/Übung 1.mp4",
        "100%.mp4",
        "%2E.mp4",
        'what?"*.mp4',
        "line\nbreak.mp4",
        os.fsdecode(b"latin-\xe9.mp4"),
        "UPPER.MP4",
    ]
    for position, file in enumerate(files):
        write_bars(tmp_path / file, range(position, position + 2))
    write_image(tmp_path / "c" / "1.png", 50)
    write_bars(tmp_path / "c.mp4", range(60, 62))
    source = VideosSource(tmp_path)
    names = list(source.trajectories())
    assert names == sorted(names) and len(names) == len(files) + 2
    assert {"a.mp4", "a.mkv", "a.mp4.mkv", "b.gif", "with space/Übung 1", "100%25", "UPPER", "c", "c.mp4"} <= set(names)
    assert not any(set(name) & set('\\:*?"<>|\n') for name in names)
    assert all(text.encode() for pair in source.trajectories().items() for text in pair)
    starts = {bar_numbers(read(source, name).videos["cam0"])[0] for name in names}
    assert starts == {*range(len(files)), 50, 60}


def test_hidden_files_and_loops_of_links_are_left_out(tmp_path: Path) -> None:
    write_bars(tmp_path / "in" / "deep" / "a.mp4", range(2))
    write_bars(tmp_path / "elsewhere" / "b.mp4", range(2))
    write_bars(tmp_path / "outside.mp4", range(2))
    for hidden in (".hidden.mp4", ".cache/c.mp4", "._a.mp4"):
        write_bars(tmp_path / "in" / hidden, range(2))
    (tmp_path / "in" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "deep" / "above").symlink_to(tmp_path)
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "deep")
    (tmp_path / "in" / "self").symlink_to("self")
    (tmp_path / "in" / "gone.mp4").symlink_to("nothing.mp4")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    source = VideosSource(tmp_path / "in")
    assert source.trajectories() == {"deep/a": "deep/a.mp4", "linked/b": "linked/b.mp4"}
    assert len(read(source, "linked/b").states) == 2


def test_a_folder_is_a_trajectory_and_its_videos_are_its_cameras(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_bars(tmp_path / "day1/traj7/cam1.mp4", range(40, 52))
    write_bars(tmp_path / "day1/traj7/cam0.mkv", range(20, 30))
    for number in range(11):
        write_image(tmp_path / "day1/traj7/wrist" / f"{number}.png", number)
    write_bars(tmp_path / "traj8/cam0.mp4", range(3))
    write_bars(tmp_path / "intro.mp4", range(3))
    source = VideosSource(tmp_path, by_folder=True)
    with caplog.at_level(logging.WARNING):
        assert source.trajectories() == {"day1/traj7": "day1/traj7", "traj8": "traj8"}
    assert "1 videos that lie directly" in caplog.text and "intro.mp4" in caplog.text
    videos = read(source, "day1/traj7").videos
    assert {camera: bar_numbers(frames) for camera, frames in videos.items()} == {
        "cam0": list(range(20, 30)),
        "cam1": list(range(40, 50)),
        "wrist": list(range(10)),
    }
    with pytest.raises(DataError, match="give the folder above as --input"):
        VideosSource(tmp_path / "traj8", by_folder=True).trajectories()


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("empty", "damaged", "the file is empty"),
        ("text", "damaged", "not a video"),
        ("cut", "damaged", "not a video"),
        ("pictures", "damaged", "2.png: not an image"),
        ("mixed", "inconsistent", "2 series (depth_*, rgb_*)"),
        ("twice", "inconsistent", "have the same number"),
        ("sizes", "damaged", "another size"),
        ("short", "too short", "4 usable frames, fewer than 5"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, name: str, kind: str, reason: str) -> None:
    write_bars(tmp_path / "short.mp4", range(4))
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "short.mp4").read_bytes()[:700])
    for image in ("pictures/1", "mixed/rgb_1", "mixed/depth_1", "twice/1", "twice/01", "sizes/1"):
        write_image(tmp_path / f"{image}.png", 1)
    (tmp_path / "pictures" / "2.png").write_text("hello")
    Image.fromarray(bar_frame(1, 20, 20)).save(tmp_path / "sizes" / "2.png")
    source = VideosSource(tmp_path)
    assert name in source.trajectories()
    with pytest.raises(UnusableError) as caught:
        read(source, name, min_frames=5)
    assert caught.value.kind == kind and reason in caught.value.reason


def test_an_empty_or_missing_folder_says_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no video in .*\.mp4, \.mkv.*--input"):
        VideosSource(tmp_path).trajectories()
    with pytest.raises(DataError, match=r"no input folder .*--input"):
        VideosSource(tmp_path / "none").trajectories()


def test_a_rate_for_images_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_image(tmp_path / "run" / "1.png", 1)
    VideosSource(tmp_path, choice=FrameChoice(fps=5)).trajectories()
    assert "--fps says nothing to 1 folders of images" in caplog.text


def test_real_camera_videos_are_opencvs(real_data: Path) -> None:
    source = VideosSource(real_data / "videos", choice=FrameChoice(stride=10, max_frames=6))
    assert set(source.trajectories()) == {"bikes", "carphone_pristine"}
    for name in source.trajectories():
        capture = cv2.VideoCapture(str(real_data / "videos" / f"{name}.mp4"), cv2.CAP_FFMPEG)
        expected = np.stack([capture.read()[1][:, :, ::-1] for _ in range(51)])[::10]
        frames = source.read(name, lambda frames: frames, 1).videos["cam0"]
        assert frames.shape == expected.shape
        assert np.abs(frames.astype(int) - expected).max() <= 2
