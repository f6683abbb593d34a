"""The synthetic world: RoboNet's layout, two differing views, pushed shapes, and the same again from the same seed."""

from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from robonet_oracle import read_robonet

from vqtool.data.resize import resize
from vqtool.data.sources.base import UnusableError
from vqtool.data.sources.robonet import RobonetSource
from vqtool.data.sources.synthetic import SyntheticSource, record, write_synthetic
from vqtool.data.synthetic.camera import look_at
from vqtool.data.synthetic.motion import Shape, simulate

shrink = partial(resize, height=64, width=64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, num_trajectories=4, seed=5)
    return folder


def test_files_are_robonets_with_both_encodings_and_both_formats(written: Path) -> None:
    kinds = set()
    for file in sorted(written.glob("*.hdf5")):
        with h5py.File(file) as content:
            encoding = content["env"].attrs["cam_encoding"]
            payload = content["env/cam0_video/frames" if encoding == "mp4" else "env/cam0_video/frame0"]
            kinds.add((encoding, payload.attrs["image_format"]))
            assert tuple(payload.attrs["shape"]) == (96, 128, 3)
            assert 20 <= len(content["env/state"]) == len(content["policy/actions"]) + 1 <= 31
    assert kinds == {("mp4", "RGB"), ("jpg", "RGB"), ("mp4", "BGR")}


def test_robonets_way_of_reading_gives_back_what_was_drawn(written: Path) -> None:
    for number, file in enumerate(sorted(written.glob("*.hdf5"), key=lambda file: file.stem[-4:])):
        drawn = record(5, number).videos
        for camera, frames in read_robonet(file, 64).items():
            error = frames.astype(float) - shrink(drawn[camera])
            assert np.sqrt(np.mean(error**2)) < 6, f"{file.name} {camera}"


def test_our_reader_agrees_with_robonets_way(written: Path) -> None:
    for name, file in RobonetSource(written).trajectories().items():
        trajectory = RobonetSource(written).read(name, shrink, min_frames=12)
        for camera, frames in read_robonet(written / file, 64).items():
            assert np.abs(trajectory.videos[camera].astype(int) - frames).max() <= 1


def test_the_same_seed_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_synthetic(tmp_path, 2, seed=5, advance=lambda done, total: calls.append((done, total)))
    for file in tmp_path.glob("*.hdf5"):
        assert file.read_bytes() == (written / file.name).read_bytes()
    assert calls == [(1, 2), (2, 2)]


def test_scenes_and_views_differ_and_things_move() -> None:
    episodes = [record(5, number) for number in range(3)] + [record(6, 0)]
    stills = [shrink(frames[:1]).astype(float) for episode in episodes for frames in episode.videos.values()]
    for one in range(len(stills)):
        for other in range(one):
            assert np.abs(stills[one] - stills[other]).mean() > 10
    for episode in episodes:
        for frames in episode.videos.values():
            assert np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3)).min() > 0.2


def test_the_arm_goes_where_the_actions_say() -> None:
    recording = record(5, 0)
    np.testing.assert_allclose(np.diff(recording.states[:, :4], axis=0), recording.actions, atol=1e-6)


def test_shapes_are_pushed_but_stay_on_the_table_and_apart() -> None:
    shapes = tuple(Shape("ball", 0, radius, 2 * radius, (9, 9, 9)) for radius in (0.08, 0.07, 0.06))
    distances = np.array([0.15, 0.14, 0.13])
    travelled = []
    for seed in range(10):
        episode = simulate(np.random.default_rng(seed), shapes, num_frames=30)
        travelled.append(np.linalg.norm(episode.centres[-1] - episode.centres[0], axis=1).max())
        gaps = [
            np.linalg.norm(episode.centres[:, a] - episode.centres[:, b], axis=1) for a, b in ((0, 1), (0, 2), (1, 2))
        ]
        assert (np.stack(gaps).min(axis=1) > 0.8 * distances).all()
        assert np.abs(episode.centres).max() <= 0.42
    assert np.mean(travelled) > 0.1


def test_a_crowd_of_shapes_does_not_spill_off_the_table() -> None:
    crowd = tuple(Shape("ball", 0, 0.16, 0.32, (9, 9, 9)) for _ in range(8))
    episode = simulate(np.random.default_rng(0), crowd, num_frames=20)
    assert np.abs(episode.centres).max() == pytest.approx(0.42)


def test_a_point_is_projected_by_similar_triangles() -> None:
    camera = look_at(np.array([0.0, -2.0, 0.0]), np.zeros(3), field_of_view=np.pi / 2, height=100, width=200)
    pixels = camera.project(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0.5], [2, 2, 1]], dtype=float))
    np.testing.assert_allclose(pixels, [[100, 50], [150, 50], [100, 25], [150, 25]])


def test_the_source_draws_what_the_files_hold() -> None:
    source = SyntheticSource(num_trajectories=3, seed=5)
    names = list(source.trajectories())
    assert len(set(names)) == 3
    trajectory = source.read(names[2], shrink, min_frames=12)
    drawn = record(5, 2)
    np.testing.assert_array_equal(trajectory.videos["cam1"], shrink(drawn.videos["cam1"]))
    np.testing.assert_array_equal(trajectory.states, drawn.states)
    np.testing.assert_array_equal(trajectory.actions[:-1], drawn.actions)
    assert np.isnan(trajectory.actions[-1]).all() and trajectory.actions.shape == (len(drawn.states), 4)
    with pytest.raises(UnusableError, match="fewer than 99"):
        source.read(names[0], shrink, min_frames=99)
