"""The tokenizers: how frames become latents and tokens become frames."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vqtool.core.config.quantizer import EmaConfig, QuantizerConfig, ResidualConfig, VqConfig
from vqtool.core.config.section import Count, Section, Share, setting

Resolution = Annotated[int, Field(ge=8, le=1024)]
Level = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(gt=0, le=1)]


class Decoder2dConfig(Section):
    """A decoder that sees one frame at a time."""

    kind: Literal["2d"] = "2d"


class Decoder3dConfig(Section):
    """The 2D decoder with temporal convolutions and windowed spatio-temporal attention between its levels."""

    kind: Literal["3d"] = "3d"
    temporal_kernel: int = setting(3, "length of the temporal convolutions, frames (odd)", ge=1, le=15)
    window_frames: int = setting(4, "length of an attention window, frames", ge=1, le=64)
    window_size: int = setting(4, "height and width of an attention window, latent positions", ge=1, le=64)
    attention_heads: int = setting(4, "heads of the windowed attention", ge=1, le=64)
    causal: bool = setting(False, "a frame sees itself and earlier frames only")

    @model_validator(mode="after")
    def _odd_kernel(self) -> "Decoder3dConfig":
        if self.temporal_kernel % 2 == 0:
            raise ValueError(f"temporal_kernel must be odd, to see as far back as ahead (got {self.temporal_kernel})")
        return self

    def check_widths(self, widths: Iterable[int]) -> None:
        """Raise ValueError unless the heads share the channels of every level with windowed attention evenly."""
        if uneven := sorted({width for width in widths if width % self.attention_heads}):
            raise ValueError(
                f"decoder.attention_heads {self.attention_heads} does not divide the {uneven[0]} channels of a level"
            )


DecoderConfig = Decoder2dConfig | Decoder3dConfig


class ClassicConfig(Section):
    """The VQGAN family: Esser et al. 2021."""

    kind: Literal["classic"] = "classic"
    resolution: Resolution = setting(64, "height and width of a frame, pixels")
    channels: int = setting(128, "channels of the first level", ge=4, le=1024)
    channel_multipliers: tuple[Count, ...] = setting(
        (1, 1, 2, 2, 4),
        "channels of each level as a multiple; every level but the first halves the frame",
        min_length=1,
    )
    num_res_blocks: int = setting(2, "residual blocks a level", ge=1, le=16)
    attention_resolutions: tuple[Count, ...] = setting((16,), "resolutions of a level with self-attention")
    latent_channels: int = setting(256, "channels between encoder and quantizer", ge=1, le=4096)
    decoder: DecoderConfig = setting(Decoder2dConfig(), "tokens to frames", discriminator="kind")
    quantizer: QuantizerConfig = setting(VqConfig(), "latents to tokens", discriminator="kind")

    norm_groups: int = setting(
        0, "groups of the frame networks' normalisation; 0 is 32, or fewer where channels are few", ge=0, le=1024
    )
    pixel_mean: tuple[Level, Level, Level] = setting(
        (0.5, 0.5, 0.5), "mean of red, green and blue in [0, 1] that the networks see as 0; 0.5 is [-1, 1]"
    )
    pixel_std: tuple[Spread, Spread, Spread] = setting(
        (0.5, 0.5, 0.5), "distance from that mean that the networks see as 1"
    )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level; level 0 is the first of the encoder and the last of the decoder."""
        return tuple(self.channels * multiplier for multiplier in self.channel_multipliers)

    @property
    def downsampling(self) -> int:
        """Pixels across one token."""
        return 1 << (len(self.channel_multipliers) - 1)

    def has_attention(self, level: int) -> bool:
        """Whether a level has self-attention."""
        return self.resolution >> level in self.attention_resolutions

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> "ClassicConfig":
        if isinstance(self.decoder, Decoder3dConfig):
            attending = [width for level, width in enumerate(self.widths) if self.has_attention(level)]
            self.decoder.check_widths([*attending, self.widths[-1]])
        return self

    @model_validator(mode="after")
    def _groups_divide_channels(self) -> "ClassicConfig":
        if self.norm_groups and any(width % self.norm_groups for width in (self.channels, *self.widths)):
            raise ValueError(
                f"norm_groups {self.norm_groups} does not divide the channels of every level "
                f"({', '.join(map(str, self.widths))}); 0 finds groups that do"
            )
        return self

    @model_validator(mode="after")
    def _divisible(self) -> "ClassicConfig":
        if self.resolution % self.downsampling:
            raise ValueError(
                f"resolution {self.resolution} is not divisible by {self.downsampling}, the downsampling of "
                f"{len(self.channel_multipliers)} levels"
            )
        return self


