"""What holds for every source that `open_source` knows; a new one needs an entry in `source_inputs.INPUTS`."""

import shutil
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'vqtool[lerobot]'")

from source_inputs import INPUTS

from vqtool.core.config import PreprocessConfig, SourceKind
from vqtool.data.resize import resize_square
from vqtool.data.sources.base import UnusableError
from vqtool.data.sources.choice import open_source, resolve_source
from vqtool.data.store import FrameStore
from vqtool.errors import DataError
from vqtool.preprocessing.pipeline import preprocess

SIZE = 24
shrink = partial(resize_square, size=SIZE, fit="squash")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of the inputs."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, (write, _) in INPUTS.items():
        (folder / name).mkdir()
        write(folder / name)
    return folder


def settings(inputs: Path, name: str, **changes: object) -> PreprocessConfig:
    source = {"source": name.split(",")[0], "input": str(inputs / name), "size": SIZE, "val": 1, "test": 1}
    return PreprocessConfig.model_validate(source | INPUTS[name][1] | changes)


def test_every_kind_of_source_has_an_input_here() -> None:
    assert {name.split(",")[0] for name in INPUTS} == set(get_args(SourceKind))


@pytest.mark.parametrize("name", INPUTS)
def test_trajectories_do_not_depend_on_the_order_of_a_directory(inputs: Path, tmp_path: Path, name: str) -> None:
    """The copy is written backwards, which is the order in which most file systems list it."""
    for file in sorted((path for path in (inputs / name).rglob("*") if path.is_file()), reverse=True):
        target = tmp_path / name / file.relative_to(inputs / name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    first = open_source(settings(inputs, name)).trajectories()
    assert list(first.items()) == list(open_source(settings(inputs, name)).trajectories().items())
    assert list(first.items()) == list(open_source(settings(tmp_path, name)).trajectories().items())
    assert len(first) >= 5


@pytest.mark.parametrize("name", INPUTS)
def test_frames_states_and_actions_are_aligned_and_the_same_again(inputs: Path, name: str) -> None:
    source = open_source(settings(inputs, name))
    for trajectory in list(source.trajectories())[:2]:
        one, again = (source.read(trajectory, shrink, 1) for _ in range(2))
        length = len(one.states)
        assert one.videos and one.robot
        assert one.states.shape[0] == one.actions.shape[0] == length > 0
        assert one.states.dtype == one.actions.dtype == np.float32
        for camera, frames in one.videos.items():
            assert frames.dtype == np.uint8 and frames.shape == (length, SIZE, SIZE, 3)
            assert frames.max() > frames.min() and "/" not in camera
            np.testing.assert_array_equal(frames, again.videos[camera])
        np.testing.assert_array_equal(one.states, again.states)
        np.testing.assert_array_equal(one.actions, again.actions)


@pytest.mark.parametrize("name", INPUTS)
def test_exactly_what_is_too_short_is_refused(inputs: Path, name: str) -> None:
    source = open_source(settings(inputs, name))
    trajectory = next(iter(source.trajectories()))
    length = len(source.read(trajectory, shrink, 1).states)
    assert len(source.read(trajectory, shrink, length).states) == length
    with pytest.raises(UnusableError) as caught:
        source.read(trajectory, shrink, length + 1)
    assert caught.value.kind == "too short"
    assert caught.value.reason == f"{length} usable frames, fewer than {length + 1}"


@pytest.mark.parametrize("name", INPUTS)
def test_two_workers_write_the_bytes_of_one(inputs: Path, tmp_path: Path, name: str) -> None:
    contents = []
    for workers in (1, 2):
        config = settings(inputs, name, output=str(tmp_path / str(workers)), workers=workers, min_frames=9)
        preprocess(config)
        contents.append({file.name: file.read_bytes() for file in (tmp_path / str(workers)).iterdir()})
    assert contents[0] == contents[1]
    store = FrameStore.open(tmp_path / "1")
    assert len(store.clips) == len({clip.clip for clip in store.clips}) >= 5


@pytest.mark.parametrize("name", INPUTS)
def test_auto_recognises_it_and_the_store_says_what_was_done(inputs: Path, tmp_path: Path, name: str) -> None:
    source = name.split(",")[0]
    changes = {"fit": "crop", "limit": 3, "min_frames": 1, "workers": 1}
    if source != "synthetic":
        changes["source"] = "auto"
    info = preprocess(settings(inputs, name, output=str(tmp_path / "store"), **changes)).info
    assert info.source == source
    assert FrameStore.open(tmp_path / "store").info == info
    chosen = {key: value for key, value in INPUTS[name][1].items() if key in ("cameras", "fps")}
    assert info.settings == {"fit": "crop"} | chosen


@pytest.mark.parametrize("name", [name for name in INPUTS if name != "synthetic"])
def test_a_missing_folder_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="--input"):
        open_source(settings(tmp_path, name)).trajectories()


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("name", INPUTS)
def test_every_source_fits_frames_as_it_is_told(inputs: Path, tmp_path: Path, name: str, fit: str) -> None:
    config = settings(inputs, name, output=str(tmp_path / "store"), fit=fit, workers=1, limit=3, min_frames=1)
    preprocess(config)
    store = FrameStore.open(tmp_path / "store")
    source = open_source(resolve_source(config)[0])
    clip = store.clips[0]
    whole = source.read(clip.trajectory, lambda frames: frames, 1).videos[clip.camera]
    np.testing.assert_array_equal(store.read(clip), resize_square(whole, SIZE, fit))
