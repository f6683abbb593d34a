"""Weights inside a source package: one member of the archive is read; nothing is unpacked and nothing in it is run."""

import functools
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from vqtool.errors import WeightsError
from vqtool.weights.numpy_pickle import Arrays, read_numpy_pickle
from vqtool.weights.tensors import Tensors

MAX_MEMBER_BYTES = 256 << 20


def read_member(path: Path, member_name: str) -> Arrays:
    """The arrays of the numpy pickle `member_name` in the source package `path`.

    Raises:
        KeyError: no such plain file in it, or a huge one.
        OSError, EOFError, tarfile.TarError, zlib.error: truncated, damaged or no archive.
        WeightsError: the member holds anything but arrays.
    """
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.name.endswith(f"/{member_name}") and member.isreg() and member.size <= MAX_MEMBER_BYTES:
                stream = archive.extractfile(member)
                assert stream is not None  # a regular member has data
                return read_numpy_pickle(stream, f"{member_name} in {path}")
    raise KeyError(member_name)


def explained(title: str) -> Callable[[Callable[[Path], Tensors]], Callable[[Path], Tensors]]:
    """Turn what a damaged or foreign file makes a reader raise into a message: the file, and the weights' `title`."""

    def decorate(read: Callable[[Path], Tensors]) -> Callable[[Path], Tensors]:
        @functools.wraps(read)
        def reader(path: Path) -> Tensors:
            try:
                return read(path)
            except KeyError as error:
                raise WeightsError(f"{path} does not hold the {title} weights: it has no {error}") from error
            except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
                raise WeightsError(
                    f"cannot read {path}: truncated, damaged or another kind of file ({error})"
                ) from error

        return reader

    return decorate


def package_readers(
    title: str, member_name: str, convert: Callable[[Arrays], Tensors]
) -> tuple[Callable[[Path], Tensors], Callable[[Path], Tensors]]:
    """Readers of a source package's checkpoint `member_name`, inside the package and on its own.

    Both raise WeightsError where the file is damaged, or is or holds another one.
    """

    @explained(title)
    def read_sdist(path: Path) -> Tensors:
        return convert(read_member(path, member_name))

    @explained(title)
    def read_checkpoint(path: Path) -> Tensors:
        with path.open("rb") as stream:
            return convert(read_numpy_pickle(stream, str(path)))

    return read_sdist, read_checkpoint
