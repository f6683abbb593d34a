"""Damaged video files and images: a reason or frames of the right shape, never anything else."""

import random
import re
from pathlib import Path

import av
import numpy as np
import pytest
from bar_videos import bar_frame, write_bars
from PIL import Image

from vqtool.data.skipped import Skipped
from vqtool.data.sources.videos import VideosSource
from vqtool.data.timed_frames import FrameChoice
from vqtool.preprocessing.work import Task, process

MUTANTS = 25
CODECS = {"mp4": "libx264", "mkv": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4"}


def whole_file(folder: Path, suffix: str) -> bytes:
    path = folder / f"whole.{suffix}"
    if suffix in CODECS:
        write_bars(path, range(20), CODECS[suffix])
    elif suffix == "gif":
        pictures = [Image.fromarray(bar_frame(number)) for number in range(12)]
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
    else:
        Image.fromarray(bar_frame(77)).save(path)
    return path.read_bytes()


def mutant(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 3, 20])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.3 else changed)


@pytest.mark.parametrize("suffix", [*CODECS, "gif", "png", "jpg"])
def test_a_mutant_has_a_reason_or_frames(tmp_path: Path, suffix: str) -> None:
    """A reason that names an exception would be one that nobody thought of."""
    av.logging.set_level(None)
    content = whole_file(tmp_path, suffix)
    rng = random.Random(suffix)
    name = "1" if suffix in ("png", "jpg") else "a"
    folder = tmp_path / "in" / "a" if name == "1" else tmp_path / "in"
    folder.mkdir(parents=True)
    for _ in range(MUTANTS):
        (folder / f"{name}.{suffix}").write_bytes(mutant(content, rng))
        source = VideosSource(tmp_path / "in", choice=FrameChoice(fps=rng.choice([0, 7]), max_frames=500))
        outcome = process(Task(source, "a", "a", 16, 1, 1000))
        if isinstance(outcome, Skipped):
            assert not re.match(r"\w+(Error|Exception|Warning): ", outcome.reason), outcome.reason
        else:
            frames = outcome.trajectory.videos["cam0"]
            assert frames.dtype == np.uint8 and frames.shape[1:] == (16, 16, 3) and 1 <= len(frames) <= 500
