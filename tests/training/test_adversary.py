"""The discriminator beside the tokenizer: whose gradient is whose, when it plays, and that a resume repeats it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vqtool.core.checkpoint import load_state
from vqtool.core.config import Config, LossConfig, OptimConfig
from vqtool.core.features.i3d import I3D
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.video_features import VideoFeatureLoss
from vqtool.core.tokenizers import Tokenizer, build_tokenizer
from vqtool.core.tokenizers.patch import PatchTokenizer
from vqtool.errors import CheckpointError, ConfigError
from vqtool.runs.checkpoints import find_checkpoint
from vqtool.runs.control import send_request
from vqtool.runs.folder import RunFolder
from vqtool.training import start as starting
from vqtool.training.adversary import Adversary
from vqtool.training.session import Session
from vqtool.training.start import resume_run, start_run
from vqtool.training.trainer import StepResult

Tiniest = Callable[..., Config]
GAN = (
    "loss.adversarial_weight=0.5", "loss.adversarial_start=0.25", "loss.discriminator_warmup=0.25",
    "loss.discriminator_channels=8", "loss.lecam_weight=0.01",
)  # fmt: skip
CPU = torch.device("cpu")


def start(config: Config) -> Session:
    return start_run(config, "cpu", "tiny.toml", "vqtool train")


def finish(session: Session) -> RunFolder:
    for _ in session.happenings():
        pass
    return session.run


def train_lines(run: RunFolder) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    return [line for line in lines if line["split"] == "train"]


def gradients(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


@pytest.fixture
def model(tiniest: Tiniest) -> PatchTokenizer:
    model = tokenizer(tiniest("model.kind=patch"))
    assert isinstance(model, PatchTokenizer)
    return model


def tokenizer(config: Config) -> Tokenizer:
    """The model of `config`, its codes placed at random."""
    torch.manual_seed(0)
    model = build_tokenizer(config.model)
    model.quantizer.initialise(torch.randn(model.quantizer.num_initial_vectors, model.quantizer.code_dim))
    return model


def build(**settings: object) -> tuple[LossConfig, Adversary]:
    given = {"adversarial_weight": 0.5, "perceptual_weight": 0, "discriminator_channels": 8} | settings
    config = LossConfig.model_validate(given)
    torch.manual_seed(1)
    return config, Adversary(config, OptimConfig(), 32, CPU, torch.float32)


def frames() -> Tensor:
    return torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1


CLASSIC = (
    "model={kind='classic', resolution=32, channels=8, channel_multipliers=[1,2], num_res_blocks=1, latent_channels=8}"
)


@pytest.mark.parametrize(
    ("kind", "quantized"), [("model.kind=patch", True), ("model.kind=patch", False), (CLASSIC, True)]
)
def test_the_gradient_is_that_of_the_whole_loss_written_out(tiniest: Tiniest, kind: str, quantized: bool) -> None:
    model = tokenizer(tiniest(kind))
    config, adversary = build(codebook_weight=3, adversarial_weight_limit=1e6)
    twin = copy.deepcopy(model)  # a forward pass moves the codes
    result = model(frames(), quantized)
    loss = TokenizerLoss(config, None)(frames(), result)
    parts = adversary.backward(model, result.frames_BTCHW, loss, 0.5)
    found = gradients(model)

    result = twin(frames(), quantized)
    pixel = (result.frames_BTCHW - frames()).abs().mean()
    hinge = -adversary.discriminator(result.frames_BTCHW).mean()
    last = twin.decoder.conv_out.weight
    norms = [torch.autograd.grad(value, last, retain_graph=True)[0].norm() for value in (pixel, hinge)]
    weight = norms[0] / norms[1]
    torch.autograd.backward(0.5 * (pixel + 3 * result.quantizer_loss + 0.5 * weight * hinge))
    torch.testing.assert_close(parts["adversary/weight"], weight, rtol=1e-4, atol=0)
    torch.testing.assert_close(parts["adversarial"], hinge.detach())
    expected = gradients(twin)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-6)
    assert any("encoder" in name for name in found)


def test_each_side_gets_its_own_gradient_alone(model: PatchTokenizer) -> None:
    config, adversary = build()
    result = model(frames())
    loss = TokenizerLoss(config, None)(frames(), result)
    adversary.backward(model, result.frames_BTCHW, loss, 1)
    assert gradients(adversary.discriminator) == {}
    before = gradients(model)
    adversary.learn(frames(), result.frames_BTCHW, 1)
    after = gradients(model)
    assert before.keys() == after.keys() != set()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert len(gradients(adversary.discriminator)) == len(list(adversary.discriminator.parameters()))


def test_a_step_moves_the_discriminator_alone_and_a_skipped_one_nothing(model: PatchTokenizer) -> None:
    _, adversary = build()
    weights = [parameter.clone() for parameter in adversary.discriminator.parameters()]
    tokenizer = {name: value.clone() for name, value in model.state_dict().items()}
    fake = model(frames()).frames_BTCHW
    for skip in (True, False):
        adversary.learn(frames(), fake, 1)
        assert float(adversary.clip()) > 0
        adversary.update(1e-3, skip)
        moved = [not torch.equal(a, b) for a, b in zip(weights, adversary.discriminator.parameters(), strict=True)]
        assert all(moved) if not skip else not any(moved)
        assert gradients(adversary.discriminator) == {}
    assert all(torch.equal(value, tokenizer[name]) for name, value in model.state_dict().items() if "quant" not in name)


def test_it_learns_to_tell_frames_from_their_reconstruction(model: PatchTokenizer) -> None:
    _, adversary = build(lecam_weight=0.001)
    fake = model(frames()).frames_BTCHW
    losses = []
    for _ in range(30):
        losses.append(float(adversary.learn(frames(), fake, 1)["discriminator"]))
        adversary.update(2e-3, False)
    assert losses[0] > 0.8 and losses[-1] < 0.2


@pytest.mark.parametrize("broken", ["none", "frozen"])
def test_without_a_last_layer_that_learns_the_weight_is_not_adapted(model: PatchTokenizer, broken: str) -> None:
    config, adversary = build()
    if broken == "frozen":
        model.decoder.requires_grad_(False)
    else:
        type(model).last_layer, kept = property(lambda self: None), type(model).last_layer
    try:
        result = model(frames())
        loss = TokenizerLoss(config, None)(frames(), result)
        assert adversary.backward(model, result.frames_BTCHW, loss, 1)["adversary/weight"] == 1
    finally:
        if broken == "none":
            type(model).last_layer = kept
    assert gradients(model)


def test_it_starts_late_and_learns_alone_at_first(tiniest: Tiniest) -> None:
    run = finish(start(tiniest(*GAN, "train.steps=8")))
    lines = train_lines(run)
    learns = [line["step"] for line in lines if "loss/discriminator" in line]
    teaches = [line["step"] for line in lines if "loss/adversarial" in line]
    # A quarter and a half of 8 steps are over before steps 3 and 5.
    assert (learns, teaches) == ([3, 4, 5, 6, 7, 8], [5, 6, 7, 8])
    last = lines[-1]
    assert {"loss/lecam", "adversary/weight", "adversary/real_logits", "adversary/fake_logits"} <= last.keys()
    assert 0 < last["adversary/weight"] <= 10


def test_until_it_teaches_the_tokenizer_trains_as_without_it(tiniest: Tiniest) -> None:
    with_it = train_lines(finish(start(tiniest("run.name=with", *GAN))))
    without = train_lines(finish(start(tiniest("run.name=without"))))
    same = [a["optim/grad_norm"] == b["optim/grad_norm"] for a, b in zip(with_it, without, strict=True)]
    assert same == [True] * 4 + [False] * 4
    assert not any(name.startswith("adversary") or "discriminator" in name for line in without for name in line)


def assert_equal(one: object, other: object, path: str = "") -> None:
    """The same values all through nested dicts, lists and tensors, but for clocks."""
    assert type(one) is type(other), path
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), path
        for key in one.keys() - {"seconds"}:
            assert_equal(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, Tensor) and isinstance(other, Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def small_video_features(*arguments: object) -> VideoFeatureLoss:
    """The loss on a small I3D with random weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return VideoFeatureLoss(I3D(divisor=16, size=32), 25)


