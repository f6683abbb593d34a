"""Reading a pickle of numpy arrays without trusting it.

A pickle may name any function to call. This reader knows three names, all of which stand for code in this file; of
numpy, only `frombuffer` and `reshape` are called, on bytes, a number type and a shape that have been checked.
"""

import pickle
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vqtool.errors import WeightsError

Arrays = dict[str, NDArray[Any]]

NUMBER_TYPES = frozenset({"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})
MAX_NODES = 100_000
MAX_DEPTH = 16


def read_numpy_pickle(stream: IO[bytes], origin: str) -> Arrays:
    """The arrays of a pickled tree of dicts; the keys on the way to an array are joined with `/`.

    Raises:
        WeightsError: truncated or damaged, or it holds anything but dicts with text keys and arrays of numbers.
    """
    try:
        return dict(_leaves(_ArrayUnpickler(stream).load()))
    except Exception as error:
        # Any exception: a hostile stream can make the unpickler raise nearly all of them.
        raise WeightsError(f"cannot read {origin}: not a whole pickle of numpy arrays ({error})") from error


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return _Reconstruct()
            case "numpy", "dtype":
                return _MakeType()
            case "numpy", "ndarray":
                return _ARRAY_CLASS  # an argument of `_reconstruct`, never called
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, refused")


_ARRAY_CLASS = object()


class _Reconstruct:
    """Stands for numpy's function that makes an empty array, which the array's state then fills."""

    __slots__ = ()

    def __call__(self, array_class: object, shape: object, type_code: object) -> "_Array":
        return _Array()


class _MakeType:
    """Stands for `numpy.dtype`."""

    __slots__ = ()

    def __call__(self, code: object, align: object, copy: object) -> "_Type":
        if code not in NUMBER_TYPES:
            raise pickle.UnpicklingError(f"an array of type {code!r}, which is no number")
        return _Type(str(code))


class _Type:
    __slots__ = ("value",)

    def __init__(self, code: str) -> None:
        self.value: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, byte_order, *_ = state
        if byte_order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"an array with byte order {byte_order!r}")
        self.value = self.value.newbyteorder(byte_order)


class _Array:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, element_type, is_fortran, data = state
        if not isinstance(element_type, _Type) or not isinstance(data, bytes) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("an array without type, shape or data")
        if not all(type(length) is int and length >= 0 for length in shape):
            raise pickle.UnpicklingError(f"an array of shape {shape!r}")
        # Reshaping refuses a shape that the bytes do not fill.
        self.value = np.frombuffer(data, element_type.value).reshape(shape, order="F" if is_fortran else "C")


def _leaves(tree: object) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays below `tree` with their paths; bounded, since a pickle can make a tree that contains itself."""
    pending: list[tuple[tuple[str, ...], object]] = [((), tree)]
    for _ in range(MAX_NODES):
        if not pending:
            return
        path, node = pending.pop()
        if isinstance(node, _Array) and node.value is not None:
            yield "/".join(path), node.value
        elif isinstance(node, dict) and len(path) < MAX_DEPTH:
            pending.extend(((*path, key), child) for key, child in node.items())
        else:
            raise pickle.UnpicklingError(f"{type(node).__name__} at {'/'.join(path) or 'the top'}")
    raise pickle.UnpicklingError(f"more than {MAX_NODES} entries")
