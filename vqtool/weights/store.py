"""The folder where converted weights lie, shared by all runs of a user, and whether what lies there is whole."""

import os
from pathlib import Path
from typing import Literal

import platformdirs

from vqtool.errors import WeightsError
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.registry import find_entry
from vqtool.weights.tensors import read_tensors, tensors_sha256

WeightsState = Literal["absent", "damaged", "verified"]

HOME_VARIABLE = "VQTOOL_HOME"


def weights_folder() -> Path:
    """`$VQTOOL_HOME/weights`, or the user's cache folder on this platform.

    Raises:
        WeightsError: the user has no home folder, as in a container that runs under a number without a name.
    """
    home = os.environ.get(HOME_VARIABLE)
    try:
        return Path(home).expanduser() / "weights" if home else platformdirs.user_cache_path("vqtool") / "weights"
    except RuntimeError as error:
        raise WeightsError(
            f"no folder for weights: the home folder is unknown; set {HOME_VARIABLE} to a folder that you may write"
        ) from error


def weights_state(entry: WeightsEntry, folder: Path) -> WeightsState:
    """Whether `folder` holds the weights of `entry`; reads them all, 0.1 s for 59 MB."""
    path = folder / entry.file_name
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a folder on the way is closed to the user
        return "absent"
    try:
        return "verified" if tensors_sha256(read_tensors(path)) == entry.tensors_sha256 else "damaged"
    except WeightsError:
        return "damaged"


def weights_path(name: str) -> Path:
    """The verified safetensors file of the weights `name`.

    Raises:
        WeightsError: unknown name, absent or damaged; says where it looked and the command that fetches them.
    """
    return verified_path(find_entry(name), weights_folder())


def verified_path(entry: WeightsEntry, folder: Path) -> Path:
    """The verified safetensors file of `entry` in `folder`.

    Raises:
        WeightsError: absent or damaged.
    """
    name = entry.name
    path = folder / entry.file_name
    match weights_state(entry, folder):
        case "verified":
            return path
        case "damaged":
            raise WeightsError(f"the {name} weights in {path} are damaged: run vqtool fetch-weights {name}")
        case "absent":
            raise WeightsError(
                f"the {name} weights are absent (looked for {path}): run vqtool fetch-weights {name}, "
                f"or set {HOME_VARIABLE} to the folder whose weights/ holds them"
            )
