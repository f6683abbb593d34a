"""What decides the bytes of a store: compared before an interrupted run is continued."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqtool import __version__
from vqtool.core.config import PreprocessConfig
from vqtool.preprocessing.test_list import TestList

NEUTRAL = {"input", "output", "test_list", "workers", "executor", "scheduler", "timeout_seconds"}
"""Settings that do not change what is stored."""


def fingerprint(
    config: PreprocessConfig, names: Sequence[str], origins: Mapping[str, str], test_list: TestList | None
) -> dict[str, Any]:
    """The settings, the test list, and the names and sizes of the input files, in words that a message can show."""
    settings = config.model_dump(mode="json", exclude=NEUTRAL)
    folder = Path(config.input)
    files = hashlib.sha256()
    for name in names:
        files.update(
            f"{name}\0{origins[name]}\0{_num_bytes(folder / origins[name])}\n".encode(errors="surrogateescape")
        )
    listed = "none" if test_list is None else _digest("\n".join(sorted(test_list.names)))
    return settings | {
        "test list": listed,
        "input": f"{len(names)} trajectories, names and sizes {files.hexdigest()[:16]}",
        "vqtool": __version__,
    }


def _num_bytes(file: Path) -> int | None:
    """None where a trajectory is not a file of its own."""
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
