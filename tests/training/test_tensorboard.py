"""What TensorBoard's own reader finds in the files that a run writes for it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vqtool.core.config import Config
from vqtool.runs.control import send_request
from vqtool.training.start import resume_run, start_run
from vqtool.training.trainer import StepResult


def test_tensorboard_reads_the_numbers_of_the_log_and_moving_previews(tiniest: Callable[..., Config]) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = tiniest("train.tensorboard=true")
    session = start_run(config, "cpu", "tiny.toml", "vqtool train")
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == 5:
            send_request(session.run, "stop")
    session = resume_run(session.run, config, "cpu", "vqtool train --resume")
    for _ in session.happenings():
        pass
    found = event_accumulator.EventAccumulator(str(session.run.path / "tensorboard"))
    found.Reload()
    lines = [json.loads(line) for line in session.run.metrics_file.read_text().splitlines()]
    for split, name in (("train", "loss/total"), ("val", "metric/psnr")):
        written = [(event.step, event.value) for event in found.Scalars(f"{name}/{split}")]
        logged = [(line["step"], line[name]) for line in lines if line["split"] == split]
        assert [step for step, _ in written] == [step for step, _ in logged]
        assert [value for _, value in written] == pytest.approx([value for _, value in logged], rel=1e-6)
    assert found.Images("preview/0")[0].encoded_image_string.startswith(b"\x89PNG")
    assert [event.step for event in found.Images("moving/1")] == [4, 8]
    assert found.Images("moving/1")[0].encoded_image_string.startswith(b"GIF8")


def test_nothing_is_written_for_it_unasked(tiniest: Callable[..., Config], tmp_path: Path) -> None:
    session = start_run(tiniest("train.steps=1"), "cpu", "tiny.toml", "vqtool train")
    for _ in session.happenings():
        pass
    assert not list(tmp_path.rglob("*tfevents*"))
