"""What every section of the config is made of."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Split = Literal["train", "val", "test"]
MetricName = Literal["psnr", "ssim", "lpips", "fvd", "flicker", "psnr_moving", "psnr_static"]
FVD_MIN_FRAMES = 9
SourceKind = Literal["robonet", "videos", "lerobot", "synthetic"]
SourceChoice = Literal["auto", SourceKind]
Lookup = Literal["euclidean", "cosine"]
Gradient = Literal["straight-through", "rotation"]
PixelKind = Literal["l1", "l2", "charbonnier"]


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
