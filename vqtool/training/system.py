"""What a trainer takes of the machine, from line to line of its log."""

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

import torch

GIB = 1024**3
_STATM = Path("/proc/self/statm")


class SystemUse:
    """Measures this process and its GPU; `numbers` has the names of metrics.jsonl."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu_seconds, self._clock = _cpu_seconds(), time.monotonic()

    def numbers(self) -> dict[str, float]:
        """CPU cores kept busy since the last call, memory resident now, and of a GPU its memory and its load.

        The load, the share of the last moments in which the GPU did anything, needs the package `nvidia-ml-py`.
        """
        cpu_seconds, clock = _cpu_seconds(), time.monotonic()
        passed = clock - self._clock
        used = {"system/memory_gib": _resident_bytes() / GIB}
        if passed > 0:
            used["system/cpu_cores"] = (cpu_seconds - self._cpu_seconds) / passed
        self._cpu_seconds, self._clock = cpu_seconds, clock
        return used | (_gpu(self._device) if self._device.type == "cuda" else {})


def _cpu_seconds() -> float:
    """Of this process, all its threads, and its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _resident_bytes() -> int:
    """Memory in RAM; where the system does not tell, the most that it ever was."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _gpu(device: torch.device) -> dict[str, float]:
    used = {"system/gpu_memory_gib": torch.cuda.memory_reserved(device) / GIB}
    with suppress(ModuleNotFoundError, RuntimeError):
        used["system/gpu_load"] = torch.cuda.utilization(device) / 100
    return used
