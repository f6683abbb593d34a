"""Trainers killed with SIGKILL at any file operation, and resumed: nothing may differ from a run left alone.

The kills come from an audit hook: Python calls it before every file operation, so also in the middle of a checkpoint.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import TRAINER, Forks

from vqtool.core.checkpoint import load_state, verify_checkpoint
from vqtool.core.config import Config
from vqtool.runs.checkpoints import list_checkpoints
from vqtool.runs.folder import RunFolder
from vqtool.training.start import resume_run, start_run

Tiniest = Callable[..., Config]

FILE_OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "shutil.rmtree")


def train(config: Config, run: RunFolder, kill_at: int) -> None:
    """Start or resume a run; at its file operation number `kill_at` this process kills itself."""
    torch.set_num_threads(1)
    left = kill_at

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in FILE_OPERATIONS and str(arguments[0]).startswith(str(run.path)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if kill_at:
        sys.addaudithook(count)
    if run.exists():
        session = resume_run(run, config, "cpu", "vqtool train --resume")
    else:
        session = start_run(config, "cpu", "tiny.toml", "vqtool train")
    for _ in session.happenings():
        pass


def records(file: Path) -> list[dict[str, object]]:
    """What the log says, but for clocks."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    measured = ("speed/", "system/")
    return [{k: v for k, v in line.items() if k != "time" and not k.startswith(measured)} for line in lines]


def pointed(run: RunFolder) -> dict[str, str]:
    return {link.name: str(link.readlink()) for link in run.checkpoints.iterdir() if link.is_symlink()}


def assert_equal(one: object, other: object) -> None:
    """The same values all through nested dicts, lists and tensors."""
    assert type(one) is type(other)
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            if key != "seconds":
                assert_equal(one[key], other[key])
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        assert len(one) == len(other)
        for mine, others in zip(one, other, strict=True):
            assert_equal(mine, others)
    else:
        assert one == other


@pytest.mark.skipif(sys.platform != "linux", reason="SIGKILL and fork are needed")
def test_a_run_killed_again_and_again_ends_like_one_left_alone(tiniest: Tiniest, tmp_path: Path, forks: Forks) -> None:
    forks.load(*TRAINER)
    settings = ("train.steps=8", "train.accumulate=2", "model.quantizer.revive_below=0.9", "data.augment.flip=0.5")
    alone, killed = (RunFolder(tmp_path / "runs" / name) for name in ("alone", "killed"))
    assert forks.call(train, tiniest("run.name=alone", *settings), alone, 0) == 0

    config = tiniest("run.name=killed", *settings)
    rng = np.random.default_rng(int(os.environ.get("VQTOOL_KILL_SEED", "0")))
    num_kills, status = 0, None
    while status != "finished":
        # A run of a dozen steps makes about 400 file operations; creating its folder is another test's subject.
        kill_at = int(rng.integers(1, 100)) if killed.exists() else 60
        exit_code = forks.call(train, config, killed, kill_at if num_kills < 6 else 0)
        assert exit_code in (0, -signal.SIGKILL)
        num_kills += exit_code != 0
        status = killed.read_status()["status"]
    assert num_kills >= 4

    assert records(killed.metrics_file) == records(alone.metrics_file)
    assert pointed(killed) == pointed(alone)
    assert [step for step, _ in list_checkpoints(killed)] == [step for step, _ in list_checkpoints(alone)]
    for (_, one), (_, other) in zip(list_checkpoints(alone), list_checkpoints(killed), strict=True):
        verify_checkpoint(other)
        assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
        assert_equal(load_state(one), load_state(other))
    for folder in ("previews", "codebook"):
        files = [
            {path.relative_to(run.path): path.read_bytes() for path in sorted((run.path / folder).rglob("*.*"))}
            for run in (alone, killed)
        ]
        assert files[0] == files[1]
    assert not [path for path in killed.path.rglob(".*") if path.name != ".lock"]
