"""How fast random training batches of normalised float frames come to the CPU, beside the reference method.

A repeat of a case is a stream of ten batches. Reference: a PyTorch DataLoader whose items load the whole video's .npy,
turn it into float64, normalise one frame (or the first 12) and go through the default collate. Bare: numpy.take from
one array in memory, then scaling. Memory: what belongs to the process alone (RssAnon), not the page cache that the
memory-mapped store shares with everybody.
"""

import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, replace
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Target, Timing, arguments, interleave, ratio, report, table
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from vqtool.core.config import PreprocessConfig
from vqtool.core.frames import FrameMemory, to_model
from vqtool.data.sampler import BatchSampler
from vqtool.data.shards import frames_file_bytes, shard_file
from vqtool.data.store import CLIPS_FILE, DATASET_FILE, Clip, FrameStore, Shard, count_splits
from vqtool.data.windows import Windows
from vqtool.preprocessing.pipeline import preprocess
from vqtool.training.batches import Batches

FRAMES, CLIPS, CLIP_FRAMES = 120, 10, 12
STREAM = 10
"""Batches a repeat: one alone, a millisecond, would be made in caches that the case before has filled."""
LARGE_SHARDS = 16
"""Of the store in the memory test, 1 GiB each (mostly holes on the disk)."""


class ReferenceDataset(Dataset[NDArray[np.float64]]):
    """One file a video; an item is one frame of it, or its first 12."""

    def __init__(self, store: FrameStore, folder: Path, clip_frames: int) -> None:
        mean, std = np.array(store.info.mean), np.array(store.info.std)
        self._mean, self._std, self._clip_frames = mean, std, clip_frames
        clips = [clip for clip in store.split("train") if clip.length >= clip_frames]
        files = [folder / f"{number}.npy" for number in range(len(clips))]
        for clip, file in zip(clips, files, strict=True):
            np.save(file, store.read(clip))
        starts = [range(clip.length) if clip_frames == 1 else range(1) for clip in clips]
        self._items = [(file, start) for file, mine in zip(files, starts, strict=True) for start in mine]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        file, start = self._items[index]
        video = np.load(file).astype(np.float64)
        frames = (video[start : start + self._clip_frames] / 255 - self._mean) / self._std
        return np.moveaxis(frames, -1, 1)


def reference(dataset: ReferenceDataset, batch_size: int) -> Callable[[], object]:
    """The next batch of a shuffling DataLoader, epoch after epoch."""

    def endless() -> Iterator[Any]:
        while True:
            yield from DataLoader(dataset, batch_size, shuffle=True, drop_last=True)

    batches = endless()
    return lambda: next(batches)


def bare(store: FrameStore, batch_size: int, clip_frames: int) -> Callable[[], object]:
    """numpy.take from memory and scaling, nothing else."""
    rng, frames = np.random.default_rng(0), np.array(store.shard(0))

    def batch() -> object:
        rows = rng.integers(0, len(frames) - clip_frames + 1, batch_size)[:, None] + np.arange(clip_frames)
        values = np.take(frames, rows, axis=0).astype(np.float32)
        values /= 127.5
        values -= 1
        return values

    return batch


def ours(store: FrameStore, batch_size: int, clip_frames: int) -> Callable[[], object]:
    """Batches as training gets them, made here and now rather than by a thread while something else is measured."""
    windows, device = Windows(store, "train", clip_frames, 1), torch.device("cpu")
    sampler, memory = BatchSampler(len(windows), batch_size, 0), FrameMemory()
    return lambda: to_model(windows.select(sampler.next()), device, memory)


def write_large(store: FrameStore, folder: Path) -> FrameStore:
    """A store of many full shards: the clips of `store` over and over, in files that are holes."""
    folder.mkdir()
    length = (1 << 30) // (store.info.size**2 * 3)
    clip = store.split("train")[0]
    clips = [
        replace(clip, clip=f"{shard}/{start}", shard=shard, start=start)
        for shard in range(LARGE_SHARDS)
        for start in range(0, length - clip.length, clip.length)
    ]
    for number in range(LARGE_SHARDS):
        file = folder / shard_file("frames", number)
        np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(length, *store.shard(0).shape[1:]))
        with file.open("r+b") as stream:
            stream.truncate(frames_file_bytes(length, store.info.size))
    with (folder / CLIPS_FILE).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([list(Clip.__dataclass_fields__), *map(astuple, clips)])
    shards = tuple(Shard(length, {}) for _ in range(LARGE_SHARDS))
    info = replace(store.info, shards=shards, splits=count_splits(clips))
    (folder / DATASET_FILE).write_text(dumps(asdict(info)))
    return FrameStore.open(folder)