@pytest.mark.parametrize(("stop_at", "kind"), [(3, "2d"), (6, "3d")])
def test_a_resumed_run_equals_one_that_was_never_stopped(
    tiniest: Tiniest, monkeypatch: pytest.MonkeyPatch, stop_at: int, kind: str
) -> None:
    monkeypatch.setattr(starting, "_video_features", small_video_features)
    features = ("loss.fvd_mean_weight=0.1", "loss.fvd_cov_weight=0.1", "data.clip_frames=9")
    settings = (*GAN, f"loss.discriminator_kind={kind}", "train.accumulate=2", "train.batch_size=2", *features)
    whole = finish(start(tiniest("run.name=whole", *settings)))
    config = tiniest("run.name=parts", *settings)
    session = start(config)
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == stop_at:
            send_request(session.run, "stop")
    assert session.run.read_status()["step"] == stop_at
    parts = finish(resume_run(session.run, config, "cpu", "vqtool train --resume"))
    states = [load_state(find_checkpoint(f"{run.path}:step-00000008"))["trainer"] for run in (whole, parts)]
    assert_equal(*states)
    assert states[0]["adversary"]["lecam"]["means.num_batches"] == 12
    assert states[0]["loss"]["moments"]["fake.averages.num_batches"] == 16
    measured = ("speed/", "system/")
    losses = [
        [{k: v for k, v in line.items() if "/" in k and not k.startswith(measured)} for line in train_lines(run)]
        for run in (whole, parts)
    ]
    assert losses[0] == losses[1]


