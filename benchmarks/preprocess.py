"""How fast RoboNet files become a frame store, beside the reference method, on robonet_sim.

Reference: imageio.get_reader (an ffmpeg process a clip) for mp4, OpenCV for jpg and for resizing, one process, nothing
written. Decode + resize: vqtool's own, in one worker process, nothing written. End to end: `vqtool preprocess` with
worker processes: read, decode, resize, write, checksum, and starting the workers.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import h5py
from measuring import Target, Timing, arguments, interleave, ratio, report, table, watch
from measuring.workers import run_in_worker

from vqtool.data.resize import resize
from vqtool.data.sources.base import UnusableError
from vqtool.data.sources.robonet import RobonetSource

SIZE, MIN_FRAMES = 64, 12
WATCHED = 3
"""Repeats for the CPU time and memory of worker processes, apart from those for the wall time."""


def decode_and_resize(folder: Path) -> None:
    """What a worker does to the frames, for every file of a folder."""
    source = RobonetSource(folder)
    for name in source.trajectories():
        try:
            source.read(name, lambda frames: resize(frames, SIZE, SIZE), MIN_FRAMES)
        except UnusableError as error:
            if error.kind != "too short":
                raise


def halves(folder: Path, into: Path) -> dict[str, Path]:
    """Folders of links to the mp4 and to the jpg files, and to a quarter of all."""
    files = sorted(folder.glob("*.hdf5"))
    kinds: dict[str, list[Path]] = {"mp4": [], "jpg": [], "quarter": files[::4]}
    for file in files:
        with h5py.File(file, "r") as hdf5:
            kinds[str(hdf5["env"].attrs["cam_encoding"])].append(file)
    for kind, mine in kinds.items():
        (into / kind).mkdir()
        for file in mine:
            (into / kind / file.name).symlink_to(file.resolve())
    return {kind: into / kind for kind in kinds}


def main() -> int:
    """Measure and report."""
    # Here, because every worker process imports this file again; the script `vqtool` has nothing heavy at its top.
    from measuring.reference import run_reference

    from vqtool.core.config import PreprocessConfig
    from vqtool.preprocessing.pipeline import preprocess

    options = arguments(__doc__, repeats=12)
    folder = options.data / "robonet_sim" / "hdf5"
    with tempfile.TemporaryDirectory() as name:
        scratch, numbers = Path(name), count()
        parts = halves(folder, scratch)

        def end_to_end(source: Path, workers: int) -> None:
            output = str(scratch / f"store{next(numbers)}")
            preprocess(PreprocessConfig(input=str(source), output=output, val=2, test=2, workers=workers))

        end_to_end(parts["quarter"], 1)  # the fork server imports what all later runs share
        cases: dict[str, Callable[[], object]] = {
            "reference, mp4 half": partial(run_reference, parts["mp4"]),
            "reference, jpg half": partial(run_reference, parts["jpg"]),
            "decode + resize, all": partial(run_in_worker, decode_and_resize, folder),
            "end to end, 1 worker, all": partial(end_to_end, folder, 1),
            "end to end, 1 worker, mp4 half": partial(end_to_end, parts["mp4"], 1),
            "end to end, 1 worker, a quarter": partial(end_to_end, parts["quarter"], 1),
            "end to end, 2 workers, all": partial(end_to_end, folder, 2),
        }
        timings, watched = interleave(cases, options.repeats), watch(cases, WATCHED)
    head = ["case", "wall s", "CPU s", "largest worker MiB"]
    rows = [_row(case, timing, watched[case]) for case, timing in timings.items()]
    sections = [str(__doc__).split("\n\n")[1].strip(), table(head, rows), _note(options.repeats, watched)]
    return report("preprocess", sections, _targets(timings, watched), options.output)


def _row(case: str, timing: Timing, watched: Timing) -> list[str]:
    memory = f"{watched.worker_mebibytes:.0f}" if watched.worker_mebibytes else ""
    return [case, f"{timing.wall_seconds:.2f}", f"{watched.cpu_seconds:.2f}", memory]


def _speedups(timings: dict[str, Timing], clock: str) -> tuple[float, float, float]:
    """Over the reference on the whole set and on the mp4 half, and the share of decode + resize alone in percent."""
    seconds = {case: getattr(timing, clock) for case, timing in timings.items()}
    whole, mp4 = seconds["end to end, 1 worker, all"], seconds["end to end, 1 worker, mp4 half"]
    halves = zip(seconds["reference, mp4 half"], seconds["reference, jpg half"], strict=True)
    return (
        ratio([sum(both) for both in halves], whole),
        ratio(seconds["reference, mp4 half"], mp4),
        100 * ratio(seconds["decode + resize, all"], whole),
    )


def _note(repeats: int, watched: dict[str, Timing]) -> str:
    whole, mp4, share = _speedups(watched, "cpu")
    return (
        f"Wall times are medians of {repeats} interleaved repeats, and the ratios below the medians of those in each "
        f"repeat. CPU times (user + system, all processes) and memory are of {WATCHED} more repeats, in which the "
        f"workers are looked at every 50 ms. By CPU time: whole set {whole:.2f} x, mp4 half {mp4:.2f} x, "
        f"{share:.0f} % of decode + resize."
    )


def _targets(timings: dict[str, Timing], watched: dict[str, Timing]) -> list[Target]:
    whole, mp4, share = _speedups(timings, "wall")
    one, two = (timings[f"end to end, {workers}, all"] for workers in ("1 worker", "2 workers"))
    peak = max(timing.worker_mebibytes for timing in watched.values())
    quarter = watched["end to end, 1 worker, a quarter"].worker_mebibytes
    growth = watched["end to end, 1 worker, all"].worker_mebibytes - quarter
    return [
        Target("whole set, 1 worker over reference", 2.5, whole),
        Target("mp4 half, 1 worker over reference", 4.5, mp4),
        Target("end to end, of decode + resize alone", 85, share, "%"),
        Target("2 workers over 1", 1.8, ratio(one.wall, two.wall)),
        Target("memory of the largest worker", 400, peak, "MiB", at_most=True),
        Target("memory, all files more than a quarter of them", 40, growth, "MiB", at_most=True),
    ]


if __name__ == "__main__":
    sys.exit(main())
