"""The folder of a download in progress: one process's at a time, kept while there is something to resume."""

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vqtool.core.atomic import explained_os_errors

try:
    import fcntl

    HAS_LOCKS = True
except ImportError:  # not a POSIX system
    HAS_LOCKS = False

logger = logging.getLogger(__name__)

PREFIX = ".download-"
LOCK_FILE = "lock"
IDLE_SECONDS = 24 * 3600.0


@contextmanager
def scratch_folder(folder: Path, name: str) -> Iterator[Path]:
    """Yield `folder/.download-NAME`, which nobody else uses meanwhile; another process that wants it waits.

    The lock dies with its process. On leaving with an error the files stay, to be resumed; otherwise all goes. Where
    the system or the file system has no such locks, the folder is a private one, and nothing can be resumed.

    Raises:
        VqtoolError: `folder` cannot be written.
    """
    scratch = folder / f"{PREFIX}{name}"
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(scratch, name) if HAS_LOCKS else None
    if descriptor is None:
        with _private_folder(folder, name) as private:
            yield private
        return
    try:
        yield scratch
        _empty(scratch)
    finally:
        # The lock's name goes before the lock: see `_acquire`.
        (scratch / LOCK_FILE).unlink(missing_ok=True)
        os.close(descriptor)
        _remove_if_empty(scratch)


@contextmanager
def _private_folder(folder: Path, name: str) -> Iterator[Path]:
    with explained_os_errors(folder):
        private = Path(tempfile.mkdtemp(dir=folder, prefix=f"{PREFIX}{name}-"))
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)


def kept_bytes(folder: Path, name: str) -> int:
    """How much of a download of `name` lies in `folder`, to be resumed."""
    files = _children(folder / f"{PREFIX}{name}")
    return sum(file.stat().st_size for file in files if file.suffix != ".json")


def sweep(folder: Path, keep: Iterable[str]) -> None:
    """Remove from `folder` what killed downloads left there more than a day ago, except of the names in `keep`."""
    kept = {f"{PREFIX}{name}" for name in keep}
    for scratch in _children(folder):
        if scratch.name.startswith(PREFIX) and scratch.name not in kept:
            touched = max(path.stat().st_mtime for path in (scratch, *_children(scratch)))
            if time.time() - touched > IDLE_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)


def _children(folder: Path) -> list[Path]:
    """What lies in `folder`; nothing where it is absent, no folder, or closed to the user."""
    try:
        return [path for path in folder.iterdir() if path.exists()]
    except OSError:
        return []


def _acquire(scratch: Path, name: str) -> int | None:
    """A descriptor that holds the lock of `scratch` until it is closed; None where the file system has no locks."""
    while True:
        try:
            scratch.mkdir(exist_ok=True)
        except FileExistsError:
            # Where it was removed between the attempt and Python's look at what is there, this is no news.
            if _is_other_file(scratch):
                raise
            continue
        try:
            descriptor = os.open(scratch / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # whoever was here has just removed the folder
        try:
            locked = _lock(descriptor, name)
            # Whoever had the lock removed its file on leaving: a lock on a file without a name keeps nobody out.
            if locked and _names(scratch / LOCK_FILE, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            (scratch / LOCK_FILE).unlink(missing_ok=True)
            _remove_if_empty(scratch)
            return None


def _is_other_file(path: Path) -> bool:
    """Whether something is there that is no folder, in one look: what is removed now may be there again in a moment."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _lock(descriptor: int, name: str) -> bool:
    """Lock it, waiting for whoever has it; False where the file system cannot."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("another process is fetching the %s weights: waiting for it", name)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _empty(scratch: Path) -> None:
    for path in scratch.iterdir():
        if path.name != LOCK_FILE:
            path.unlink(missing_ok=True)


def _remove_if_empty(scratch: Path) -> None:
    try:
        scratch.rmdir()
    except OSError:
        return  # something to resume is in it, or another process is
