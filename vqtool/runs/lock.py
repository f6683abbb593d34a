"""One trainer a run folder: a lock that the operating system drops when the trainer's process ends, however it ends."""

import fcntl
import os
from typing import IO

from vqtool.core.atomic import explained_os_errors
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder

LOCK_FILE = ".lock"


class RunLock:
    """Holds the lock of a run from its making until `release` or the end of the process.

    Raises:
        RunError: another trainer holds it; names its process.
        VqtoolError: the run folder cannot be written.
    """

    def __init__(self, run: RunFolder) -> None:
        path = run.path / LOCK_FILE
        with explained_os_errors(path):
            stream = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read(20).strip() or "unknown"
            stream.close()
            raise RunError(f"run {run.path} is in use by process {holder}: stop that first") from None
        except OSError:
            # A file system without locks: the heartbeat in run.json is all there is.
            pass
        with explained_os_errors(path):
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
        self._stream: IO[str] = stream

    def release(self) -> None:
        """Let another trainer have the run."""
        self._stream.close()
