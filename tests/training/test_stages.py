"""Stages of training: when they begin, what they start from, and what is told of them."""

from collections.abc import Callable

import pytest
import torch

from vqtool.core.config import Config
from vqtool.core.tokenizers import Stage
from vqtool.training.session import Raised, Session, StageBegan
from vqtool.training.stages import StagePlan
from vqtool.training.start import start_run

CLIP = [
    "model.kind=clip", "model.segment_frames=4", "model.train_frames=2", "data.clip_frames=4", "loss.motion_weight=4",
    "model.context_channels=8", "model.context_quantizer.of.codebook_size=16", "model.context_quantizer.of.code_dim=4",
    "model.context_quantizer.of.warmup_steps=1", "eval.metrics=['psnr','psnr_moving']",
]  # fmt: skip


def start(config: Config) -> Session:
    return start_run(config, "cpu", "tiny.toml", "vqtool train")


def test_stages_follow_the_share_of_the_run() -> None:
    plan = StagePlan([Stage("a", 0.25), Stage("b", 0.5), Stage("c", 0.25)])
    assert [plan.due(share) for share in (0, 0.24, 0.25, 0.74, 0.75, 1)] == [0, 0, 1, 1, 2, 2]
    assert [plan.progress(1, share) for share in (0, 0.25, 0.5, 0.75, 1)] == [0, 0, 0.5, 1, 1]
    assert [plan.share(number) for number in range(3)] == [0.25, 0.5, 0.25]


def test_a_stage_starts_from_averaged_weights_with_a_schedule_of_its_own(tiniest: Callable[..., Config]) -> None:
    trainer = start(tiniest(*CLIP, "optim.warmup_steps=4", "optim.schedule=constant", "optim.lr=1e-3"))._trainer
    rates = [trainer.train_step().lr for _ in range(4)]
    assert rates == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    averaged = {name: tensor.clone() for name, tensor in trainer.average.model.context.state_dict().items()}
    trained = trainer.model.context.state_dict()
    assert any(not torch.equal(trained[name], tensor) for name, tensor in averaged.items())
    result = trainer.train_step()
    assert (result.stage, trainer.stage_step) == ("changes", 1)
    assert result.lr == pytest.approx(0.25e-3)
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in trainer.model.context.state_dict().items())
    moments = [id(parameter) for parameter in trainer.optimizer.state]
    assert set(moments) == {id(parameter) for parameter in trainer.model.changes.parameters()}


def test_a_stage_is_watched_by_its_own_numbers(tiniest: Callable[..., Config]) -> None:
    """The losses of another stage are no measure: a jump of the loss where a stage begins is no spike."""
    session = start(tiniest(*CLIP))
    watch = session._alarms
    for happening in session.happenings():
        if isinstance(happening, StageBegan):
            assert session._alarms is not watch
            watch = session._alarms
        assert session._alarms is watch


def test_an_output_that_stays_at_its_context_is_told_late_in_the_stage(tiniest: Callable[..., Config]) -> None:
    # Changes that hardly learn paint nothing: evaluations after 4 steps (of the context) and after 8.
    session = start(tiniest(*CLIP, "optim.lr=1e-9"))
    alarms = [happening for happening in session.happenings() if isinstance(happening, Raised)]
    assert [(raised.step, raised.alarm.kind) for raised in alarms] == [(8, "still")]
    assert alarms[0].alarm.evidence.startswith("moving pixels ")


def test_a_linear_path_is_fitted_once_where_its_stage_begins(tiniest: Callable[..., Config]) -> None:
    config = tiniest(*CLIP, "model.linear_path=true", "optim.lr=1e-12")
    trainer = start(config)._trainer
    assert not trainer.model.is_fitted
    trainer.train_step()
    assert trainer.model.is_fitted
    assert not trainer.model.changes.linear.fitted
    for _ in range(4):
        trainer.train_step()
    assert trainer.model.stage == 1
    assert trainer.model.is_fitted
    assert trainer.model.changes.linear.fitted
    # At this learning rate only a fit moves weights.
    context = trainer.model.context.linear.to_latents.weight.clone()
    changes = trainer.model.changes.linear.to_latents.weight.clone()
    resumed = start(tiniest(*CLIP, "model.linear_path=true", "optim.lr=1e-12", "run.name=again"))._trainer
    resumed.restore(trainer.state())
    resumed.train_step()
    torch.testing.assert_close(resumed.model.changes.linear.to_latents.weight, changes)
    torch.testing.assert_close(resumed.model.context.linear.to_latents.weight, context)