def test_a_discriminator_may_join_or_leave_a_run_on_resume(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    resumed = resume_run(run, tiniest(*GAN, "train.steps=10"), "cpu", "vqtool train --resume")
    assert "loss/discriminator" in train_lines(finish(resumed))[-1]
    resumed = resume_run(run, tiniest("train.steps=12"), "cpu", "vqtool train --resume")
    assert "loss/discriminator" not in train_lines(finish(resumed))[-1]
    finish(resume_run(run, tiniest(*GAN, "train.steps=14"), "cpu", "vqtool train --resume"))
    other = tiniest(*GAN, "loss.discriminator_channels=12", "train.steps=16")
    with pytest.raises(CheckpointError, match="does not fit this config"):
        resume_run(run, other, "cpu", "vqtool train --resume")


@pytest.mark.parametrize(("side", "warmup"), [("discriminator", 0), ("discriminator", 0.9), ("tokenizer", 0)])
def test_a_gradient_that_is_not_finite_changes_neither_side(tiniest: Tiniest, side: str, warmup: float) -> None:
    phases = ("loss.adversarial_start=0", f"loss.discriminator_warmup={warmup}")
    session = start(tiniest(*GAN, *phases, "train.steps=100"))
    trainer = session._trainer
    for _ in range(4):
        assert not trainer.train_step().skipped
    kept = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    adversary = trainer.adversary
    assert adversary is not None
    weights = {name: value.clone() for name, value in adversary.discriminator.state_dict().items()}
    lecam = {name: value.clone() for name, value in adversary.lecam.state_dict().items()}
    module = adversary.discriminator.layers[-1] if side == "discriminator" else trainer.model.decoder.conv_out
    broken = module.register_forward_hook(lambda module, inputs, output: output * float("nan"))
    assert trainer.train_step().skipped
    broken.remove()
    assert_equal(dict(adversary.discriminator.state_dict()), weights)
    assert_equal(dict(adversary.lecam.state_dict()), lecam)
    assert_equal({name: value.detach() for name, value in trainer.model.named_parameters()}, kept)
    assert not trainer.train_step().skipped


def test_accumulated_batches_teach_the_discriminator_like_one_large_batch(tiniest: Tiniest) -> None:
    phases = ("loss.adversarial_start=0", "loss.discriminator_warmup=0.9", "loss.lecam_weight=0")
    norms = []
    for name, batch_size, accumulate in (("one", 8, 1), ("parts", 2, 4)):
        sizes = (f"train.batch_size={batch_size}", f"train.accumulate={accumulate}", "train.steps=1000")
        config = tiniest(f"run.name={name}", *GAN, *phases, *sizes, "model.quantizer.warmup_steps=100")
        trainer = start(config)._trainer
        adversary = trainer.adversary
        assert adversary is not None
        seen, clip = [], adversary.clip
        adversary.clip = lambda seen=seen, clip=clip: seen.append(clip()) or seen[-1]  # type: ignore[method-assign]
        trainer.train_step()
        norms.append(float(seen[0]))
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)


def test_mistakes_are_found_before_a_run_folder_is_made(tiniest: Tiniest, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"discriminator_layers=4 leaves nothing of frames of 32 pixels"):
        start(tiniest(*GAN, "loss.discriminator_layers=4"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss.fvd_mean_weight=1"], r"data\.clip_frames of at least 9 \(got 1\)"),
        (["loss.fvd_cov_weight=1", "data.clip_frames=8"], r"data\.clip_frames of at least 9 \(got 8\)"),
        (["loss.adversarial_weight=1", "loss.discriminator_kind=3d"], r"data\.clip_frames of at least 2 \(got 1\)"),
        (["loss.adversarial_start=0.8", "loss.discriminator_warmup=0.2"], "sum must be below 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(tiniest: Tiniest, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiniest(*overrides)
