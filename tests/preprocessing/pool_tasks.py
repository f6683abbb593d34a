"""Tasks for worker processes that import nothing else: some have a result, others end their worker."""

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Number:
    value: int

    @property
    def name(self) -> str:
        return f"task{self.value}"


def square(task: Number) -> int:
    return task.value**2


@dataclass(frozen=True)
class Once:
    value: int
    folder: str

    @property
    def name(self) -> str:
        return f"task{self.value}"


def square_or_die(task: Number) -> int:
    """3 segfaults, 11 aborts, 12 is killed, 19 exits."""
    match task.value:
        case 3:
            ctypes.string_at(1)
        case 11:
            os.abort()
        case 12:
            os.kill(os.getpid(), signal.SIGKILL)
        case 19:
            os._exit(0)
    return task.value**2


def note(task: Number, death: Literal["crashed", "timed out"]) -> int:
    """-1 for a crash, -2 for a time-out."""
    return -1 if death == "crashed" else -2


def die_once(task: Once) -> int:
    mark = Path(task.folder) / str(task.value)
    if task.value == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task.value


def square_or_hang(task: Number) -> int:
    if task.value == 2:
        libc = ctypes.PyDLL(None)  # keeps the interpreter's lock, as a decoder in C may
        libc.pause()
    return task.value**2
