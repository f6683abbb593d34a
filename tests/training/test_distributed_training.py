"""Training by two real processes over gloo: the same steps as by one, one writer, and a job that ends when one dies."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vqtool.core.checkpoint import load_state
from vqtool.core.config import Config
from vqtool.core.config_file import dump_config
from vqtool.runs.checkpoints import list_checkpoints
from vqtool.runs.folder import RunFolder
from vqtool.training.start import start_run

Tiniest = Callable[..., Config]
REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = (
    "train.accumulate=2", "model.linear_path=true", "model.quantizer.revive_below=0.9", "data.augment.flip=0.5",
    "data.augment.min_crop=0.5", "data.augment.contrast=0.5",
    "loss.adversarial_weight=0.5", "loss.adversarial_start=0.25", "loss.discriminator_warmup=0.25",
    "loss.discriminator_channels=8", "loss.lecam_weight=0.01",
)  # fmt: skip


def start(rank: int, port: int, *arguments: str) -> subprocess.Popen[str]:
    """One process of a job of two, as torchrun starts it."""
    variables = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)} | variables
    command = [sys.executable, "-m", "vqtool", "train", "--device", "cpu", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return int(server.getsockname()[1])


def train(*arguments: str) -> tuple[int, str]:
    """A job of two processes: the exit code and the messages of the main one."""
    port = free_port()
    jobs = [start(rank, port, *arguments) for rank in (0, 1)]
    (_, messages), (_, others) = (job.communicate(timeout=120) for job in jobs)
    assert jobs[0].returncode == jobs[1].returncode, messages + others
    return jobs[0].returncode, messages


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


def test_two_processes_train_like_one_and_go_on_as_one(tiniest: Tiniest, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one = alone(tiniest("run.name=one", *SETTINGS))
    first = tiniest("run.name=two", *SETTINGS)
    code, messages = train("--config", config_file(first, tmp_path))
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
    code, messages = train("--run", str(one.path), *longer)
    assert code == 0, messages
    assert [line["step"] for line in numbers(one) if line["split"] == "train"] == list(range(1, 11))


def test_a_killed_process_ends_the_job_and_a_resume_goes_on(tiniest: Tiniest, tmp_path: Path) -> None:
    config = tiniest("run.name=killed", "train.steps=100000", "train.eval_every=100000", "train.preview_every=100000")
    port = free_port()
    jobs = [start(rank, port, "--config", config_file(config, tmp_path)) for rank in (0, 1)]
    run = RunFolder(tmp_path / "runs" / "killed")
    assert jobs[0].stderr is not None
    for line in jobs[0].stderr:  # read on until the first checkpoint is told
        if "checkpoint step-" in line:
            break
    jobs[1].send_signal(signal.SIGKILL)
    jobs[1].wait(60)
    jobs[0].stderr.read()
    assert jobs[0].wait(60) != 0
    assert run.read_status()["status"] == "failed"
    step = list_checkpoints(run)[-1][0]
    session_config = ("--run", str(run.path), "--resume", "--set", f"train.steps={step + 2}")
    code, messages = train(*session_config)
    assert code == 0, messages
    assert run.read_status()["step"] == step + 2


def test_a_batch_that_cannot_be_shared_is_refused_once(tiniest: Tiniest, tmp_path: Path) -> None:
    config = tiniest("train.batch_size=3")
    code, messages = train("--config", config_file(config, tmp_path))
    assert code == 1
    assert "set a multiple of 2" in messages
    assert not (tmp_path / "runs").exists()