def anonymous_mebibytes() -> float:
    """Memory of this process that is no mapped file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def growth(store: FrameStore) -> tuple[float, float]:
    """MiB that the process grows by while it takes 500 batches, and MiB of frames that the batches hold."""
    batches = Batches(Windows(store, "train", 1, 1), FRAMES, 0, torch.device("cpu"))
    batches.next()
    before = anonymous_mebibytes()
    for _ in range(500):
        batches.next()
    return anonymous_mebibytes() - before, 500 * FRAMES * store.info.size**2 * 3 / 2**20


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__, repeats=60)
    # The threads of torch, which only the reference uses, would go on spinning while the next case is measured.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = PreprocessConfig(
            input=str(options.data / "robonet_sim" / "hdf5"), output=str(folder / "store"), val=12, test=12
        )
        store = FrameStore.open(preprocess(config).path)
        streams = {name: _stream(batch) for name, batch in _cases(store, folder).items()}
        timings = interleave(streams, options.repeats)
        large = write_large(store, folder / "large")
        grown_small, _ = growth(store)
        grown_large, touched = growth(large)
        large_mebibytes = sum(frames_file_bytes(shard.frames, store.info.size) for shard in large.info.shards) / 2**20
    rows = [_row(case, timing) for case, timing in timings.items()]
    memory = (
        f"Growth of the process over 500 batches of {FRAMES} frames ({touched:,.0f} MiB of frames): "
        f"{grown_small:.1f} MiB on the store of {store.shard(0).nbytes / 2**20:,.0f} MiB, {grown_large:.1f} MiB on one "
        f"of {large_mebibytes:,.0f} MiB in {LARGE_SHARDS} shards."
    )
    head = ["case", "wall ms a batch", "CPU ms a batch", "frames/s (wall)"]
    by_cpu = (_ratios(timings, kind, "cpu") for kind in ("frames", "clips"))
    note = (
        f"The table has medians of {options.repeats} interleaved repeats. Ratios below are the medians of those of the "
        "wall times in each repeat. Of CPU times: "
        + "; ".join(f"{over:.3g} x the reference and {100 * of:.0f} % of bare" for over, of in by_cpu)
        + " for frames and for clips."
    )
    targets = _targets(timings, grown_large - grown_small)
    return report(
        "loading", [str(__doc__).split("\n\n")[1].strip(), table(head, rows), note, memory], targets, options.output
    )


def _stream(batch: Callable[[], object]) -> Callable[[], object]:
    def several() -> None:
        for _ in range(STREAM):
            batch()

    return several


def _cases(store: FrameStore, folder: Path) -> dict[str, Callable[[], object]]:
    for kind in ("frames", "clips"):
        (folder / kind).mkdir()
    return {
        "frames, reference": reference(ReferenceDataset(store, folder / "frames", 1), FRAMES),
        "frames, bare": bare(store, FRAMES, 1),
        "frames, vqtool": ours(store, FRAMES, 1),
        "clips, reference": reference(ReferenceDataset(store, folder / "clips", CLIP_FRAMES), CLIPS),
        "clips, bare": bare(store, CLIPS, CLIP_FRAMES),
        "clips, vqtool": ours(store, CLIPS, CLIP_FRAMES),
    }


def _row(case: str, timing: Timing) -> list[str]:
    wall, cpu = timing.wall_seconds / STREAM, timing.cpu_seconds / STREAM
    return [case, f"{wall * 1e3:.2f}", f"{cpu * 1e3:.2f}", f"{FRAMES / wall:,.0f}"]


def _ratios(timings: dict[str, Timing], kind: str, clock: str) -> tuple[float, float]:
    """Speed of vqtool over the reference's and over the bare gather's."""
    reference, bare, vqtool = (getattr(timings[f"{kind}, {name}"], clock) for name in ("reference", "bare", "vqtool"))
    return ratio(reference, vqtool), ratio(bare, vqtool)


def _targets(timings: dict[str, Timing], extra_mebibytes: float) -> list[Target]:
    frames, clips = (_ratios(timings, kind, "wall") for kind in ("frames", "clips"))
    return [
        Target("random frames, vqtool over reference", 40, frames[0]),
        Target("random frames, of numpy.take + normalise", 60, 100 * frames[1], "%"),
        Target("clips, of numpy.take + normalise", 60, 100 * clips[1], "%"),
        Target("memory, more growth on the large store", 16, extra_mebibytes, "MiB", at_most=True),
    ]


if __name__ == "__main__":
    sys.exit(main())
