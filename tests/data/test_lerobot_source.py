"""LeRobot datasets: exactly the frames, states and actions of each episode, wherever they lie in a file."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from vqtool.data.resize import resize
from vqtool.data.sources.base import UnusableError

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'vqtool[lerobot]'")

from bar_videos import bar_numbers, write_bars
from lerobot_files import OFFSETS, actions_of, states_of, write_lerobot2, write_lerobot3

from vqtool.data.sources.lerobot import LerobotSource
from vqtool.errors import DataError

LENGTHS = [13, 9, 16, 11, 14]
shrink = partial(resize, height=32, width=32)
WRITERS = {"v3.0": write_lerobot3, "v2.1": write_lerobot2}


def needs_encoder(codec: str) -> None:
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {codec}")


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
@pytest.mark.parametrize("version", WRITERS)
def test_every_frame_of_every_episode_is_the_right_one(tmp_path: Path, version: str, codec: str) -> None:
    needs_encoder(codec)
    WRITERS[version](tmp_path, LENGTHS, codec)
    source = LerobotSource(tmp_path)
    assert list(source.trajectories()) == [f"episode_{index:06d}" for index in range(5)]
    for index, length in enumerate(LENGTHS):
        first = sum(LENGTHS[:index])
        trajectory = source.read(f"episode_{index:06d}", shrink, min_frames=9)
        assert trajectory.robot == "so100" and set(trajectory.videos) == set(OFFSETS)
        for camera, frames in trajectory.videos.items():
            expected = [first + OFFSETS[camera] + number for number in range(length)]
            assert bar_numbers(frames) == expected
        np.testing.assert_array_equal(trajectory.states, states_of(first, length))
        np.testing.assert_array_equal(trajectory.actions, actions_of(first, length))


def test_a_key_frame_at_the_start_only_changes_nothing(tmp_path: Path) -> None:
    write_lerobot3(tmp_path, LENGTHS, per_file=5)
    for camera, offset in OFFSETS.items():
        path = tmp_path / f"videos/{camera}/chunk-000/file-000.mp4"
        write_bars(path, range(offset, sum(LENGTHS) + offset), fps=10, gop_size=1000)
    frames = LerobotSource(tmp_path).read("episode_000004", shrink, 1).videos["observation.images.top"]
    assert bar_numbers(frames) == list(range(49, 63))


def test_frames_that_lean_on_the_key_frame_before_are_not_lost(tmp_path: Path) -> None:
    """In open groups of pictures, seeking lands behind the wanted frame where it precedes a key frame."""
    write_lerobot3(tmp_path, [13, 11])
    options = {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=7:min-keyint=7"}
    for camera, offset in OFFSETS.items():
        path = tmp_path / f"videos/{camera}/chunk-000/file-000.mp4"
        write_bars(path, range(offset, 24 + offset), fps=10, options=options)
    frames = LerobotSource(tmp_path).read("episode_000001", shrink, 1).videos["observation.images.top"]
    assert bar_numbers(frames) == list(range(13, 24))


def test_damage_in_one_episode_does_not_reach_the_next_one_in_the_file(tmp_path: Path) -> None:
    """The key frame before the second episode is found, and nothing before it is decoded."""
    write_lerobot3(tmp_path, [14, 14])
    path = tmp_path / "videos/observation.images.top/chunk-000/file-000.mp4"
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    for packet in packets[1:4]:
        content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(content)
    with pytest.raises(UnusableError, match=r"file-000\.mp4"):
        LerobotSource(tmp_path).read("episode_000000", shrink, 1)
    frames = LerobotSource(tmp_path).read("episode_000001", shrink, 1).videos["observation.images.top"]
    assert bar_numbers(frames) == list(range(14, 28))


def test_too_short_has_its_length(tmp_path: Path) -> None:
    write_lerobot3(tmp_path, LENGTHS)
    with pytest.raises(UnusableError) as caught:
        LerobotSource(tmp_path).read("episode_000001", shrink, min_frames=10)
    assert (caught.value.kind, caught.value.reason) == ("too short", "9 usable frames, fewer than 10")


def _cut_video(folder: Path) -> None:
    write_bars(folder / "videos/observation.images.top/chunk-000/file-001.mp4", range(38, 60), fps=10)


def _remove_video(folder: Path) -> None:
    (folder / "videos/observation.images.top/chunk-000/file-001.mp4").unlink()


def _cut_data(folder: Path) -> None:
    path = folder / "data/chunk-000/file-001.parquet"
    path.write_bytes(path.read_bytes()[:200])


def _other_data(folder: Path) -> None:
    (folder / "data/chunk-000/file-001.parquet").write_bytes((folder / "data/chunk-000/file-000.parquet").read_bytes())


@pytest.mark.parametrize(
    ("damage", "kind", "reason"),
    [
        (_cut_video, "damaged", "11 of 14 frames of the episode"),
        (_remove_video, "damaged", "No such file"),
        (_cut_data, "damaged", "file-001.parquet"),
        (_other_data, "inconsistent", "0 rows for 14 frames"),
    ],
)
def test_a_broken_file_spoils_its_own_episodes_only(
    tmp_path: Path, damage: Callable[[Path], None], kind: str, reason: str
) -> None:
    write_lerobot3(tmp_path, LENGTHS)
    damage(tmp_path)
    source = LerobotSource(tmp_path)
    with pytest.raises(UnusableError) as caught:
        source.read("episode_000004", shrink, 1)
    assert caught.value.kind == kind and reason in caught.value.reason
    assert len(source.read("episode_000002", shrink, 1).states) == 16


def change_info(folder: Path, **changes: object) -> None:
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v1.6"}, r"version v1\.6; this vqtool reads v2\.0, v2\.1 and v3\.0"),
        ({"features": {"action": {"dtype": "float32"}}}, "no feature of dtype video"),
        ({"fps": 0}, "damaged: fps is 0"),
        ({"features": 7}, "damaged"),
        ({"video_path": "../../{video_key}.mp4"}, "outside of the dataset"),
        ({"data_path": "/etc/{chunk_index}"}, "outside of the dataset"),
        ({"data_path": "{chunk_index.__class__}/{secret}"}, "damaged: no 'secret'"),
    ],
)
def test_metadata_that_cannot_be_used_is_explained(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_lerobot3(tmp_path, [9])
    change_info(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        LerobotSource(tmp_path).trajectories()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"info\.json is missing; give the folder .* --input"):
        LerobotSource(tmp_path).trajectories()
    write_lerobot2(tmp_path, [9])
    (tmp_path / "meta" / "episodes.jsonl").unlink()
    with pytest.raises(DataError, match=r"episodes\.jsonl is missing"):
        LerobotSource(tmp_path).trajectories()


def test_without_pyarrow_the_message_says_what_to_install(tmp_path: Path) -> None:
    write_lerobot2(tmp_path, [9])
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from vqtool.data.sources.lerobot import LerobotSource\n"
        "LerobotSource(Path(sys.argv[1])).trajectories()"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "DataError: LeRobot datasets need pyarrow: pip install 'vqtool[lerobot]'" in result.stderr


def test_a_number_a_row_is_one_column_and_rows_go_by_their_frame_index(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_lerobot2(tmp_path, [9])
    path = tmp_path / "data/chunk-000/episode_000000.parquet"
    table = pq.read_table(path, partitioning=None).drop_columns(["action", "observation.state"])
    table = table.append_column("action", pa.array(np.arange(9, dtype=np.float32)))
    pq.write_table(table.take(list(range(8, -1, -1))), path)
    trajectory = LerobotSource(tmp_path).read("episode_000000", shrink, 1)
    np.testing.assert_array_equal(trajectory.actions, np.arange(9, dtype=np.float32)[:, None])
    assert trajectory.states.shape == (9, 0)
