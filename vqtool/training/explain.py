"""What ends a run without being its fault, as messages that say what to do."""

import torch
import torch.distributed as dist

from vqtool.core.config import TrainConfig
from vqtool.data.store import FrameStore
from vqtool.errors import DataError, VqtoolError
from vqtool.runs.folder import RunFolder


def explained(error: Exception, train: TrainConfig, store: FrameStore, run: RunFolder) -> Exception:
    """What to do about a vanished store, memory that ran out or a lost process; any other error as it is."""
    if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        smaller, more = max(train.batch_size // 2, 1), train.accumulate * 2
        return VqtoolError(
            f"out of memory with train.batch_size={train.batch_size}: go on with --resume --set "
            f"train.batch_size={smaller} --set train.accumulate={more} (the same batch in smaller parts)"
        )
    if isinstance(error, dist.DistError) or "/gloo/" in str(error):
        return VqtoolError(
            f"another process of this job has ended, or cannot be reached ({str(error).splitlines()[0]}): look for "
            f"its own message, then start the job again: vqtool train --run {run.path} --resume goes on from the "
            "last checkpoint, with any number of processes"
        )
    lost = store.lost_file() if isinstance(error, DataError) else None
    return error if lost is None else store_vanished(lost, run)


def store_vanished(lost: str, run: RunFolder) -> DataError:
    """What to do where a file of the frame store is not there any more."""
    return DataError(
        f"the frame store vanished while training: {lost}; put it back or mount it again, then go on from the last "
        f"checkpoint: vqtool train --run {run.path} --resume"
    )
