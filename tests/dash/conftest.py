"""Runs recorded with the trainer's own writers."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from vqtool.runs.folder import RunFolder, create_run, step_name
from vqtool.runs.jsonl import JsonlWriter
from vqtool.runs.previews import PreviewClip, write_preview

START = 1_700_000_000.0
STEPS = 300
CODES = 64
WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]


def make_clip(seed: int, frames: int = 4) -> PreviewClip:
    rng = np.random.default_rng(seed)
    real = rng.integers(0, 256, (frames, 16, 16, 3), dtype=np.uint8)
    blurred = (real // 2 + 64).astype(np.uint8)
    tokens = rng.integers(0, CODES, (frames, 2, 2), dtype=np.uint16)
    return PreviewClip(f"clip-{seed}", real, blurred, tokens, (20.0, 22.0, None, 24.0)[:frames])


def train_line(step: int) -> dict[str, object]:
    parts = {name: 0.1 + np.exp(-step / 60) for name in ("pixel", "perceptual", "codebook", "commitment")}
    return {
        "step": step,
        "time": START + step / 10,
        "split": "train",
        "loss/total": sum(parts.values()),
        **{f"loss/{name}": value for name, value in parts.items()},
        "codebook/perplexity": 30.0,
        "codebook/used": 40,
        "codebook/dead": CODES - 40,
        "optim/lr": 5e-4,
        "optim/grad_norm": 0.7,
        "speed/frames_per_second": 130.5,
        "speed/data_wait_fraction": 0.01,
    }


def val_line(step: int) -> dict[str, object]:
    return {
        "step": step,
        "time": START + step / 10,
        "split": "val",
        "metric/psnr": 15 + step / 100,
        "metric/ssim": 0.5,
        "metric/lpips": 0.4,
        "loss/total": 1.0,
        "codebook/used": 48,
        "codebook/perplexity": 33.0,
        "codebook/dead": CODES - 48,
    }


def record_run(runs_dir: Path, name: str) -> RunFolder:
    facts = {"total_steps": STEPS, "device": "cpu", "precision": "fp32", "started": START, "max_seconds": 0}
    run = create_run(runs_dir, name, "", facts)
    with JsonlWriter(run.metrics_file) as metrics, JsonlWriter(run.events_file) as events:
        events.write({"step": 0, "time": START, "kind": "start"})
        for step in range(2, STEPS + 1, 2):
            metrics.write(train_line(step))
            if step % 100 == 0:
                metrics.write(val_line(step))
                events.write({"step": step, "time": START + step / 10, "kind": "evaluation", "psnr": 15.123456})
                counts = np.zeros(CODES, np.int64)
                counts[: 48 * step // STEPS] = np.arange(1, 48 * step // STEPS + 1)
                np.save(run.codebook / f"{step_name(step)}.npy", counts)
                write_preview(run, step, [make_clip(0), make_clip(1)])
        events.write({"step": STEPS, "time": START + 30, "kind": "finish"})
    run.console_file.write_text("".join(f"step {step}\n" for step in range(2, STEPS + 1, 2)))
    run.update_status(status="finished", step=STEPS, heartbeat=START + 30)
    return run


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where views are saved: nothing of the user's, and nothing of another test's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "vqtool" / "dash"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of 300 steps; not to be changed."""
    return record_run(tmp_path_factory.mktemp("recorded") / "runs", "recorded")


@pytest.fixture
def run(recorded: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the recorded run, to be changed."""
    return RunFolder(shutil.copytree(recorded.path, tmp_path / "runs" / "recorded"))


@pytest.fixture
def log_step() -> Callable[[RunFolder, int], None]:
    """Append the lines that a trainer writes at a step with an evaluation."""

    def log(run: RunFolder, step: int) -> None:
        with JsonlWriter(run.metrics_file) as metrics, JsonlWriter(run.events_file) as events:
            metrics.write(train_line(step))
            metrics.write(val_line(step))
            events.write({"step": step, "time": START + step / 10, "kind": "evaluation"})

    return log


@pytest.fixture
def keep_preview() -> Callable[[RunFolder, int], Path]:
    """Write a preview of two clips."""
    return lambda run, step: write_preview(run, step, [make_clip(0), make_clip(1)])


@pytest.fixture
def live(run: RunFolder) -> RunFolder:
    """A copy of the recorded run whose trainer is this process."""
    run.update_status(status="running", total_steps=2 * STEPS)
    return run


@pytest.fixture
def wait_until() -> WaitUntil:
    """Let the app work until a condition holds."""

    async def wait(condition: Callable[[], object]) -> None:
        for _ in range(3000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the condition never came to hold")

    return wait
