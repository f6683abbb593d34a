"""Small configs of every kind in the schema and every choice that a kind offers: a new kind is among them unasked."""

from typing import Literal, get_args, get_origin

from vqtool.core.config import QuantizerConfig, ResidualConfig, Section

SMALL = {"codebook_size": 16, "code_dim": 4, "levels": (5, 3, 4)}


def small(kind: type[Section], **changes: object) -> Section:
    """A config of this kind with few short codes, also in what it is made of."""
    fields = kind.model_fields
    made_of = {"of": small(type(fields["of"].default))} if "of" in fields else {}
    return kind(**{name: value for name, value in SMALL.items() if name in fields} | made_of | changes)


def kinds_of(annotation: object) -> tuple[type[Section], ...]:
    return get_args(annotation)


def variants(kind: type[Section]) -> list[Section]:
    """The small config, one for each other value of a choice, one for each quantizer it can be made of."""
    found = [small(kind)]
    for name, field in kind.model_fields.items():
        if get_origin(field.annotation) is Literal and name != "kind":
            found += [small(kind, **{name: value}) for value in get_args(field.annotation) if value != field.default]
        if name == "of":
            found += [
                small(kind, of=small(part)) for part in kinds_of(field.annotation) if part is not type(field.default)
            ]
            found += [small(kind, of=part) for part in variants(type(field.default))[1:] if fits(kind, part)]
    return found


def fits(kind: type[Section], part: Section) -> bool:
    """Unit vectors leave no unit vectors."""
    return kind is not ResidualConfig or getattr(part, "lookup", "") != "cosine"


def label(config: Section) -> str:
    """`ema`, `ema-cosine`, `residual of fsq`."""
    fields = type(config).model_fields
    choices = [
        str(getattr(config, name))
        for name, field in fields.items()
        if get_origin(field.annotation) is Literal and name != "kind" and getattr(config, name) != field.default
    ]
    of = f" of {label(config.of)}" if "of" in fields else ""
    return "-".join([config.kind, *choices]) + of


CONFIGS = [config for kind in kinds_of(QuantizerConfig) for config in variants(kind)]