class PatchConfig(Section):
    """The efficient family: patches become channels before the first level."""

    kind: Literal["patch"] = "patch"
    resolution: Resolution = setting(64, "height and width of a frame, pixels")
    patch_size: int = setting(4, "pixels across a patch that is folded into channels", ge=1, le=64)
    channels: int = setting(64, "channels of the first level", ge=4, le=1024)
    channel_multipliers: tuple[Count, ...] = setting(
        (1, 2, 4),
        "channels of each level as a multiple; every level but the first halves the grid of patches",
        min_length=1,
    )
    num_res_blocks: int = setting(2, "residual blocks a level", ge=1, le=16)
    linear_path: bool = setting(
        False, "a linear path beside the networks, started at the principal components of real patches"
    )
    decoder: DecoderConfig = setting(Decoder2dConfig(), "tokens to frames", discriminator="kind")
    quantizer: QuantizerConfig = setting(EmaConfig(code_dim=16), "latents to tokens", discriminator="kind")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(self.channels * multiplier for multiplier in self.channel_multipliers)

    @property
    def downsampling(self) -> int:
        """Pixels across one token."""
        return self.patch_size << (len(self.channel_multipliers) - 1)

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> "PatchConfig":
        if isinstance(self.decoder, Decoder3dConfig):
            self.decoder.check_widths(self.widths[-2:])
        return self

    @model_validator(mode="after")
    def _divisible(self) -> "PatchConfig":
        if self.resolution % self.downsampling:
            raise ValueError(
                f"resolution {self.resolution} is not divisible by {self.downsampling}, "
                f"the downsampling of patch_size {self.patch_size} and {len(self.channel_multipliers)} levels"
            )
        return self


class ClipConfig(Section):
    """What stays of a scene once, and of each frame only what changed."""

    kind: Literal["clip"] = "clip"
    resolution: Resolution = setting(64, "height and width of a frame, pixels")
    context: Literal["mean", "first"] = setting(
        "mean", "picture that the frames of a segment share; with first a frame needs no later one"
    )
    segment_frames: int = setting(12, "frames that share a context, at most", ge=2, le=256)
    patch_size: int = setting(4, "pixels across a patch that is folded into channels", ge=1, le=64)
    context_channels: int = setting(64, "context: channels of the first level", ge=4, le=1024)
    context_multipliers: tuple[Count, ...] = setting(
        (1, 2), "context: channels of each level as a multiple", min_length=1
    )
    context_res_blocks: int = setting(2, "context: residual blocks a level", ge=1, le=16)
    context_quantizer: QuantizerConfig = setting(
        ResidualConfig(num_levels=2, of=EmaConfig(code_dim=16)), "context: latents to tokens", discriminator="kind"
    )
    linear_path: bool = setting(
        False, "linear paths beside the networks, started at the principal components of real patches"
    )
    context_share: Share = setting(0.45, "share of the run that the context is trained for, before all else", gt=0)
    channels: int = setting(64, "changes: channels of the first level", ge=4, le=1024)
    channel_multipliers: tuple[Count, ...] = setting(
        (1, 2, 4, 4), "changes: channels of each level as a multiple", min_length=1
    )
    num_res_blocks: int = setting(1, "changes: residual blocks a level", ge=1, le=16)
    quantizer: QuantizerConfig = setting(EmaConfig(code_dim=16), "changes: latents to tokens", discriminator="kind")
    train_frames: Count = setting(4, "pictures of a training clip that a step looks at")
    joint_share: Share = setting(0.0, "share of the run at its end that trains context and changes together")

    @property
    def context_widths(self) -> tuple[int, ...]:
        """Channels of each level of the context's networks."""
        return tuple(self.context_channels * multiplier for multiplier in self.context_multipliers)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level of the changes' networks."""
        return tuple(self.channels * multiplier for multiplier in self.channel_multipliers)

    @property
    def context_grid_size(self) -> int:
        """Positions down and across a context."""
        return self.resolution // self.patch_size >> (len(self.context_multipliers) - 1)

    @property
    def grid_size(self) -> int:
        """Positions down and across a frame's changes."""
        return self.resolution // self.patch_size >> (len(self.channel_multipliers) - 1)

    @model_validator(mode="after")
    def _divisible(self) -> "ClipConfig":
        levels = max(len(self.channel_multipliers), len(self.context_multipliers))
        downsampling = self.patch_size << (levels - 1)
        if self.resolution % downsampling:
            raise ValueError(
                f"resolution {self.resolution} is not divisible by {downsampling}, the downsampling of patch_size "
                f"{self.patch_size} and {levels} levels"
            )
        if self.context_share + self.joint_share >= 1:
            raise ValueError(
                f"context_share {self.context_share} and joint_share {self.joint_share} leave nothing of the run for "
                "the changes"
            )
        return self


ModelConfig = ClassicConfig | PatchConfig | ClipConfig
