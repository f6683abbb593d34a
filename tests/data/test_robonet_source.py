"""The RoboNet source: RoboNet's own pixels, its lengths, and a reason for every file that cannot be used."""

import shutil
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from robonet_oracle import read_robonet

from vqtool.data import Frames
from vqtool.data.resize import resize
from vqtool.data.sources.base import Trajectory, UnusableError
from vqtool.data.sources.robonet import RobonetSource
from vqtool.data.sources.synthetic import Recording, to_robonet
from vqtool.errors import DataError

SMALL = Path(__file__).resolve().parents[1] / "files" / "robonet_sim_small" / "hdf5"
MP4, JPG = "berkeley_sawyer_traj2238", "cmu_ur5e_traj3410"


def read(folder: Path, name: str, min_frames: int = 1, size: int = 64) -> Trajectory:
    return RobonetSource(folder).read(name, partial(_square, size=size), min_frames)


def _square(frames: Frames, size: int) -> Frames:
    return resize(frames, size, size)


def broken(tmp_path: Path, name: str, damage: object) -> Path:
    """A folder with a copy of one file that `damage` was applied to."""
    shutil.copy(SMALL / f"{name}.hdf5", tmp_path)
    with h5py.File(tmp_path / f"{name}.hdf5", "r+") as file:
        damage(file)
    return tmp_path


@pytest.mark.parametrize("file", sorted(SMALL.glob("*.hdf5")), ids=lambda file: file.stem)
def test_pixels_are_exactly_those_of_robonets_loader_and_opencv(file: Path) -> None:
    videos = read(SMALL, file.stem).videos
    expected = read_robonet(file, 64)
    assert list(videos) == list(expected)
    for camera, frames in videos.items():
        np.testing.assert_array_equal(frames, expected[camera])


@pytest.mark.parametrize("size", [48, 63, 97, 400])
def test_other_sizes_are_within_one_grey_level(size: int) -> None:
    for name in (MP4, JPG):
        frames = read(SMALL, name, size=size).videos["cam0"]
        difference = np.abs(frames.astype(int) - read_robonet(SMALL / f"{name}.hdf5", size)["cam0"])
        assert difference.max() <= 1


def test_real_robonet_files_give_the_same_pixels(real_data: Path) -> None:
    folder = real_data / "robonet_real" / "hdf5"
    names = RobonetSource(folder).trajectories()
    assert len(names) == 3
    for name, file in names.items():
        np.testing.assert_array_equal(read(folder, name).videos["cam0"], read_robonet(folder / file, 64)["cam0"])


@pytest.mark.parametrize("encoding", ["mp4", "jpg"])
@pytest.mark.parametrize("image_format", ["RGB", "BGR"])
def test_red_stays_red_in_every_encoding(tmp_path: Path, encoding: str, image_format: str) -> None:
    red = np.zeros((4, 32, 48, 3), dtype=np.uint8)
    red[..., 0] = 200
    recording = Recording("toy", {"cam0": red}, np.zeros((4, 2), np.float32), np.zeros((3, 2), np.float32))
    (tmp_path / "red.hdf5").write_bytes(to_robonet(recording, encoding, image_format))
    trajectory = read(tmp_path, "red", size=16)
    assert trajectory.robot == "toy"
    np.testing.assert_allclose(trajectory.videos["cam0"].mean(axis=(0, 1, 2)), [200, 0, 0], atol=6)


def test_states_and_actions_are_aligned_with_the_frames() -> None:
    trajectory = read(SMALL, MP4)
    with h5py.File(SMALL / f"{MP4}.hdf5") as file:
        states, actions = file["env/state"][:], file["policy/actions"][:]
    np.testing.assert_array_equal(trajectory.states, states.astype(np.float32))
    np.testing.assert_array_equal(trajectory.actions[:-1], actions.astype(np.float32))
    assert np.isnan(trajectory.actions[-1]).all()


def _set_length(states: int, actions: int, images: int, file: h5py.File) -> None:
    for name, length in (("env/state", states), ("policy/actions", actions)):
        rows = np.arange(length * 4, dtype=np.float32).reshape(length, 4)
        del file[name]
        file[name] = rows
    for camera in ("cam0", "cam1"):
        file[f"env/{camera}_video/frames"].attrs["T"] = images


@pytest.mark.parametrize(("lengths", "usable"), [((9, 20, 17), 9), ((20, 9, 17), 10), ((20, 20, 13), 13)])
def test_the_shortest_of_states_actions_and_images_counts(
    tmp_path: Path, lengths: tuple[int, int, int], usable: int
) -> None:
    trajectory = read(broken(tmp_path, MP4, partial(_set_length, *lengths)), MP4)
    assert {len(frames) for frames in trajectory.videos.values()} == {usable}
    assert len(trajectory.states) == len(trajectory.actions) == usable
    assert np.isnan(trajectory.actions[-1]).all() == (lengths[1] == usable - 1)


def test_one_camera_with_fewer_images_shortens_all(tmp_path: Path) -> None:
    def remove_last(file: h5py.File) -> None:
        for number in (13, 14):
            del file[f"env/cam1_video/frame{number}"]

    trajectory = read(broken(tmp_path, JPG, remove_last), JPG)
    assert {len(frames) for frames in trajectory.videos.values()} == {13}


