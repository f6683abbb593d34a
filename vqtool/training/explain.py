"""What ends a run without being its fault, as messages that say what to do."""

import torch

from vqtool.core.config import TrainConfig
from vqtool.data.store import FrameStore
from vqtool.errors import DataError, VqtoolError
from vqtool.runs.folder import RunFolder


def explained(error: Exception, train: TrainConfig, store: FrameStore, run: RunFolder) -> Exception:
    """A store that vanished, and memory that ran out, as messages that say what to do; any other error as it is."""
    if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        smaller, more = max(train.batch_size // 2, 1), train.accumulate * 2
        return VqtoolError(
            f"out of memory with train.batch_size={train.batch_size}: go on with --resume --set "
            f"train.batch_size={smaller} --set train.accumulate={more} (the same batch in smaller parts)"
        )
    lost = store.lost_file() if isinstance(error, DataError) else None
    return error if lost is None else store_vanished(lost, run)


def store_vanished(lost: str, run: RunFolder) -> DataError:
    """What to do where a file of the frame store is not there any more."""
    return DataError(
        f"the frame store vanished while training: {lost}; put it back or mount it again, then go on from the last "
        f"checkpoint: vqtool train --run {run.path} --resume"
    )
