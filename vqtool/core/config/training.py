"""Losses, optimiser, training loop, evaluation and the run folder."""

from typing import Literal

from pydantic import model_validator

from vqtool.core.config.section import (
    FVD_MIN_FRAMES,
    Count,
    MetricName,
    PixelKind,
    Section,
    Share,
    Split,
    Weight,
    setting,
)


class LossConfig(Section):
    """Weights of the sum that is minimised; a part with weight 0 is neither built nor downloaded."""

    pixel_weight: Weight = setting(1.0, "weight of the distance of pixels in [-1, 1]")
    pixel_kind: PixelKind = setting("l1", "that distance: absolute, squared, or Charbonnier's between the two")
    motion_weight: Weight = setting(0.0, "extra weight of pixels that move, for a tokenizer that tells which do")
    perceptual_weight: Weight = setting(1.0, "weight of LPIPS (VGG16, v0.1)")
    perceptual_start: Share = setting(0.0, "share of the run after which LPIPS takes part")
    feature_weight: Weight = setting(0.0, "weight of telling LPIPS' features of a frame from its codes, beside LPIPS")
    codebook_weight: Weight = setting(1.0, "weight of the quantizer's codebook and commitment losses")
    fvd_mean_weight: Weight = setting(0.0, "weight of the distance of mean I3D logits; needs clips of 9 frames")
    fvd_cov_weight: Weight = setting(0.0, "weight of the distance of their covariances")
    adversarial_weight: Weight = setting(0.0, "weight of the adversarial loss, beside the adaptive one")
    adversarial_weight_limit: float = setting(10.0, "largest adaptive weight", gt=0, allow_inf_nan=False)
    adversarial_start: Share = setting(0.3, "share of the run after which the discriminator learns")
    discriminator_warmup: Share = setting(0.05, "share of the run that it learns for before the tokenizer sees it")
    discriminator_kind: Literal["2d", "3d"] = setting("2d", "judges frames one at a time, or clips")
    discriminator_channels: int = setting(64, "channels of its first layer", ge=4, le=1024)
    discriminator_layers: int = setting(2, "layers that halve; 2 judges patches of 34 pixels, 3 of 70", ge=1, le=6)
    lecam_weight: Weight = setting(0.0, "weight of LeCAM, which regularises a discriminator on little data")

    @property
    def has_video_features(self) -> bool:
        """Whether I3D is needed."""
        return self.fvd_mean_weight > 0 or self.fvd_cov_weight > 0

    @model_validator(mode="after")
    def _features_are_those_of_lpips(self) -> "LossConfig":
        if self.feature_weight > 0 and self.perceptual_weight == 0:
            raise ValueError(
                f"feature_weight {self.feature_weight} is of the features that LPIPS compares: "
                "set perceptual_weight above 0 too, or feature_weight to 0"
            )
        return self

    @model_validator(mode="after")
    def _tokenizer_sees_the_discriminator(self) -> "LossConfig":
        if self.adversarial_start + self.discriminator_warmup >= 1:
            raise ValueError(
                f"adversarial_start {self.adversarial_start} and discriminator_warmup {self.discriminator_warmup} are "
                "shares of the run whose sum must be below 1: the tokenizer would never see the discriminator"
            )
        return self


class OptimConfig(Section):
    """The optimiser, its schedule, and the moving average of the weights."""

    kind: Literal["adamw", "muon"] = setting(
        "adamw", "Adam with decoupled weight decay; or Muon for wide hidden layers and that for all else"
    )
    lr: float = setting(5e-4, "peak learning rate", gt=0, le=1)
    betas: tuple[Share, Share] = setting((0.5, 0.9), "decay rates of Adam's moments")
    weight_decay: Weight = setting(0.0, "decoupled weight decay")
    warmup_steps: int = setting(500, "steps of linear warm-up", ge=0)
    schedule: Literal["constant", "cosine"] = setting("cosine", "learning rate after the warm-up")
    clip_norm: Weight = setting(1.0, "largest norm of the gradient; 0 is no clipping")
    ema_decay: Share = setting(0.999, "decay of the weights' moving average that is evaluated; 0 is none")


class TrainConfig(Section):
    """The training loop."""

    steps: Count = setting(70_000, "optimiser steps")
    max_seconds: float = setting(0, "wall budget of the run, seconds; 0 is none", ge=0)
    batch_size: Count = setting(120, "clips in one forward pass, of all processes together")
    accumulate: Count = setting(1, "forward passes an optimiser step")
    precision: Literal["auto", "fp32", "bf16"] = setting("auto", "bf16 autocast, or auto: bf16 where the device has it")
    compile: bool = setting(
        False, "compile encoder and decoder (torch.compile), on a GPU; compare train --dry-run with and without"
    )
    seed: int = setting(23, "seed of weights, order of clips and revival", ge=0)
    log_every: Count = setting(10, "steps between lines of metrics.jsonl")
    eval_every: Count = setting(1000, "steps between evaluations")
    checkpoint_every: Count = setting(1000, "steps between checkpoints")
    preview_every: Count = setting(1000, "steps between previews")
    preview_clips: int = setting(4, "clips in a preview", ge=1, le=64)
    keep_last: Count = setting(5, "checkpoints kept beside the best ones")
    tensorboard: bool = setting(False, "also write the run's numbers and previews for TensorBoard")


class EvalConfig(Section):
    """What is measured, during training and by `vqtool eval`."""

    splits: tuple[Split, ...] = setting(("val",), "splits evaluated during training", min_length=1)
    clip_frames: int = setting(12, "frames of an evaluation clip", ge=1, le=256)
    batch_size: Count = setting(8, "clips in one forward pass")
    num_clips: int = setting(256, "evaluation clips during training, evenly spread over the split; 0 is all", ge=0)
    metrics: tuple[MetricName, ...] = setting(
        ("psnr", "ssim", "lpips"),
        "metrics beside the codebook's; fvd takes about half a second a clip on a CPU",
        min_length=1,
    )

    @model_validator(mode="after")
    def _long_enough_for_fvd(self) -> "EvalConfig":
        if "fvd" in self.metrics and self.clip_frames < FVD_MIN_FRAMES:
            raise ValueError(
                f"fvd in eval.metrics needs eval.clip_frames of at least {FVD_MIN_FRAMES} (got {self.clip_frames}): "
                "its network has no shorter clips"
            )
        return self


class RunConfig(Section):
    """Where the run folder goes."""

    dir: str = setting("runs", "folder of the run folders")
    name: str = setting("", "name of the run folder; empty is config name, date and time")
