"""`preprocess`: a source of raw videos becomes a frame store."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import assert_never

from vqtool.core.config import PreprocessConfig
from vqtool.data.journal import Entry
from vqtool.data.skipped import Skipped
from vqtool.data.sources.choice import open_source, recorded_settings, resolve_source
from vqtool.data.store import StoreInfo
from vqtool.data.store_writer import COMMIT_SECONDS, Origin, StoreWriter, Video
from vqtool.errors import DataError
from vqtool.preprocessing.cluster import dask_executor
from vqtool.preprocessing.fingerprint import fingerprint
from vqtool.preprocessing.pool import map_ordered, num_cores, process_pool, within
from vqtool.preprocessing.split import SPLIT_RULE, TEST_LIST_RULE, SplitAssigner, ranked
from vqtool.preprocessing.statistics import ChannelSums
from vqtool.preprocessing.test_list import TestList, read_test_list
from vqtool.preprocessing.work import Processed, Task, give_up, process

logger = logging.getLogger(__name__)

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What `preprocess` made: the store's folder and contents, and the wall time in seconds.

    `num_resumed` trajectories were stored by an earlier, interrupted run, and `num_new_frames` frames by this one.
    `unknown_test_names` are the lines of the test list that name no trajectory.
    """

    path: Path
    info: StoreInfo
    seconds: float
    num_resumed: int
    num_new_frames: int
    unknown_test_names: tuple[str, ...]

    @property
    def num_frames(self) -> int:
        """Frames in the store."""
        return sum(counts.frames for counts in self.info.splits.values())

    @property
    def frames_per_second(self) -> float:
        """Frames stored by this run a second, end to end."""
        return self.num_new_frames / max(self.seconds, 1e-9)


def preprocess(
    config: PreprocessConfig, advance: Advance | None = None, commit_seconds: float = COMMIT_SECONDS
) -> Summary:
    """Write the frame store `config.output` from the raw videos of `config.input`, or finish one that was interrupted.

    The store's bytes depend on the input and the settings, not on the number of workers, the order of a directory or
    interruptions. `advance` is called with the number of trajectories done and of all; what is done is on the disk at
    least every `commit_seconds`.

    Raises:
        DataError: no usable input, too few trajectories for the splits, an output folder that is not free, or one that
            was begun with other settings.
        VqtoolError: no space left, or the output cannot be written; the same call continues once it can.
    """
    started = time.monotonic()
    config = resolve_source(config)[0]
    source = open_source(config)
    origins = source.trajectories()
    test_list = read_test_list(Path(config.test_list), origins) if config.test_list else None
    names = ranked(origins, config.seed)[: config.limit or None]
    _check_splits(config, test_list, names, "trajectories")
    mark = fingerprint(config, names, origins, test_list)
    unknown = test_list.unknown if test_list else ()
    with StoreWriter(Path(config.output), config.size, fingerprint=mark, commit_seconds=commit_seconds) as writer:
        num_resumed = len(writer.entries)
        if writer.finished:
            return Summary(writer.path, writer.finished, time.monotonic() - started, len(names), 0, unknown)
        tasks = [
            Task(source, name, origins[name], config.size, config.min_frames, writer.max_frames, config.fit)
            for name in names
        ]
        progress = Progress(writer, SplitAssigner(config.val, config.test, test_list.names if test_list else None))
        if num_resumed:
            logger.warning("continuing %s after %d of %d trajectories", writer.path, num_resumed, len(tasks))
        if num_resumed and advance:
            advance(num_resumed, len(tasks))
        with closing(_results(tasks[num_resumed:], config)) as results:
            for done, result in enumerate(results, start=num_resumed + 1):
                progress.store(result)
                if advance:
                    advance(done, len(tasks))
        info = _finish(writer, progress, config, test_list)
    seconds = time.monotonic() - started
    return Summary(writer.path, info, seconds, num_resumed, progress.num_new_frames, unknown)


