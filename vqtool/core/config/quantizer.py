"""The quantizers: latents to tokens."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vqtool.core.config.section import Count, Gradient, Lookup, Section, Share, Weight, setting


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
    perturb_share: Share = setting(0.0, "share of positions whose code training replaces by a near one; 0 is none")
    perturb_among: Count = setting(8, "nearest codes that such a one is drawn from")


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
        if isinstance(self.of, CodebookConfig) and self.of.perturb_share:
            raise ValueError("later levels would mend what is perturbed: set of.perturb_share to 0")
        return self


class GroupedConfig(Section):
    """Groups of channels, each with a quantizer of its own (product quantization): Jegou et al. 2011."""

    kind: Literal["grouped"] = "grouped"
    num_groups: int = setting(2, "groups of channels", ge=2, le=64)
    of: SingleConfig | ResidualConfig = setting(EmaConfig(), "quantizer of a group", discriminator="kind")


QuantizerConfig = SingleConfig | ResidualConfig | GroupedConfig
