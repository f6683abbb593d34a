"""Where raw videos come from: one file a kind of source, behind the protocol of `base`."""

from pathlib import Path
from typing import assert_never

from vqtool.core.config import PreprocessConfig
from vqtool.data.sources.base import Source


def open_source(config: PreprocessConfig) -> Source:
    """The source that `config` names.

    Raises:
        DataError: its input folder is missing.
    """
    match config.source:
        case "robonet":
            from vqtool.data.sources.robonet import RobonetSource

            return RobonetSource(Path(config.input))
        case "synthetic":
            from vqtool.data.sources.synthetic import DEFAULT_TRAJECTORIES, SyntheticSource

            return SyntheticSource(config.limit or DEFAULT_TRAJECTORIES, config.seed)
        case _:
            assert_never(config.source)
