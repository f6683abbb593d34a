"""The whole TOML schema: every section, field, default, bound and unit; a file here for each part.

Each component receives its own section, never the whole `Config`. Loading and error messages are in `config_file.py`.
The defaults are the hyper-parameters of the original 2022 project where it had them; where they were a mistake, the
preset's comment says what changed.
"""

from pydantic import model_validator

from vqtool.core.config.data import (
    AugmentConfig,
    DataConfig,
)
from vqtool.core.config.model import (
    ClassicConfig,
    ClipConfig,
    Decoder2dConfig,
    Decoder3dConfig,
    ModelConfig,
    PatchConfig,
    Resolution,
)
from vqtool.core.config.preprocess import (
    PreprocessConfig,
)
from vqtool.core.config.quantizer import (
    BsqConfig,
    CodebookConfig,
    EmaConfig,
    FsqConfig,
    GroupedConfig,
    LookupConfig,
    QuantizerConfig,
    ResidualConfig,
    SimVqConfig,
    SingleConfig,
    VqConfig,
)
from vqtool.core.config.section import (
    FVD_MIN_FRAMES,
    Count,
    Gradient,
    Lookup,
    MetricName,
    PixelKind,
    Section,
    Share,
    SourceChoice,
    SourceKind,
    Split,
    Weight,
    setting,
)
from vqtool.core.config.training import (
    EvalConfig,
    LossConfig,
    OptimConfig,
    RunConfig,
    TrainConfig,
)

__all__ = [
    "FVD_MIN_FRAMES",
    "AugmentConfig",
    "BsqConfig",
    "ClassicConfig",
    "ClipConfig",
    "CodebookConfig",
    "Config",
    "Count",
    "DataConfig",
    "Decoder2dConfig",
    "Decoder3dConfig",
    "EmaConfig",
    "EvalConfig",
    "FsqConfig",
    "Gradient",
    "GroupedConfig",
    "Lookup",
    "LookupConfig",
    "LossConfig",
    "MetricName",
    "ModelConfig",
    "OptimConfig",
    "PatchConfig",
    "PixelKind",
    "PreprocessConfig",
    "QuantizerConfig",
    "ResidualConfig",
    "Resolution",
    "RunConfig",
    "Section",
    "Share",
    "SimVqConfig",
    "SingleConfig",
    "SourceChoice",
    "SourceKind",
    "Split",
    "TrainConfig",
    "VqConfig",
    "Weight",
    "setting",
]


class Config(Section):
    """Everything a command may read."""

    preprocess: PreprocessConfig = PreprocessConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = setting(ClassicConfig(), "frames to tokens and back", discriminator="kind")
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    eval: EvalConfig = EvalConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _long_enough_for_the_loss(self) -> "Config":
        num_frames = self.data.clip_frames
        if self.loss.has_video_features and num_frames < FVD_MIN_FRAMES:
            raise ValueError(
                f"loss.fvd_mean_weight and loss.fvd_cov_weight need data.clip_frames of at least {FVD_MIN_FRAMES} "
                f"(got {num_frames}), for I3D has no shorter clips: set data.clip_frames=12, or these weights to 0"
            )
        if self.loss.adversarial_weight and self.loss.discriminator_kind == "3d" and num_frames < 2:
            raise ValueError(
                "loss.discriminator_kind 3d judges motion and needs data.clip_frames of at least 2 "
                f"(got {num_frames}): set it, or take discriminator_kind 2d"
            )
        return self

    @model_validator(mode="after")
    def _clips_of_one_segment(self) -> "Config":
        if not isinstance(self.model, ClipConfig):
            return self
        if not 2 <= self.data.clip_frames <= self.model.segment_frames:
            raise ValueError(
                f"model.kind clip trains on clips of 2 to model.segment_frames={self.model.segment_frames} frames (got "
                f"data.clip_frames={self.data.clip_frames}): set data.clip_frames={self.model.segment_frames}"
            )
        if self.loss.has_video_features or (self.loss.adversarial_weight and self.loss.discriminator_kind == "3d"):
            raise ValueError(
                "model.kind clip trains on frames drawn from a clip, not on their sequence: set loss.fvd_mean_weight "
                "and loss.fvd_cov_weight to 0, and loss.discriminator_kind to 2d"
            )
        return self
