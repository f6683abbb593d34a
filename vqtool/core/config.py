"""The whole TOML schema on one page: every section, field, default, bound and unit.

Each component receives its own section, never the whole `Config`. Loading and error messages are in `config_file.py`.
The defaults are the hyper-parameters of the original 2022 project where it had them; where they were a mistake, the
preset's comment says what changed.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Split = Literal["train", "val", "test"]
MetricName = Literal["psnr", "ssim", "lpips", "fvd", "flicker"]
FVD_MIN_FRAMES = 9
SourceKind = Literal["robonet", "videos", "lerobot", "synthetic"]
SourceChoice = Literal["auto", SourceKind]
Lookup = Literal["euclidean", "cosine"]
Gradient = Literal["straight-through", "rotation"]


def setting(default: Any, description: str, **bounds: Any) -> Any:
    """A field with its one-line description (with the unit) and its bounds; `"12"` is no number and `true` no count."""
    return Field(default=default, description=description, strict=isinstance(default, int | float) or None, **bounds)


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values never change once loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _default_kinds(cls, table: Any) -> Any:
        """A section with kinds, such as `[model.quantizer]`, without `kind` is of the default kind."""
        if not isinstance(table, dict):
            return table
        filled = dict(table)
        for name, field in cls.model_fields.items():
            if field.discriminator and isinstance(filled.get(name), dict):
                filled[name] = {"kind": field.default.kind} | filled[name]
        return filled


class PreprocessConfig(Section):
    """From raw videos to a frame store."""

    source: SourceChoice = setting("auto", "kind of the raw videos; auto looks at the input, synthetic draws its own")
    input: str = setting("data/hdf5", "folder of the raw videos")
    output: str = setting("data/robonet64", "folder of the frame store to write")
    size: int = setting(64, "height and width of a stored frame, pixels", ge=8, le=1024)
    fit: Literal["squash", "crop", "pad"] = setting(
        "squash", "frame to square: change the aspect ratio, cut to the centre, or add black bars"
    )
    cameras: Literal["single", "subfolder"] = setting(
        "single", "source videos: a file is a trajectory of its own, or a camera of the trajectory that its folder is"
    )
    fps: float = setting(0.0, "source videos: frame rate to sample at, frames/s; 0 is all frames", ge=0, le=1000)
    stride: Count = setting(1, "source videos: take every n-th frame (of those that fps leaves)")
    max_frames: int = setting(0, "source videos: take at most this many frames of a video; 0 is all", ge=0)
    min_frames: Count = setting(12, "videos with fewer usable frames are skipped and counted")
    val: int = setting(256, "number of validation trajectories", ge=0)
    test: int = setting(256, "number of test trajectories; unused where test_list names them", ge=0)
    test_list: str = setting("", "file of the names of the test trajectories, one a line; empty is none")
    seed: int = setting(23, "seed of the split", ge=0)
    workers: int = setting(0, "number of worker processes; 0 is one a core", ge=0, le=1024)
    limit: int = setting(0, "number of trajectories to take, drawn by the seed; 0 is all", ge=0)
    timeout_seconds: float = setting(
        600.0, "a trajectory that takes longer to read is skipped, seconds", gt=0, le=86400
    )
    executor: Literal["local", "dask"] = setting("local", "worker processes here, or the workers of a Dask cluster")
    scheduler: str = setting("", "address of the Dask cluster's scheduler, such as tcp://host:8786")

    @model_validator(mode="after")
    def _scheduler_for_dask(self) -> "PreprocessConfig":
        if self.executor == "dask" and not self.scheduler:
            raise ValueError("executor dask needs a scheduler: set scheduler to its address, such as tcp://host:8786")
        if self.executor != "dask" and self.scheduler:
            raise ValueError(
                f"scheduler {self.scheduler} is for executor dask: set executor to dask, or scheduler empty"
            )
        return self


class AugmentConfig(Section):
    """Random changes to training clips, the same for every frame of a clip; all off by default."""

    flip: float = setting(0.0, "probability that a clip is mirrored left to right", ge=0, le=1)
    min_crop: float = setting(
        1.0, "smallest share of height and width that a random crop keeps before it is resized; 1 is none", ge=0.1, le=1
    )
    brightness: float = setting(0.0, "levels times a factor of at most 1 plus or minus this; 0 is none", ge=0, le=1)
    contrast: float = setting(0.0, "likewise, the distance of levels to the clip's mean grey", ge=0, le=1)
    saturation: float = setting(0.0, "likewise, the distance of colours to their own grey", ge=0, le=1)


class DataConfig(Section):
    """What the model is trained on."""

    store: str = setting("data/robonet64", "folder of the frame store")
    clip_frames: int = setting(1, "frames of a training clip; 1 trains on single frames", ge=1, le=256)
    stride: int = setting(1, "step between the frames of a clip, frames", ge=1, le=64)
    augment: AugmentConfig = setting(AugmentConfig(), "random changes to training clips")


class Decoder2dConfig(Section):
    """A decoder that sees one frame at a time."""

    kind: Literal["2d"] = "2d"


class Decoder3dConfig(Section):
    """The 2D decoder with temporal convolutions and windowed spatio-temporal attention between its stages."""

    kind: Literal["3d"] = "3d"
    temporal_kernel: int = setting(3, "length of the temporal convolutions, frames (odd)", ge=1, le=15)
    window_frames: int = setting(4, "length of an attention window, frames", ge=1, le=64)
    window_size: int = setting(4, "height and width of an attention window, latent positions", ge=1, le=64)
    attention_heads: int = setting(4, "heads of the windowed attention", ge=1, le=64)

    @model_validator(mode="after")
    def _odd_kernel(self) -> "Decoder3dConfig":
        if self.temporal_kernel % 2 == 0:
            raise ValueError(f"temporal_kernel must be odd, to see as far back as ahead (got {self.temporal_kernel})")
        return self


class LookupConfig(Section):
    """What every quantizer that looks for the nearest code has."""

    codebook_size: int = setting(1024, "number of codes (K)", ge=2, le=2**20)
    code_dim: int = setting(192, "length of a code (D)", ge=1, le=4096)
    commitment_weight: Weight = setting(0.25, "beta of van den Oord et al. 2017, eq. 3: pulls latents to their codes")
    gradient: Gradient = setting("straight-through", "gradient of a latent: its code's, or its code's rotated back")


class CodebookConfig(LookupConfig):
    """What every quantizer whose codes move one by one has."""

    lookup: Lookup = setting("euclidean", "nearest code by distance, or by cosine (all are unit vectors then)")
    warmup_steps: int = setting(50, "training steps without quantization before the codebook is initialised", ge=0)
    kmeans_iterations: Count = setting(10, "k-means iterations over the initialisation vectors")
    vectors_per_code: Count = setting(10, "latents gathered for the initialisation, a code")
    usage_decay: Share = setting(0.99, "decay a step of the running usage count of a code")
    revive_below: Share = setting(0.1, "share of the mean usage below which a code moves onto a latent; 0 is never")


class VqConfig(CodebookConfig):
    """Codebook learnt by gradient: van den Oord et al. 2017."""

    kind: Literal["vq"] = "vq"


class EmaConfig(CodebookConfig):
    """Codebook that follows its latents by an exponential moving average: van den Oord et al. 2017, appendix A.1."""

    kind: Literal["ema"] = "ema"


class SimVqConfig(LookupConfig):
    """Frozen random codebook through a learnt linear layer: Zhu et al. 2024."""

    kind: Literal["simvq"] = "simvq"


class FsqConfig(Section):
    """Rounding to a few levels a channel, no codebook: Mentzer et al. 2024."""

    kind: Literal["fsq"] = "fsq"
    levels: tuple[Annotated[int, Field(ge=3, le=256)], ...] = setting(
        (8, 5, 5, 5), "levels of each channel; their product is K, their number the length of a code", min_length=1
    )

    @model_validator(mode="after")
    def _countable(self) -> "FsqConfig":
        if math.prod(self.levels) > 2**20:
            raise ValueError(f"levels have a product of {math.prod(self.levels):,}: at most 1,048,576 codes")
        return self


class BsqConfig(Section):
    """Signs of a unit vector, no codebook: Zhao et al. 2024."""

    kind: Literal["bsq"] = "bsq"
    codebook_size: int = setting(1024, "number of codes (K), a power of 2; its logarithm is code_dim", ge=2, le=2**20)
    entropy_weight: Weight = setting(0.1, "weight of the entropy loss, which keeps all codes in use")
    diversity: Weight = setting(1.0, "gamma: even use of codes against clear choices, inside the entropy loss")
    inverse_temperature: float = setting(10.0, "tau: how soon a choice counts as clear", gt=0, le=1e4)

    @model_validator(mode="after")
    def _power_of_two(self) -> "BsqConfig":
        if self.codebook_size.bit_count() != 1:
            raise ValueError(f"codebook_size must be a power of 2 for bsq (got {self.codebook_size})")
        return self


SingleConfig = VqConfig | EmaConfig | SimVqConfig | FsqConfig | BsqConfig


class ResidualConfig(Section):
    """Several codes a position, each of what the ones before left: Zeghidour et al. 2021."""

    kind: Literal["residual"] = "residual"
    num_levels: int = setting(2, "codes a position", ge=2, le=64)
    dropout: float = setting(0.0, "share of training batches of which the decoder gets fewer levels", ge=0, le=1)
    of: SingleConfig = setting(EmaConfig(), "quantizer of a level", discriminator="kind")

    @model_validator(mode="after")
    def _has_rests(self) -> "ResidualConfig":
        if isinstance(self.of, CodebookConfig) and self.of.lookup == "cosine":
            raise ValueError('what unit vectors leave is no unit vector: set of.lookup to "euclidean"')
        return self


class GroupedConfig(Section):
    """Groups of channels, each with a quantizer of its own (product quantization): Jegou et al. 2011."""

    kind: Literal["grouped"] = "grouped"
    num_groups: int = setting(2, "groups of channels", ge=2, le=64)
    of: SingleConfig | ResidualConfig = setting(EmaConfig(), "quantizer of a group", discriminator="kind")


QuantizerConfig = SingleConfig | ResidualConfig | GroupedConfig


class ModelConfig(Section):
    """Encoder, quantizer and decoder."""

    resolution: int = setting(64, "height and width of a frame, pixels", ge=8, le=1024)
    patch_size: int = setting(
        1, "pixels across a patch that is folded into channels before the first level", ge=1, le=64
    )
    channels: int = setting(128, "channels of the first level", ge=4, le=1024)
    channel_multipliers: tuple[Count, ...] = setting(
        (1, 1, 2, 2, 4),
        "channels of each level as a multiple; every level but the first halves the frame",
        min_length=1,
    )
    num_res_blocks: int = setting(2, "residual blocks a level", ge=1, le=16)
    attention_resolutions: tuple[Count, ...] = setting((16,), "resolutions of a level with self-attention")
    latent_channels: int = setting(256, "channels between encoder and quantizer", ge=1, le=4096)
    decoder: Decoder2dConfig | Decoder3dConfig = setting(Decoder2dConfig(), "tokens to frames", discriminator="kind")
    quantizer: QuantizerConfig = setting(VqConfig(), "latents to tokens", discriminator="kind")

    @property
    def downsampling(self) -> int:
        """Pixels across one token."""
        return self.patch_size << (len(self.channel_multipliers) - 1)

    def level_resolution(self, level: int) -> int:
        """Positions down and across at a level; level 0 is the first of the encoder and the last of the decoder."""
        return self.resolution // self.patch_size >> level

    @property
    def grid_size(self) -> int:
        """Tokens down and across a frame."""
        return self.resolution // self.downsampling

    @model_validator(mode="after")
    def _divisible(self) -> "ModelConfig":
        if self.resolution % self.downsampling:
            raise ValueError(
                f"resolution {self.resolution} is not divisible by {self.downsampling}, "
                f"the downsampling of patch_size {self.patch_size} and {len(self.channel_multipliers)} levels"
            )
        return self


class LossConfig(Section):
    """Weights of the sum that is minimised; a part with weight 0 is neither built nor downloaded."""

    pixel_weight: Weight = setting(1.0, "weight of the L1 distance of pixels in [-1, 1]")
    perceptual_weight: Weight = setting(1.0, "weight of LPIPS (VGG16, v0.1)")
    codebook_weight: Weight = setting(1.0, "weight of the quantizer's codebook and commitment losses")


class OptimConfig(Section):
    """Adam with decoupled weight decay, its schedule, and the moving average of the weights."""

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
    batch_size: Count = setting(120, "clips in one forward pass")
    accumulate: Count = setting(1, "forward passes an optimiser step")
    precision: Literal["auto", "fp32", "bf16"] = setting("auto", "bf16 autocast, or auto: bf16 where the device has it")
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


class Config(Section):
    """Everything a command may read."""

    preprocess: PreprocessConfig = PreprocessConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    eval: EvalConfig = EvalConfig()
    run: RunConfig = RunConfig()
