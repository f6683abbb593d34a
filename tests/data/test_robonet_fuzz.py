"""Thousands of broken RoboNet files: each is a right trajectory or a reason; no traceback, no hang, no wrong frame.

VQTOOL_FUZZ_MUTANTS sets how many (default 2,000), VQTOOL_FUZZ_SEED which.
"""

import os
import resource
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from vqtool.data import Frames
from vqtool.data.resize import resize
from vqtool.data.skipped import Skipped
from vqtool.data.sources.base import Trajectory, UnusableError
from vqtool.data.sources.robonet import RobonetSource
from vqtool.data.sources.synthetic import Recording, to_robonet
from vqtool.preprocessing.pool import map_ordered, process_pool, within
from vqtool.preprocessing.work import Processed, Task, give_up, process

NUM_MUTANTS = int(os.environ.get("VQTOOL_FUZZ_MUTANTS", "2000"))
SEED = int(os.environ.get("VQTOOL_FUZZ_SEED", "0"))
LENGTH, SIZE = 5, 16
Rng = np.random.Generator


def shrink(frames: Frames) -> Frames:
    return resize(frames, SIZE, SIZE)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny mp4 and a tiny jpg file, two cameras each, and one that an external link could lead to."""
    folder = tmp_path_factory.mktemp("originals")
    rng = np.random.default_rng(1)
    for encoding, image_format in (("mp4", "RGB"), ("jpg", "BGR")):
        videos = {f"cam{camera}": moving_square(rng) for camera in range(2)}
        states, actions = rng.random((LENGTH, 3), np.float32), rng.random((LENGTH - 1, 2), np.float32)
        content = to_robonet(Recording("toy", videos, states, actions), encoding, image_format)
        (folder / f"{encoding}.hdf5").write_bytes(content)
    shutil.copy(folder / "mp4.hdf5", folder / "target.h5")
    return folder


def moving_square(rng: Rng) -> Frames:
    frames = np.full((LENGTH, 24, 32, 3), rng.integers(40, 200, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        frame[6:16, 3 * number : 3 * number + 10] = rng.integers(0, 256, 3)
    return frames


ITEMS = ("env", "env/state", "policy", "policy/actions", "metadata", "misc", "env/cam0_video", "env/cam1_video")
PAYLOADS = {"mp4": ("frames",), "jpg": tuple(f"frame{number}" for number in range(LENGTH))}
ATTRIBUTES = {"env": ("n_cams", "cam_encoding"), "metadata": ("robot",)}
ODD_VALUES: tuple[object, ...] = (
    *(0, 1, 2, 3, 4, -1, 2**31, 2**62, -(2**62), 1.5, float("nan"), float("inf"), True),
    *("", "mp4", "jpg", "RGB", "BGR", "3", "\x00\x1b[2J", "x" * 3000, b"\xff\xfe", np.bytes_("jpg")),
    *(np.zeros(0), np.arange(3), np.zeros((2, 2)), np.array(["mp4", "jpg"], dtype="S3"), h5py.Empty("f4")),
)
DTYPES = ("u1", "i1", ">i4", "f4", "f8", "f2", "c8", "?", "S7", "V5")


def paths(file: h5py.File, rng: Rng) -> str:
    """Some group or dataset of the file."""
    camera = f"env/cam{rng.integers(2)}_video"
    encoding = "mp4" if "frames" in file["env/cam0_video"] else "jpg"
    return str(rng.choice([*ITEMS, *(f"{camera}/{name}" for name in PAYLOADS[encoding])]))


def datasets(file: h5py.File, rng: Rng) -> str:
    while True:
        path = paths(file, rng)
        if isinstance(file[path], h5py.Dataset):
            return path


def delete(file: h5py.File, rng: Rng, _: Path) -> None:
    del file[paths(file, rng)]


def change_attribute(file: h5py.File, rng: Rng, _: Path) -> None:
    item = file[paths(file, rng)]
    names = [*item.attrs, *ATTRIBUTES.get(item.name.strip("/"), ())]
    if names:
        item.attrs[str(rng.choice(names))] = ODD_VALUES[rng.integers(len(ODD_VALUES))]


def delete_attribute(file: h5py.File, rng: Rng, _: Path) -> None:
    item = file[paths(file, rng)]
    if item.attrs:
        del item.attrs[str(rng.choice(list(item.attrs)))]


def retype(file: h5py.File, rng: Rng, _: Path) -> None:
    path = datasets(file, rng)
    values, dtype = file[path][()], np.dtype(str(rng.choice(DTYPES)))
    changed = values.astype(dtype) if dtype.kind != "V" else np.zeros(values.shape, dtype)
    replace(file, path, changed)


def reshape(file: h5py.File, rng: Rng, _: Path) -> None:
    path = datasets(file, rng)
    values = file[path][()]
    shapes = [values[None], values[..., None], values.reshape(-1), values[:0], values.reshape(-1)[:1], values.flat[0]]
    replace(file, path, shapes[rng.integers(len(shapes))])


def replace(file: h5py.File, path: str, values: object) -> None:
    attributes = dict(file[path].attrs)
    del file[path]
    file[path] = values
    file[path].attrs.update(attributes)


def grow(file: h5py.File, rng: Rng, _: Path) -> None:
    """A claim of terabytes that the file does not hold."""
    path = datasets(file, rng)
    attributes, old = dict(file[path].attrs), file[path]
    shape = tuple(int(size) for size in (10 ** rng.integers(3, 12, old.ndim)))
    dtype, kwargs = old.dtype, {"chunks": tuple(min(size, 1000) for size in shape)}
    if rng.random() < 0.5:
        kwargs |= {"compression": "gzip"}
    del file[path]
    file.create_dataset(path, shape, dtype, **kwargs).attrs.update(attributes)


def link(file: h5py.File, rng: Rng, folder: Path) -> None:
    path = paths(file, rng)
    target: h5py.SoftLink | h5py.ExternalLink
    match rng.integers(3):
        case 0:
            target = h5py.SoftLink(str(rng.choice(["/env", f"/{path}", "/nowhere", "/env/cam0_video"])))
        case 1:
            target = h5py.ExternalLink(str(folder / "target.h5"), f"/{path}")
        case _:
            target = h5py.ExternalLink("/dev/zero", "/")
    del file[path]
    file[path] = target


def store_outside(file: h5py.File, rng: Rng, folder: Path) -> None:
    """A dataset whose values are bytes of another file."""
    path = datasets(file, rng)
    attributes, old = dict(file[path].attrs), file[path]
    shape, dtype = old.shape, old.dtype
    num_bytes = old.nbytes
    del file[path]
    outside = [(str(folder / "target.h5"), 0, num_bytes)]
    file.create_dataset(path, shape, dtype, external=outside).attrs.update(attributes)


def virtual(file: h5py.File, rng: Rng, folder: Path) -> None:
    path = datasets(file, rng)
    attributes, old = dict(file[path].attrs), file[path]
    layout = h5py.VirtualLayout(old.shape, old.dtype)
    layout[...] = h5py.VirtualSource(str(folder / "target.h5"), path, old.shape)
    del file[path]
    file.create_virtual_dataset(path, layout).attrs.update(attributes)


def swap(file: h5py.File, rng: Rng, _: Path) -> None:
    one, other = paths(file, rng), paths(file, rng)
    if one.startswith(other) or other.startswith(one):
        return
    file.move(one, "aside")
    file.move(other, one)
    file.move("aside", other)


def damage_payload(file: h5py.File, rng: Rng, _: Path) -> None:
    """Flip bytes, cut, extend, or exchange a stretch of an mp4 or jpg."""
    encoding = "mp4" if "frames" in file["env/cam0_video"] else "jpg"
    path = f"env/cam{rng.integers(2)}_video/{rng.choice(PAYLOADS[encoding])}"
    payload = np.array(file[path][()])
    match rng.integers(5):
        case 0:
            payload = payload[: rng.integers(len(payload))]
        case 1:
            payload = np.concatenate([payload, rng.integers(0, 256, 200, dtype=np.uint8)])
        case 2:
            start = rng.integers(len(payload))
            payload[start : start + 40] = rng.integers(0, 256, len(payload[start : start + 40]))
        case 3:
            # The first bytes are the headers: sizes, counts and lengths are here.
            places = rng.integers(0, min(len(payload), 700), rng.integers(1, 9))
            payload[places] = rng.choice([0, 1, 0x7F, 0x80, 0xFF], len(places))
        case _:
            places = rng.integers(0, len(payload), rng.integers(1, 9))
            payload[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
    replace(file, path, payload)


Mutation = Callable[[h5py.File, Rng, Path], None]
STRUCTURE: tuple[Mutation, ...] = (
    *(delete, change_attribute, change_attribute, delete_attribute, retype, reshape),
    *(grow, link, store_outside, virtual, swap),
)
LAST: tuple[Mutation, ...] = (grow, link, store_outside, virtual)
"""What these leave, another mutation could not even read."""


def mutate(file: h5py.File, rng: Rng, folder: Path, mutations: tuple[Mutation, ...]) -> None:
    """One or two mutations."""
    for _ in range(rng.integers(1, 3)):
        mutation = mutations[rng.integers(len(mutations))]
        try:
            mutation(file, rng, folder)
        except Exception:
            return  # the one before removed what this one needs
        if mutation in LAST:
            return


def payload_bytes(path: Path) -> dict[str, bytes]:
    """Every camera frame's bytes, with the format that says how to read them."""
    with h5py.File(path) as file:
        found: dict[str, bytes] = {}
        for camera in ("cam0", "cam1"):
            for name, item in file[f"env/{camera}_video"].items():
                found[f"{camera}/{name}"] = bytes(item[()]) + str(item.attrs.get("image_format")).encode()
        return found


