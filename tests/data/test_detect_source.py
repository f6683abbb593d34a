"""What `--source auto` takes a folder for, and what it says where it cannot tell."""

import json
import shutil
from pathlib import Path

import h5py
import pytest
from bar_videos import write_bars

from vqtool.core.config import PreprocessConfig
from vqtool.data.sources.choice import open_source, resolve_source
from vqtool.data.sources.detect import detect_kind
from vqtool.data.sources.robonet import RobonetSource
from vqtool.errors import ConfigError, DataError

SMALL = Path(__file__).resolve().parents[1] / "files" / "robonet_sim_small" / "hdf5"
ROBONET = SMALL / "berkeley_sawyer_traj2238.hdf5"


def lerobot(folder: Path) -> None:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps({"codebase_version": "v3.0"}))
    write_bars(folder / "videos" / "top" / "file-000.mp4", range(2))


def test_each_kind_is_recognised_by_what_it_says(tmp_path: Path) -> None:
    lerobot(tmp_path / "lerobot")
    write_bars(tmp_path / "videos" / "deep" / "a.mp4", range(2))
    assert detect_kind(SMALL) == ("robonet", "berkeley_sawyer_traj1274.hdf5 is an HDF5 file with env/")
    assert detect_kind(tmp_path / "lerobot") == ("lerobot", "it has meta/info.json")
    assert detect_kind(tmp_path / "videos") == ("videos", "deep/a.mp4 is a video file")


def test_broken_files_do_not_hide_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "a.hdf5").touch()
    (tmp_path / "b.hdf5").write_text("hello")
    with h5py.File(tmp_path / "ab.hdf5", "w") as file:
        file["other"] = 1
    shutil.copy(ROBONET, tmp_path)
    assert detect_kind(tmp_path) == ("robonet", f"{ROBONET.name} is an HDF5 file with env/")
    config, reason = resolve_source(PreprocessConfig(input=str(tmp_path)))
    assert config.source == "robonet" and ROBONET.name in reason
    assert open_source(PreprocessConfig(input=str(tmp_path))) == RobonetSource(tmp_path)


def test_two_kinds_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    shutil.copy(ROBONET, tmp_path)
    write_bars(tmp_path / "a.mp4", range(2))
    message = r"could be robonet \(.*hdf5 .*\) and videos \(a\.mp4 .*\): .*--source robonet or --source videos"
    with pytest.raises(DataError, match=message):
        detect_kind(tmp_path)
    (tmp_path / "a.mp4").unlink()
    lerobot(tmp_path)
    with pytest.raises(DataError, match="--source robonet or --source lerobot"):
        detect_kind(tmp_path)


def test_nothing_lists_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.mp4").touch()
    with pytest.raises(DataError) as caught:
        detect_kind(tmp_path)
    for word in (".hdf5", "meta/info.json", ".webm", ".png", "robonet", "lerobot", "videos", "synthetic"):
        assert word in str(caught.value)
    (tmp_path / "a.hdf5").write_text("hello")
    with pytest.raises(DataError, match=r"none of the first 1 \.hdf5 files there can be read"):
        detect_kind(tmp_path)


def test_a_folder_of_datasets_is_not_taken_for_videos(tmp_path: Path) -> None:
    lerobot(tmp_path / "pusht")
    with pytest.raises(DataError, match=r"LeRobot datasets in folders of their own: .*--input .*pusht"):
        detect_kind(tmp_path)


@pytest.mark.parametrize(("name", "message"), [("none", "no such folder"), ("a.mp4", "a file, not a folder")])
def test_a_missing_folder_or_a_file_is_said_so(tmp_path: Path, name: str, message: str) -> None:
    write_bars(tmp_path / "a.mp4", range(2))
    with pytest.raises(DataError, match=f"{message}.*--input"):
        detect_kind(tmp_path / name)


@pytest.mark.parametrize(
    ("setting", "flag"), [({"fps": 5.0}, "fps"), ({"stride": 2}, "stride"), ({"max_frames": 9}, "max-frames")]
)
@pytest.mark.parametrize("source", ["auto", "robonet", "synthetic", "lerobot"])
def test_settings_of_videos_are_refused_elsewhere(source: str, setting: dict[str, object], flag: str) -> None:
    config = PreprocessConfig.model_validate({"source": source, "input": str(SMALL)} | setting)
    expected = "robonet" if source == "auto" else source
    with pytest.raises(ConfigError, match=rf"\(--{flag}\) is a setting of --source videos; this source is {expected}"):
        open_source(config)