class Progress:
    """What is stored so far: the trajectories of an interrupted run first, then each new one."""

    def __init__(self, writer: StoreWriter, splits: SplitAssigner) -> None:
        self.train_sums = ChannelSums()
        self.skipped: list[Skipped] = []
        self.usable: list[str] = []
        self.num_new_frames = 0
        self._writer = writer
        self._splits = splits
        for entry in writer.entries:
            self._count(entry)

    def store(self, result: Processed | Skipped) -> None:
        """Store a trajectory with all its cameras, or note that it cannot be."""
        if isinstance(result, Skipped):
            logger.info("skipped %s: %s", result.source, result.reason)
            entry = Entry(result.trajectory, skipped=result)
            self._count(entry)
        else:
            split = self._splits.next(result.name)
            clips = tuple(self._writer.add(video, split) for video in _videos(result))
            self.num_new_frames += sum(clip.length for clip in clips)
            entry = Entry(result.name, clips, result.sums.numbers())
            self._add(entry)
        self._writer.record(entry)

    def _count(self, entry: Entry) -> None:
        """Take over an entry, dealing out its split once more."""
        if entry.skipped:
            self.skipped.append(entry.skipped)
        else:
            self._splits.next(entry.trajectory)
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.usable.append(entry.trajectory)
        if entry.clips[0].split == "train":
            self.train_sums += ChannelSums.from_numbers(entry.notes)


def _finish(writer: StoreWriter, progress: Progress, config: PreprocessConfig, test_list: TestList | None) -> StoreInfo:
    try:
        _check_usable(config, test_list, progress)
    except DataError:
        # No other settings can continue it, and these would fail again.
        writer.discard()
        raise
    return writer.finish(
        Origin(
            source=config.source,
            min_frames=config.min_frames,
            seed=config.seed,
            split_rule=SPLIT_RULE if test_list is None else TEST_LIST_RULE,
            mean=progress.train_sums.mean(),
            std=progress.train_sums.std(),
            skipped=tuple(progress.skipped),
            settings=recorded_settings(config),
        )
    )


def _results(tasks: Sequence[Task], config: PreprocessConfig) -> Generator[Processed | Skipped]:
    """The outcome of each task in order; closing it ends the worker processes, or leaves the cluster."""
    if not tasks:
        return
    give_up_late = partial(give_up, config.timeout_seconds)
    match config.executor:
        case "local":
            num_workers = min(config.workers or num_cores(), len(tasks))
            timed = partial(within, config.timeout_seconds, process)
            yield from map_ordered(
                partial(process_pool, num_workers), timed, tasks, in_flight=2 * num_workers + 2, give_up=give_up_late
            )
        case "dask":
            # No limit of time: its alarm needs a process's main thread, and Dask runs tasks in others.
            with dask_executor(config.scheduler) as cluster:
                yield from map_ordered(
                    lambda: cluster, process, tasks, in_flight=2 * cluster.num_workers + 2, give_up=give_up_late
                )
        case _:
            assert_never(config.executor)


def _videos(result: Processed) -> Iterator[Video]:
    trajectory = result.trajectory
    for camera, frames in trajectory.videos.items():
        yield Video(result.name, camera, trajectory.robot, result.origin, frames, trajectory.states, trajectory.actions)


def _check_usable(config: PreprocessConfig, test_list: TestList | None, progress: Progress) -> None:
    skipped = progress.skipped
    if not progress.usable:
        kinds = Counter(skip.kind for skip in skipped)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        advice = "set --min-frames lower" if "too short" in kinds else "give the folder of whole videos with --input"
        raise DataError(
            f"none of the {len(skipped)} trajectories can be used: {counts}; "
            f"the first, {skipped[0].source}: {skipped[0].reason}; {advice}"
        )
    _check_splits(config, test_list, progress.usable, f"usable trajectories ({len(skipped)} were skipped)")


def _check_splits(config: PreprocessConfig, test_list: TestList | None, names: Sequence[str], noun: str) -> None:
    num_trajectories = len(names)
    num_test = config.test if test_list is None else sum(name in test_list.names for name in names)
    if config.val + num_test < num_trajectories:
        return
    start = f"{config.val} val and {num_test} test trajectories leave none for training, out of"
    if test_list:
        raise DataError(
            f"{start} {num_trajectories} {noun}: set --val lower, or list fewer names in {config.test_list}"
        )
    share = max(num_trajectories // 10, 1)
    advice = f"for example --val {share} --test {share}" if num_trajectories > 2 else "for example --val 0 --test 0"
    raise DataError(f"{start} {num_trajectories} {noun}: set --val and --test lower, {advice}")
