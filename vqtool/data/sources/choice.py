"""The source that a config names: one of the files of this folder."""

from pathlib import Path
from typing import assert_never

from vqtool.core.config import PreprocessConfig
from vqtool.data.sources.base import Source
from vqtool.data.sources.detect import detect_kind
from vqtool.errors import ConfigError

VIDEOS_ONLY = ("cameras", "fps", "stride", "max_frames")
"""Settings that no other source knows."""


def resolve_source(config: PreprocessConfig) -> tuple[PreprocessConfig, str]:
    """`config` with the kind of its input in place of `auto`, and why it is that kind.

    Raises:
        DataError: the input of `auto` is missing, of no known kind, or of several.
        ConfigError: a setting that this kind of source does not have.
    """
    reason = "as set"
    if config.source == "auto":
        kind, reason = detect_kind(Path(config.input))
        config = config.model_copy(update={"source": kind})
    if config.source != "videos":
        for name in _changed(config):
            raise ConfigError(
                f"preprocess.{name} (--{name.replace('_', '-')}) is a setting of --source videos; "
                f"this source is {config.source}: leave it out"
            )
    return config, reason


def open_source(config: PreprocessConfig) -> Source:
    """The source that `config` names.

    Raises:
        DataError, ConfigError: as `resolve_source`.
    """
    config, _ = resolve_source(config)
    match config.source:
        case "robonet":
            from vqtool.data.sources.robonet import RobonetSource

            return RobonetSource(Path(config.input))
        case "videos":
            from vqtool.data.sources.videos import VideosSource
            from vqtool.data.timed_frames import FrameChoice

            choice = FrameChoice(config.fps, config.stride, config.max_frames)
            return VideosSource(Path(config.input), config.cameras == "subfolder", choice)
        case "lerobot":
            from vqtool.data.sources.lerobot import LerobotSource

            return LerobotSource(Path(config.input))
        case "synthetic":
            from vqtool.data.sources.synthetic import DEFAULT_TRAJECTORIES, SyntheticSource

            return SyntheticSource(config.limit or DEFAULT_TRAJECTORIES, config.seed)
        case "auto":
            raise AssertionError("resolve_source leaves no auto")
        case _:
            assert_never(config.source)


def recorded_settings(config: PreprocessConfig) -> dict[str, str | int | float]:
    """What decides on the frames beside the source's kind: how they were fitted, and how they were chosen if so."""
    return {"fit": config.fit} | {name: getattr(config, name) for name in _changed(config)}


def _changed(config: PreprocessConfig) -> list[str]:
    return [name for name in VIDEOS_ONLY if getattr(config, name) != PreprocessConfig.model_fields[name].default]
