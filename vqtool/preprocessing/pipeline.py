"""`preprocess`: a source of raw videos becomes a frame store."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vqtool.core.config import PreprocessConfig
from vqtool.data.sources import open_source, recorded_settings, resolve_source
from vqtool.data.store import Skipped, StoreInfo
from vqtool.data.store_writer import Origin, StoreWriter, Video
from vqtool.errors import DataError
from vqtool.preprocessing.pool import map_ordered, num_cores, process_pool
from vqtool.preprocessing.split import SPLIT_RULE, SplitAssigner, ranked
from vqtool.preprocessing.statistics import ChannelSums
from vqtool.preprocessing.work import Processed, Task, process

logger = logging.getLogger(__name__)

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What `preprocess` made: the store's folder and contents, and the wall time in seconds."""

    path: Path
    info: StoreInfo
    seconds: float

    @property
    def num_frames(self) -> int:
        """Frames in the store."""
        return sum(counts.frames for counts in self.info.splits.values())

    @property
    def frames_per_second(self) -> float:
        """Stored frames a second, end to end."""
        return self.num_frames / max(self.seconds, 1e-9)


def preprocess(config: PreprocessConfig, advance: Advance | None = None) -> Summary:
    """Write the frame store `config.output` from the raw videos of `config.input`.

    The store's bytes depend on the input and the settings, not on the number of workers or the order of a directory.
    `advance` is called with the number of trajectories done and of all.

    Raises:
        DataError: no usable input, too few trajectories for the splits, or an output folder that is not free.
        VqtoolError: no space left, or the output cannot be written.
    """
    started = time.monotonic()
    config = resolve_source(config)[0]
    source = open_source(config)
    origins = source.trajectories()
    names = ranked(origins, config.seed)[: config.limit or None]
    _check_splits(config, len(names), "trajectories")
    with StoreWriter(Path(config.output), config.size) as writer:
        tasks = [
            Task(source, name, origins[name], config.size, config.min_frames, writer.max_frames, config.fit)
            for name in names
        ]
        with closing(_results(tasks, config.workers)) as results:
            sums, skipped = _store_all(results, len(tasks), writer, config, advance)
        _check_usable(config, len(tasks) - len(skipped), skipped)
        info = writer.finish(
            Origin(
                source=config.source,
                min_frames=config.min_frames,
                seed=config.seed,
                split_rule=SPLIT_RULE,
                mean=sums.mean(),
                std=sums.std(),
                skipped=tuple(skipped),
                settings=recorded_settings(config),
            )
        )
    return Summary(writer.path, info, time.monotonic() - started)


def _results(tasks: Sequence[Task], workers: int) -> Generator[Processed | Skipped]:
    """The outcome of each task in order; closing it ends the worker processes."""
    num_workers = min(workers or num_cores(), len(tasks))
    with process_pool(num_workers) as executor:
        yield from map_ordered(executor, process, tasks, in_flight=2 * num_workers + 2)


def _store_all(
    results: Iterator[Processed | Skipped],
    total: int,
    writer: StoreWriter,
    config: PreprocessConfig,
    advance: Advance | None,
) -> tuple[ChannelSums, list[Skipped]]:
    """Store every usable trajectory; returns the train split's sums and what was skipped, in ranked order."""
    splits = SplitAssigner(config.val, config.test)
    train_sums = ChannelSums()
    skipped: list[Skipped] = []
    for done, result in enumerate(results, start=1):
        if isinstance(result, Skipped):
            logger.info("skipped %s: %s", result.source, result.reason)
            skipped.append(result)
        else:
            split = splits.next()
            if split == "train":
                train_sums += result.sums
            for video in _videos(result):
                writer.add(video, split)
        if advance:
            advance(done, total)
    return train_sums, skipped


def _videos(result: Processed) -> Iterator[Video]:
    trajectory = result.trajectory
    for camera, frames in trajectory.videos.items():
        yield Video(result.name, camera, trajectory.robot, result.origin, frames, trajectory.states, trajectory.actions)


def _check_usable(config: PreprocessConfig, num_usable: int, skipped: Sequence[Skipped]) -> None:
    if num_usable == 0:
        kinds = Counter(skip.kind for skip in skipped)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise DataError(
            f"none of the {len(skipped)} trajectories can be used: {counts}; "
            f"the first, {skipped[0].source}: {skipped[0].reason}"
        )
    _check_splits(config, num_usable, f"usable trajectories ({len(skipped)} were skipped)")


def _check_splits(config: PreprocessConfig, num_trajectories: int, noun: str) -> None:
    if config.val + config.test >= num_trajectories:
        share = max(num_trajectories // 10, 1)
        advice = f"for example --val {share} --test {share}" if num_trajectories > 2 else "for example --val 0 --test 0"
        raise DataError(
            f"{config.val} val and {config.test} test trajectories leave none for training, out of "
            f"{num_trajectories} {noun}: set --val and --test lower, {advice}"
        )