def check(outcome: Trajectory, mutant: Path, before: dict[str, bytes], expected: Trajectory) -> None:
    """Right shapes, and the frames of every camera whose payload is as it was."""
    length = len(outcome.states)
    assert 1 <= length <= LENGTH and len(outcome.actions) == length
    assert outcome.states.dtype == outcome.actions.dtype == np.float32
    assert outcome.states.ndim == outcome.actions.ndim == 2
    assert len(outcome.robot) <= 200 and outcome.robot.isprintable()
    after = payload_bytes(mutant)
    for camera, frames in outcome.videos.items():
        assert frames.shape == (length, SIZE, SIZE, 3) and frames.dtype == np.uint8
        mine = {name: content for name, content in before.items() if name.startswith(f"{camera}/")}
        if all(after.get(name) == content for name, content in mine.items()):
            np.testing.assert_array_equal(frames, expected.videos[camera][:length])


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    """No more address space than 3 GiB above what is in use: a believed length field fails here."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 30), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("encoding", ["mp4", "jpg"])
@pytest.mark.parametrize("kind", ["structure", "payload"])
def test_mutants_are_right_or_have_a_reason(
    originals: Path, tmp_path: Path, bounded_memory: None, encoding: str, kind: str
) -> None:
    rng = np.random.default_rng([SEED, len(encoding), len(kind)])
    expected, before = RobonetSource(originals).read(encoding, shrink, 1), payload_bytes(originals / f"{encoding}.hdf5")
    outcomes: Counter[str] = Counter()
    for number in range(NUM_MUTANTS // 5):
        mutant = tmp_path / "mutant.hdf5"
        shutil.copy(originals / f"{encoding}.hdf5", mutant)
        with h5py.File(mutant, "r+") as file:
            mutate(file, rng, originals, STRUCTURE if kind == "structure" else (damage_payload,))
        try:
            trajectory = RobonetSource(tmp_path).read("mutant", shrink, 1)
        except UnusableError as error:
            assert error.reason and len(error.reason) < 1000
            assert "unable to allocate" not in error.reason.lower(), f"mutant {number}: {error.reason}"
            outcomes[error.kind] += 1
        else:
            check(trajectory, mutant, before, expected)
            outcomes["used"] += 1
    assert outcomes["used"] > 0 and outcomes["damaged"] > 0, outcomes


def test_files_of_damaged_bytes_never_stop_the_workers(originals: Path, tmp_path: Path) -> None:
    """Raw bytes may crash the HDF5 library or hang it, and some do: these go through real worker processes."""
    rng = np.random.default_rng([SEED, 3])
    tasks = []
    for number in range(NUM_MUTANTS // 5):
        content = bytearray((originals / ("mp4.hdf5", "jpg.hdf5")[number % 2]).read_bytes())
        for place in rng.integers(0, len(content), rng.integers(1, 30)):
            content[place] = rng.choice([0, 1, 0x7F, 0xFF, int(rng.integers(256))])
        if number % 5 == 0:
            content = content[: rng.integers(len(content))]
        (tmp_path / f"{number}.hdf5").write_bytes(content)
        tasks.append(Task(RobonetSource(tmp_path), str(number), f"{number}.hdf5", SIZE, 1, 10_000))
    results = map_ordered(
        partial(process_pool, 2), partial(within, 2.0, process), tasks, in_flight=6, give_up=partial(give_up, 2.0)
    )
    kinds: Counter[str] = Counter()
    for task, outcome in zip(tasks, results, strict=True):
        if isinstance(outcome, Processed):
            assert outcome.name == task.name
            lengths = {len(frames) for frames in outcome.trajectory.videos.values()}
            assert lengths == {len(outcome.trajectory.states)}
        else:
            assert isinstance(outcome, Skipped) and outcome.trajectory == task.name and outcome.reason
        kinds[outcome.kind if isinstance(outcome, Skipped) else "used"] += 1
    assert kinds["timed out"] + kinds["crashed"] < len(tasks) / 20 and kinds["used"] > 0 and kinds["damaged"] > 0, kinds


@pytest.mark.parametrize("path", ["env", "env/state", "env/cam0_video", "env/cam1_video/frames", "metadata"])
def test_links_to_other_files_are_not_followed(originals: Path, tmp_path: Path, path: str) -> None:
    shutil.copy(originals / "mp4.hdf5", tmp_path)
    with h5py.File(tmp_path / "mp4.hdf5", "r+") as file:
        del file[path]
        file[path] = h5py.ExternalLink(str(originals / "target.h5"), f"/{path}")
    with pytest.raises(UnusableError, match="is a link"):
        RobonetSource(tmp_path).read("mp4", shrink, 1)


@pytest.mark.parametrize("mutation", [store_outside, virtual])
@pytest.mark.parametrize("seed", range(8))
def test_values_kept_in_other_files_are_not_read(
    originals: Path, tmp_path: Path, mutation: Mutation, seed: int
) -> None:
    shutil.copy(originals / "mp4.hdf5", tmp_path)
    with h5py.File(tmp_path / "mp4.hdf5", "r+") as file:
        mutation(file, np.random.default_rng(seed), originals)
    with pytest.raises(UnusableError, match="in another file"):
        RobonetSource(tmp_path).read("mp4", shrink, 1)


def test_claims_of_terabytes_are_not_believed(originals: Path, tmp_path: Path, bounded_memory: None) -> None:
    for path, shape in (
        ("env/state", (10**9, 3)),
        ("env/state", (LENGTH, 10**9)),
        ("env/cam0_video/frames", (10**12,)),
    ):
        for compression in (None, "gzip"):
            shutil.copy(originals / "mp4.hdf5", tmp_path)
            with h5py.File(tmp_path / "mp4.hdf5", "r+") as file:
                attributes, dtype = dict(file[path].attrs), file[path].dtype
                del file[path]
                chunks = tuple(min(size, 1000) for size in shape)
                made = file.create_dataset(path, shape, dtype, chunks=chunks, compression=compression)
                made.attrs.update(attributes)
            with pytest.raises(UnusableError, match="claims"):
                RobonetSource(tmp_path).read("mp4", shrink, 1)
