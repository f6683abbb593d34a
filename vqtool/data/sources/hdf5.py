"""Reading HDF5 files that nobody vouches for: no link to another file is followed, no claimed size is believed."""

from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vqtool.data.sources.base import UnusableError

MAX_PAYLOAD_BYTES = 1 << 30
MAX_COMPRESSION = 1100
"""A little above what deflate can do at best (1032)."""


def group_at(parent: Any, path: str) -> Any:
    """The group `path` inside `parent`.

    Raises:
        UnusableError: it is no group, or a link.
        KeyError: there is none.
    """
    found = _item(parent, path)
    if not isinstance(found, h5py.Group):
        raise UnusableError("foreign", f"not RoboNet's layout: {path} is no group")
    return found


def dataset_at(parent: Any, path: str, file_bytes: int) -> Any:
    """The dataset `path` inside `parent`, in a file of `file_bytes`; it has one axis at least, and all its values.

    Raises:
        UnusableError: it is no dataset, a link, kept elsewhere, or claims more than the file holds.
        KeyError: there is none.
    """
    found = _item(parent, path)
    if not isinstance(found, h5py.Dataset) or not found.shape:
        raise UnusableError("foreign", f"not RoboNet's layout: {path} is no array")
    _check_storage(found.id, path, found.nbytes, found.dtype.itemsize, file_bytes)
    return found


def bytes_at(parent: h5py.Group, name: str, file_bytes: int) -> NDArray[np.uint8]:
    """The bytes of the dataset `name` in the group `parent`, (N,).

    Low-level calls only: a jpg file has a dataset a frame, and the friendly ones take as long as decoding it.

    Raises:
        UnusableError: as `dataset_at`, or it does not hold bytes.
        KeyError: there is none.
    """
    dataset = _open(parent, name, name)
    if not isinstance(dataset, h5py.h5d.DatasetID):
        raise UnusableError("foreign", f"not RoboNet's layout: {name} is no array")
    shape, dtype = dataset.shape, dataset.dtype  # each look makes a new object
    if not shape:
        raise UnusableError("foreign", f"not RoboNet's layout: {name} is no array")
    _check_storage(dataset, name, prod(shape) * dtype.itemsize, dtype.itemsize, file_bytes)
    return _all_bytes(dataset, name, shape, dtype)


def bytes_of(dataset: h5py.Dataset, name: str) -> NDArray[np.uint8]:
    """The bytes of a dataset that `dataset_at` gave for `name`, (N,).

    Raises:
        UnusableError: it does not hold bytes.
    """
    return _all_bytes(dataset.id, name, dataset.shape, dataset.dtype)


def _all_bytes(
    dataset: h5py.h5d.DatasetID, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[np.uint8]:
    if len(shape) != 1 or dtype.kind not in "ui" or dtype.itemsize != 1:
        raise UnusableError("inconsistent", f"{name} is {dtype} {shape}, expected bytes")
    content = np.empty(shape, dtype=dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, content)
    return content.view(np.uint8)


def _check_storage(dataset: h5py.h5d.DatasetID, path: str, num_bytes: int, item_bytes: int, file_bytes: int) -> None:
    """Refuse a dataset of `num_bytes` that is kept elsewhere, or that claims more than the file holds."""
    plan = dataset.get_create_plist()
    layout = plan.get_layout()
    if plan.get_external_count() or layout == h5py.h5d.VIRTUAL:
        raise UnusableError("foreign", f"{path} keeps its values in another file")
    stored = min(dataset.get_storage_size(), file_bytes)
    claimed, compressed = num_bytes, False
    if layout == h5py.h5d.CHUNKED:
        claimed = max(claimed, prod(plan.get_chunk()) * item_bytes)
        compressed = plan.get_nfilters() > 0
    if claimed > min(stored * (MAX_COMPRESSION if compressed else 1), MAX_PAYLOAD_BYTES):
        raise UnusableError("damaged", f"{path} claims {claimed:,} bytes, the file stores {stored:,} of them")


def attribute_text(item: Any, name: str) -> str:
    """A text attribute.

    Raises:
        UnusableError: it is no text.
        KeyError: there is none.
    """
    value = item.attrs[name]
    if not isinstance(value, bytes | str):
        raise UnusableError("foreign", f"not RoboNet's layout: attribute {name} is no text")
    return clean_text(value)


def clean_text(value: object) -> str:
    """At most 200 printable characters of a text, or of what an object says of itself."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(letter for letter in text if letter.isprintable())[:200]


def _item(parent: Any, path: str) -> Any:
    """What `path` leads to by hard links only: others may lead to another file."""
    for name in path.split("/"):
        if not isinstance(parent, h5py.Group):
            raise UnusableError("foreign", f"not RoboNet's layout: {path} leads through what is no group")
        parent = _wrapped(_open(parent, name, path))
    return parent


def _open(parent: h5py.Group, name: str, path: str) -> Any:
    """The object that a hard link of a group names, as an identifier; a third of the time of `parent[name]`."""
    _check_link(parent, name.encode(), path)
    return h5py.h5o.open(parent.id, name.encode())


def _wrapped(found: Any) -> Any:
    match found:
        case h5py.h5g.GroupID():
            return h5py.Group(found)
        case h5py.h5d.DatasetID():
            return h5py.Dataset(found)
        case _:
            return found


def _check_link(parent: h5py.Group, link: bytes, path: str) -> None:
    # Even `name in parent` would follow a link; these do not.
    links = parent.id.links
    if not links.exists(link):
        raise KeyError(f"there is no {path} in {parent.name}")
    if links.get_info(link).type != h5py.h5l.TYPE_HARD:
        raise UnusableError("foreign", f"{path} is a link")