def test_a_short_trajectory_is_refused_with_its_length() -> None:
    with pytest.raises(UnusableError) as caught:
        read(SMALL, "berkeley_sawyer_traj1274", min_frames=9)
    assert (caught.value.kind, caught.value.reason) == ("too short", "8 usable frames, fewer than 9")
    assert len(read(SMALL, "berkeley_sawyer_traj1274", min_frames=8).states) == 8


def _set(path: str, attribute: str, value: object, file: h5py.File) -> None:
    file[path].attrs[attribute] = value


def _replace(path: str, value: object, file: h5py.File) -> None:
    attributes = dict(file[path].attrs)
    del file[path]
    file[path] = value
    file[path].attrs.update(attributes)


def _cut_payload(path: str, share: float, file: h5py.File) -> None:
    payload = file[path][:]
    _replace(path, payload[: int(len(payload) * share)], file)


def _delete(path: str, file: h5py.File) -> None:
    del file[path]


NOISE = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)
FAULTS = {
    "unknown encoding": (MP4, partial(_set, "env", "cam_encoding", "webm"), "unknown encoding", "'webm'"),
    "unknown format": (JPG, partial(_set, "env/cam0_video/frame0", "image_format", "HSV"), "unknown encoding", "'HSV'"),
    "no environment": (MP4, partial(_delete, "env"), "foreign", "env"),
    "no actions": (MP4, partial(_delete, "policy/actions"), "foreign", "actions"),
    "no robot": (MP4, partial(_delete, "metadata"), "foreign", "metadata"),
    "camera missing": (MP4, partial(_delete, "env/cam1_video"), "foreign", "cam1_video"),
    "no cameras": (MP4, partial(_set, "env", "n_cams", 0), "inconsistent", "no camera"),
    "more cameras claimed": (MP4, partial(_set, "env", "n_cams", 3), "foreign", "cam2_video"),
    "mp4 cut": (MP4, partial(_cut_payload, "env/cam1_video/frames", 0.5), "damaged", "cam1"),
    "mp4 is noise": (MP4, partial(_replace, "env/cam0_video/frames", NOISE), "damaged", "cam0"),
    "mp4 is empty": (MP4, partial(_replace, "env/cam0_video/frames", NOISE[:0]), "damaged", "cam0"),
    "jpg cut": (JPG, partial(_cut_payload, "env/cam1_video/frame7", 0.6), "damaged", "cam1"),
    "jpg is noise": (JPG, partial(_replace, "env/cam2_video/frame3", NOISE), "damaged", "cam2"),
    "jpg missing": (JPG, partial(_delete, "env/cam2_video/frame3"), "foreign", "frame3"),
    "states are flat": (MP4, partial(_replace, "env/state", np.zeros(17)), "inconsistent", "state"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_has_a_reason(tmp_path: Path, fault: str) -> None:
    name, damage, kind, reason = FAULTS[fault]
    folder = broken(tmp_path, name, damage)
    with pytest.raises(UnusableError) as caught:
        read(folder, name)
    assert caught.value.kind == kind
    assert reason in caught.value.reason


def test_an_mp4_with_fewer_frames_than_it_claims_is_damaged_not_padded(tmp_path: Path) -> None:
    blank = np.zeros((9, 32, 48, 3), dtype=np.uint8)
    recording = Recording("toy", {"cam0": blank}, np.zeros((12, 2), np.float32), np.zeros((11, 2), np.float32))
    (tmp_path / "short.hdf5").write_bytes(to_robonet(recording, "mp4", "RGB"))
    assert len(read(tmp_path, "short").states) == 9
    with h5py.File(tmp_path / "short.hdf5", "r+") as file:
        _set("env/cam0_video/frames", "T", 12, file)
    with pytest.raises(UnusableError) as caught:
        read(tmp_path, "short")
    assert caught.value.kind == "damaged" and "9 of 12 frames" in caught.value.reason


def test_frames_of_different_sizes_in_a_video_are_refused(tmp_path: Path) -> None:
    def swap(file: h5py.File) -> None:
        other = h5py.File(tmp_path / "other.hdf5")
        _replace("env/cam0_video/frame2", other["env/cam0_video/frame0"][:], file)

    blank = np.zeros((2, 32, 48, 3), dtype=np.uint8)
    recording = Recording("toy", {"cam0": blank}, np.zeros((2, 2), np.float32), np.zeros((1, 2), np.float32))
    (tmp_path / "other.hdf5").write_bytes(to_robonet(recording, "jpg", "RGB"))
    with pytest.raises(UnusableError, match="another size"):
        read(broken(tmp_path, JPG, swap), JPG)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_truncated_files_are_damaged(tmp_path: Path, share: float) -> None:
    content = (SMALL / f"{MP4}.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UnusableError) as caught:
        read(tmp_path, "cut")
    assert caught.value.kind == "damaged"


def test_a_file_that_is_not_hdf5_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "text.hdf5").write_text("hello")
    with pytest.raises(UnusableError, match="not an HDF5 file"):
        read(tmp_path, "text")


def test_names_are_paths_without_suffix_whatever_their_depth(tmp_path: Path) -> None:
    for file in ("b/traj2.hdf5", "a.hdf5", "b/traj1.hdf5", "notes.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    names = RobonetSource(tmp_path).trajectories()
    assert names == {"a": "a.hdf5", "b/traj1": "b/traj1.hdf5", "b/traj2": "b/traj2.hdf5"}


def test_a_missing_or_empty_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.hdf5 file in .*--input"):
        RobonetSource(tmp_path).trajectories()
    with pytest.raises(DataError, match=r"no input folder .*--input"):
        RobonetSource(tmp_path / "none").trajectories()
