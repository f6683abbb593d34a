"""Files and folders that appear whole or not at all."""

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vqtool.errors import VqtoolError


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) so that `path` holds the old content or the new one, never a part.

    The new content is on the disk before the rename, so this also holds over a power cut.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    with explained_os_errors(path), _replacing(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write beside `path`; on leaving without an error it becomes `path`, else it is removed.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as stream:
            yield stream


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    temporary = _temporary_name(path)
    try:
        with temporary.open("w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on leaving without an error it becomes `path`, else it is removed.

    Raises:
        VqtoolError: `path` exists, no space left, or the parent cannot be written.
    """
    if path.exists():
        raise VqtoolError(f"{path} exists already: remove it or choose another name")
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_name(path)
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            yield temporary
            for child in temporary.rglob("*"):
                sync(child)
            temporary.rename(path)
            sync(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def sync(path: Path) -> None:
    """Push a file or a folder's directory entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained_os_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals around writing `path` into a message that says what to do."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "no space left on the device: free some or write elsewhere, then run the same command again",
            errno.EDQUOT: "disk quota exceeded: free some space or write elsewhere, then run the same command again",
            errno.EACCES: "permission denied: choose a folder that you may write",
            errno.EPERM: "the system does not permit it: choose another folder",
            errno.EROFS: "the file system is read-only: choose a folder that you may write",
            errno.ENOENT: "a folder on the way to it does not exist and cannot be made",
            errno.EIO: "the disk reports an input/output error: write elsewhere, and check that disk",
            errno.EEXIST: "a file of that name is in the way: move it or choose another path",
            errno.ENOTDIR: "a part of this path is a file, not a folder: choose another path",
            errno.EFBIG: "the file is larger than this file system or limit allows",
            errno.ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
        }.get(error.errno or 0)
        if advice is None:
            raise
        raise VqtoolError(f"cannot write {path}: {advice}") from error


_REFUSALS = {
    errno.EACCES: "permission denied: ask its owner for the right to read it, or give another path",
    errno.EPERM: "the system does not permit it: give another path",
    errno.EIO: "the disk reports an input/output error: take a copy from elsewhere, and check that disk",
    errno.ESTALE: "the network file system has lost it: try again",
    errno.ELOOP: "it is a link that leads to itself: give another path",
    errno.ENAMETOOLONG: "the name is too long for the file system: give another path",
}


def refusal(error: OSError) -> str | None:
    """What the operating system's refusal to open a file means, and what to do; None where it refused nothing."""
    reason = _REFUSALS.get(error.errno or 0)
    return f"cannot use {error.filename}: {reason}" if reason and error.filename else None


@contextmanager
def explained_refusals(kind: type[VqtoolError] = VqtoolError) -> Iterator[None]:
    """Around reading: a file that may not be read is not a damaged one, and nobody should be told to remove it.

    Raises:
        VqtoolError: of this kind: the system refused; what is missing or cut short stays the error it was.
    """
    try:
        yield
    except OSError as error:
        message = refusal(error)
        if message is None:
            raise
        raise kind(message) from error


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
