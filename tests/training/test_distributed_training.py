"""Training by two real processes over gloo: the same steps as by one, one writer, and a job that ends when one dies."""

import json
import os
import signal
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest
import torch
from forks import TRAINER, Child, Forks, free_port, pipe, two_processes, vqtool

from vqtool.core.checkpoint import load_state
from vqtool.core.config import Config
from vqtool.core.config_file import dump_config
from vqtool.runs.checkpoints import list_checkpoints
from vqtool.runs.folder import RunFolder
from vqtool.training.start import start_run

Tiniest = Callable[..., Config]
SETTINGS = (
    "train.accumulate=2", "model.linear_path=true", "model.quantizer.revive_below=0.9", "data.augment.flip=0.5",
    "data.augment.min_crop=0.5", "data.augment.contrast=0.5",
    "loss.adversarial_weight=0.5", "loss.adversarial_start=0.25", "loss.discriminator_warmup=0.25",
    "loss.discriminator_channels=8", "loss.lecam_weight=0.01",
)  # fmt: skip


def start(forks: Forks, folder: Path, port: int, *arguments: str) -> list[int]:
    """A job of two processes, as torchrun starts them; what they tell goes to `messages-0` and `messages-1`."""
    forks.load(*TRAINER)
    command = ("train", "--device", "cpu", *arguments)
    return [
        forks.start(Child(vqtool, command, folder / "out", folder / f"messages-{rank}", two_processes(rank, port)))
        for rank in (0, 1)
    ]


def train(forks: Forks, folder: Path, *arguments: str) -> tuple[int, str]:
    """A whole job of two processes: the exit code and the messages of the main one."""
    codes = [forks.wait(pid) for pid in start(forks, folder, free_port(), *arguments)]
    messages, others = ((folder / f"messages-{rank}").read_text() for rank in (0, 1))
    assert codes[0] == codes[1], messages + others
    return codes[0], messages


def config_file(config: Config, folder: Path) -> str:
    file = folder / f"{config.run.name}.toml"
    file.write_text(dump_config(config))
    return str(file)


def numbers(run: RunFolder) -> list[dict[str, float]]:
    """What the log says, but for clocks."""
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    measured = ("speed/", "system/")
    return [{k: v for k, v in line.items() if k != "time" and not k.startswith(measured)} for line in lines]


def assert_near(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    """The same lines, numbers within what another order of sums gives."""
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    for line, other in zip(found, expected, strict=True):
        for name, value in line.items():
            assert value == (pytest.approx(other[name], rel=2e-3, abs=1e-4) if name != "split" else other[name]), name


def alone(config: Config) -> RunFolder:
    session = start_run(config, "cpu", "tiny.toml", "vqtool train")
    for _ in session.happenings():
        pass
    return session.run


def test_two_processes_train_like_one_and_go_on_as_one(tiniest: Tiniest, tmp_path: Path, forks: Forks) -> None:
    torch.manual_seed(0)
    one = alone(tiniest("run.name=one", *SETTINGS))
    first = tiniest("run.name=two", *SETTINGS)
    code, messages = train(forks, tmp_path, "--config", config_file(first, tmp_path))
    two = RunFolder(tmp_path / "runs" / "two")
    assert code == 0, messages
    assert_near(numbers(two), numbers(one))
    events = [json.loads(line)["kind"] for line in two.events_file.read_text().splitlines()]
    assert events.count("start") == events.count("finish") == 1
    states = [load_state(list_checkpoints(run)[-1][1])["trainer"] for run in (one, two)]
    for name, weights in states[0]["model"].items():
        torch.testing.assert_close(states[1]["model"][name], weights, rtol=1e-2, atol=2e-3)

    # Another number of processes goes on from there.
    longer = ("--resume", "--set", "train.steps=10")
    code, messages = train(forks, tmp_path, "--run", str(one.path), *longer)
    assert code == 0, messages
    assert [line["step"] for line in numbers(one) if line["split"] == "train"] == list(range(1, 11))


def test_a_killed_process_ends_the_job_and_a_resume_goes_on(tiniest: Tiniest, tmp_path: Path, forks: Forks) -> None:
    config = tiniest("run.name=killed", "train.steps=100000", "train.eval_every=100000", "train.preview_every=100000")
    run = RunFolder(tmp_path / "runs" / "killed")
    with pipe(tmp_path / "messages-0") as messages:
        main, other = start(forks, tmp_path, free_port(), "--config", config_file(config, tmp_path))
        # Read on until the first checkpoint is told.
        told = list(takewhile(lambda line: "checkpoint step-" not in line, messages))
        os.kill(other, signal.SIGKILL)
        assert forks.wait(other) == -signal.SIGKILL
        told += messages.readlines()
    assert forks.wait(main) == 1, told
    (tmp_path / "messages-0").unlink()
    assert run.read_status()["status"] == "failed", told
    assert "another process of this job has ended" in told[-1] and not any("Traceback" in line for line in told)
    step = list_checkpoints(run)[-1][0]
    session_config = ("--run", str(run.path), "--resume", "--set", f"train.steps={step + 2}")
    code, messages = train(forks, tmp_path, *session_config)
    assert code == 0, messages
    assert run.read_status()["step"] == step + 2


def test_a_batch_that_cannot_be_shared_is_refused_once(tiniest: Tiniest, tmp_path: Path, forks: Forks) -> None:
    config = tiniest("train.batch_size=3")
    code, messages = train(forks, tmp_path, "--config", config_file(config, tmp_path))
    assert code == 1
    assert "set a multiple of 2" in messages
    assert not (tmp_path / "runs").exists()
