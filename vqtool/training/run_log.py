"""What a trainer writes into its run folder: metrics, events, heartbeat and the final status."""

import io
import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.runs.folder import HEARTBEAT_SECONDS, RunFolder, Status, step_name
from vqtool.runs.jsonl import JsonlWriter
from vqtool.runs.previews import PreviewClip, write_preview, write_worst
from vqtool.training.evaluator import Evaluated
from vqtool.training.system import SystemUse
from vqtool.training.tensorboard import TensorBoard
from vqtool.training.trainer import StepResult
from vqtool.training.usage import RunningUsage


class RunLog:
    """Writes metrics.jsonl, events.jsonl, previews/, codebook/ and run.json of one run, and TensorBoard's files.

    Of several processes only the main one writes; to the others this is a log that keeps nothing.
    """

    def __init__(
        self, run: RunFolder, system: SystemUse, board: TensorBoard | None = None, writes: bool = True
    ) -> None:
        self.run = run
        self._system = system
        self._board = board
        self._writes = writes
        self._last_heartbeat = -math.inf
        if writes:
            with explained_os_errors(run.metrics_file):
                self._metrics = JsonlWriter(run.metrics_file)
                self._events = JsonlWriter(run.events_file)

    def step(self, result: StepResult, usage: RunningUsage, num_revived: int) -> dict[str, float]:
        """A line of the train split, and an event where codes were revived since the last line; gives its numbers."""
        losses = {name if "/" in name else f"loss/{name}": float(value) for name, value in result.losses.items()}
        codebook = {f"codebook/{name}": float(value) for name, value in usage.summary(result.step - 1).items()}
        speed = {
            "optim/lr": result.lr,
            "optim/grad_norm": result.grad_norm,
            "speed/frames_per_second": result.num_frames / max(result.seconds, 1e-9),
            "speed/data_wait_fraction": result.data_seconds / max(result.seconds, 1e-9),
        }
        numbers = losses | codebook | speed | self._system.numbers()
        if not self._writes:
            return numbers
        self._write(self._metrics, {"step": result.step, "split": "train", **numbers})
        if self._board:
            self._board.numbers(result.step, "train", numbers)
        if num_revived:
            self.event("revive", result.step, codes=num_revived)
        return numbers

    def evaluated(self, result: Evaluated) -> None:
        """A line of an evaluated split; the usage of each code goes to `codebook/` for the first split of a step."""
        if not self._writes:
            return
        self._write(self._metrics, {"step": result.step, "split": result.split, **result.numbers})
        if self._board:
            self._board.numbers(result.step, result.split, result.numbers)
        usage_file = self.run.codebook / f"{step_name(result.step)}.npy"
        if result.evaluation.usage is not None and not usage_file.exists():
            content = io.BytesIO()
            np.save(content, result.evaluation.usage.counts.cpu().numpy())
            write_atomic(usage_file, content.getvalue())

    def preview(self, step: int, clips: Sequence[PreviewClip]) -> None:
        """The preview of a step."""
        path = write_preview(self.run, step, clips)
        if self._board:
            self._board.clips(step, clips)
        self.event("preview", step, path=path.name)

    def worst(self, step: int, clips: Sequence[PreviewClip]) -> None:
        """The worst clips of an evaluation."""
        write_worst(self.run, step, clips)

    def event(self, kind: str, step: int, **facts: Any) -> None:
        """A line of events.jsonl."""
        if self._writes:
            self._write(self._events, {"step": step, "kind": kind, **facts})

    def heartbeat(self, step: int, seconds: float) -> bool:
        """Say in run.json that the trainer lives and has trained for `seconds`, every few seconds; whether it did."""
        # Not by the wall clock, which may be set back: then nothing would be written until it has caught up.
        now = time.monotonic()
        if not self._writes or now - self._last_heartbeat < HEARTBEAT_SECONDS:
            return False
        self._last_heartbeat = now
        self.run.update_status(heartbeat=time.time(), step=step, seconds=seconds)
        return True

    def finish(self, status: Status, step: int, **facts: Any) -> None:
        """The last word of this trainer in run.json and events.jsonl."""
        if not self._writes:
            return
        self.event({"finished": "finish", "stopped": "stop", "failed": "alarm"}.get(status, status), step, **facts)
        self.run.update_status(status=status, step=step, heartbeat=time.time(), **facts)

    def _write(self, writer: JsonlWriter, record: dict[str, Any]) -> None:
        with explained_os_errors(self.run.path):
            writer.write({"step": record["step"], "time": time.time(), **record})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board:
            self._board.close()
        if self._writes:
            self._metrics.close()
            self._events.close()
