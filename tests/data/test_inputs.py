"""What files, folders and a pipe stand for, and what is read from each."""

import io
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from vqtool.data.inputs import STDIN, VideoInput, find_inputs, read_input
from vqtool.data.resize import resize
from vqtool.data.video import read_video
from vqtool.errors import DataError

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Videos `x.mp4`, `x.gif` and `sub/x.mp4`, a picture video `sub/y`, hidden and other files."""
    for name in ("x.mp4", "x.gif", "sub/x.mp4", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub" / "y").mkdir()
    for number in (1, 2, 10):
        Image.fromarray(PICTURE + np.uint8(number)).save(tmp_path / "sub" / "y" / f"f{number}.png")
    return tmp_path


def listed(*given: Path) -> list[tuple[str, Path]]:
    found, problems = find_inputs(given)
    assert problems == []
    return [(source.name, source.path) for source in found]


def test_a_folder_stands_for_all_videos_below_it_in_the_order_of_their_names(folder: Path) -> None:
    assert listed(folder) == [
        ("sub_x", folder / "sub" / "x.mp4"),
        ("sub_y", folder / "sub" / "y"),
        ("x", folder / "x.gif"),
        ("x.mp4", folder / "x.mp4"),
    ]
    assert listed(folder / "sub" / "y") == [("y", folder / "sub" / "y")]


def test_every_input_is_taken_once_and_has_a_name_of_its_own(folder: Path) -> None:
    sub = folder / "sub"
    found = listed(folder / "x.mp4", sub, folder / "sub" / ".." / "x.mp4", STDIN, STDIN, folder / "none.mp4")
    assert found == [
        ("x", folder / "x.mp4"),
        ("x.mp4", sub / "x.mp4"),
        ("y", sub / "y"),
        ("stdin", STDIN),
        ("none", folder / "none.mp4"),
    ]
    others = [folder / str(number) / "x.mp4" for number in range(3)]
    assert [name for name, _ in listed(folder / "x.mp4", *others)] == ["x", "x.mp4", "x-2", "x-3"]
    assert [name for name, _ in listed(Path("..hidden.mp4"), Path("a" * 250 + ".mp4"))] == ["hidden", "a" * 200]


def test_a_folder_without_videos_is_a_problem_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "empty").mkdir()
    found, (problem,) = find_inputs([folder / "empty", folder / "x.mp4"])
    assert [source.name for source in found] == ["x"]
    assert problem.startswith(f"no video in {folder / 'empty'}: it holds no .mp4, .mkv,")


def test_pictures_are_videos_of_one_frame_and_folders_of_several(folder: Path) -> None:
    video = folder / "sub" / "y"
    expected = resize(np.stack([PICTURE + np.uint8(number) for number in (1, 2, 10)]), 16, 16)
    frames, fps = read_input(VideoInput("y", video), 16, None, None)
    assert (fps, frames.dtype) == (6.0, np.uint8)
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(read_input(VideoInput("y", video), 16, 2, None)[0], expected[:2])
    one = read_input(VideoInput("f10", video / "f10.png"), 16, None, None)[0]
    np.testing.assert_array_equal(one, expected[2:])


@pytest.mark.parametrize("suffix", [".mp4", ".jpg"])
def test_what_is_piped_in_is_read_like_the_file(suffix: str, tmp_path: Path) -> None:
    """An MP4's index is at its end, and a pipe cannot go back."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".mp4":
        iio.imwrite(path, np.stack([PICTURE] * 5), plugin="pyav", codec="libx264", fps=10)
    else:
        Image.fromarray(PICTURE).save(path)
    (source,), _ = find_inputs([STDIN])
    piped = read_input(source, 16, None, io.BytesIO(path.read_bytes()))
    named = read_input(VideoInput("a", path), 16, None, None)
    np.testing.assert_array_equal(piped[0], named[0])
    assert piped[1] == named[1]
    if suffix == ".mp4":
        np.testing.assert_array_equal(named[0], read_video(path, 16)[0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read stdin: nothing is piped in: for example `cat robot.mp4"),
        (b"", "cannot read stdin: it is empty"),
        (b"hello, world", "cannot read stdin: not a video that can be decoded"),
        (b"\x89PNG\r\n\x1a\nrubbish", "cannot read stdin: not an image that can be decoded"),
        (b"\xff\xd8\xff\xe0 rubbish", "cannot read stdin: Truncated File Read"),
    ],
)
def test_bad_stdin_says_what_it_is(content: bytes | None, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_input(VideoInput("stdin", STDIN), 16, None, None if content is None else io.BytesIO(content))
    assert str(caught.value).startswith(message)


def test_bad_files_are_named(folder: Path) -> None:
    missing = VideoInput("none", folder / "none.mp4")
    with pytest.raises(DataError, match=r"^cannot read video .*none\.mp4: No such file or directory$"):
        read_input(missing, 16, None, None)
    (folder / "sub" / "y" / "f3.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(DataError, match=r"^cannot read video .*sub/y: f3\.png: not an image"):
        read_input(VideoInput("y", folder / "sub" / "y"), 16, None, None)
