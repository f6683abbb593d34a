"""Named tensors as a safetensors file, and the one number that says which tensors they are."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.errors import WeightsError

Tensors = Mapping[str, NDArray[Any]]


def tensors_sha256(tensors: Tensors) -> str:
    """The sha256 over names in sorted order, types, shapes and little-endian bytes.

    Unlike the file's own hash it does not depend on the order or the padding that a safetensors version chooses.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of the safetensors file `path`.

    Raises:
        WeightsError: missing, damaged, or another kind of file.
    """
    try:
        return dict(safetensors.numpy.load_file(path))
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise WeightsError(f"cannot read {path}: not a whole safetensors file ({error})") from error


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write `path` whole or not at all, making its folder.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, safetensors.numpy.save(contiguous))
