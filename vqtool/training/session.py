"""A training run from its first step to its last: a generator of what happened, which writes the run folder."""

import logging
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqtool.core.checkpoint import load_state, save_checkpoint, verify_checkpoint
from vqtool.core.config import Config
from vqtool.errors import CheckpointError, VqtoolError
from vqtool.runs.checkpoints import LATEST, drop_old_checkpoints, list_checkpoints, point_at
from vqtool.runs.control import REQUESTS, Request, take_requests
from vqtool.runs.folder import RunFolder, step_name
from vqtool.runs.lock import RunLock
from vqtool.runs.rewind import rewind
from vqtool.training.alarms import Alarm, AlarmWatch
from vqtool.training.best import BestScores
from vqtool.training.evaluator import Evaluated, Evaluator
from vqtool.training.explain import explained, store_vanished
from vqtool.training.previews import make_previews, spread_windows, worst_windows
from vqtool.training.run_log import RunLog
from vqtool.training.signals import StopSignals
from vqtool.training.stall import StallWatch
from vqtool.training.system import SystemUse
from vqtool.training.tensorboard import FOLDER, TensorBoard
from vqtool.training.trainer import NonFiniteError, StepResult, Trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written; `best` are the scores it is the best of."""

    step: int
    path: Path
    best: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """The run is over: `signal` is the number of the signal that stopped it, or None."""

    step: int
    status: str
    reason: str
    signal: int | None


@dataclass(frozen=True)
class Raised:
    """The trainer noticed a fault that has just begun."""

    step: int
    alarm: Alarm


@dataclass(frozen=True)
class StageBegan:
    """Training goes on with its next stage."""

    step: int
    stage: str


Happening = StepResult | StageBegan | Evaluated | Saved | Raised | Ended


class Session:
    """One trainer on one run folder, which it has for itself until it has ended.

    With several processes, each has a session over the same run; all take the same steps, and the main one writes.

    Raises:
        RunError: another trainer is at work there.
    """

    def __init__(self, run: RunFolder, config: Config, trainer: Trainer, evaluator: Evaluator) -> None:
        self.run = run
        self._processes = trainer.processes
        self._lock = RunLock(run) if trainer.processes.is_main else None
        self._config, self._train = config, config.train
        self._trainer, self._evaluator = trainer, evaluator
        self._best = BestScores()
        self._num_revived = 0
        self.last_numbers: Mapping[str, float] = {}
        """What the last line of the train split says, by the names of metrics.jsonl."""
        self._alarms = AlarmWatch(trainer.model.codebook_size)
        self._preview_windows = next(iter(evaluator.windows.values()))
        self._preview_numbers = spread_windows(self._preview_windows, config.train.preview_clips)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self._train.steps

    @property
    def share_done(self) -> float:
        """How much of the run is over, in [0, 1], by steps or by its wall budget."""
        return self._trainer.share_done

    def resume(self) -> int:
        """Go on from the run's latest whole checkpoint; gives its step, 0 where there is no checkpoint yet.

        What the run folder says of later steps is kept aside.

        Raises:
            CheckpointError: no checkpoint is whole, or the state in it belongs to another config.
        """
        # The main process decides which checkpoint is whole; what it finds wrong ends all of them.
        (folder, *_) = self._processes.together(self._latest_whole)
        if folder:
            state = load_state(folder)
            self._trainer.restore(state["trainer"])
            self._best.restore(state["best"])
            self._num_revived = state.get("num_revived", 0)
        self._processes.together(self._rewind)
        return self._trainer.step

    def _latest_whole(self) -> Path | None:
        """The newest checkpoint that is whole; None where there is none at all, and to all but the main process."""
        checkpoints = list_checkpoints(self.run) if self._processes.is_main else []
        for _, folder in reversed(checkpoints):
            try:
                verify_checkpoint(folder)
                load_state(folder)
            except CheckpointError as error:
                logger.warning("%s; going back to the one before", error)
            else:
                return folder
        if checkpoints:
            raise CheckpointError(
                f"none of the {len(checkpoints)} checkpoints in {self.run.checkpoints} is whole: "
                "copy the run again, or start another one"
            )
        return None

    def _rewind(self) -> None:
        if not self._processes.is_main:
            return
        step = self._trainer.step
        self.run.update_status(best=self._best.state())
        num_discarded = rewind(self.run, step, self._best.steps)
        if num_discarded:
            logger.warning("kept aside %d log lines written after the checkpoint of step %d", num_discarded, step)

    def happenings(self) -> Iterator[Happening]:
        """Train to the end (or to the first stop signal or request), yielding what happens as it happens.

        Raises:
            VqtoolError: what the run cannot go on with; run.json then says `failed`.
        """
        system = SystemUse(self._trainer.device)
        with (
            RunLog(self.run, system, self._board(), self._processes.is_main) as log,
            StopSignals() as signals,
            StallWatch(lambda seconds, where: self._tell_stall(log, seconds, where)) as watch,
        ):
            log.event("resume" if self._trainer.step else "start", self._trainer.step)
            try:
                yield from self._steps(log, signals, watch)
            except Exception as error:
                known = explained(error, self._train, self._trainer.batches.windows.store, self.run)
                self._fail(log, known)
                raise known from error
            except (KeyboardInterrupt, GeneratorExit):
                log.finish("stopped", self._trainer.step, reason="interrupted before a checkpoint")
                raise
            finally:
                if self._lock:
                    self._lock.release()

    def _tell_stall(self, log: RunLog, seconds: float, where: str) -> None:
        """From the watching thread: the training thread hangs in a step and writes nothing meanwhile."""
        log.event("stall", self._trainer.step, seconds=round(seconds), where=where)

    def _board(self) -> TensorBoard | None:
        wanted = self._train.tensorboard and self._processes.is_main
        return TensorBoard(self.run.path / FOLDER, self._trainer.step) if wanted else None

    def _fail(self, log: RunLog, error: Exception) -> None:
        facts = {"error": f"{type(error).__name__}: {error}"}
        # A disk that is full refuses this too; the error itself is what the user needs to see.
        with suppress(VqtoolError, OSError):
            if isinstance(error, NonFiniteError):
                log.event("alarm", self._trainer.step, alarm="non-finite", clips=error.clip_names)
            log.finish("failed", self._trainer.step, **facts)

    def _steps(self, log: RunLog, signals: StopSignals, watch: StallWatch) -> Iterator[Happening]:
        trainer = self._trainer
        while trainer.share_done < 1:
            before = trainer.model.stage
            with watch.step():
                result = trainer.train_step()
            self._num_revived += result.num_revived
            is_time_to_look = log.heartbeat(result.step, trainer.seconds)
            if result.skipped:
                log.event("non-finite", result.step)
            if trainer.model.stage != before:
                yield self._begin_stage(log, result)
            yield result
            if result.step % self._train.log_every == 0 or result.step == 1:
                yield from self._log(log, result)
            if is_time_to_look and (lost := trainer.batches.windows.store.lost_file()):
                yield self._save(log, [])
                raise store_vanished(lost, self.run)
            requests = self._take_requests(log, signals)
            if "stop" in requests or trainer.share_done >= 1:
                break
            yield from self._due(log, requests)
        yield from self._end(log, signals)

    def _begin_stage(self, log: RunLog, result: StepResult) -> StageBegan:
        """Losses of another stage are no measure for this one's."""
        self._alarms = AlarmWatch(self._trainer.model.codebook_size)
        log.event("stage", result.step, stage=result.stage)
        return StageBegan(result.step, result.stage)

    def _log(self, log: RunLog, result: StepResult) -> Iterator[Raised]:
        """A line in metrics.jsonl, and what is alarming about it."""
        numbers = log.step(result, self._trainer.usage, self._num_revived)
        self._num_revived = 0
        self.last_numbers = numbers
        quantized = bool(self._trainer.model.quantizer.is_initialised)
        for alarm in self._alarms.update(numbers, result.seconds, quantized):
            yield self._raise(log, alarm)

    def _raise(self, log: RunLog, alarm: Alarm) -> Raised:
        log.event("alarm", self._trainer.step, alarm=alarm.kind, evidence=alarm.evidence)
        return Raised(self._trainer.step, alarm)

    def _take_requests(self, log: RunLog, signals: StopSignals) -> list[Request]:
        """What was asked for since the last step, each answered by an event; a signal to any process is one to all."""
        taken = take_requests(self.run) if self._processes.is_main else []
        wanted = [float(request in taken) for request in REQUESTS]
        *asked, number = self._processes.largest([*wanted, float(signals.received or 0)])
        requests = [request for request, flag in zip(REQUESTS, asked, strict=True) if flag]
        for request in requests:
            log.event("request", self._trainer.step, request=request)
        if number:
            signals.received = int(number)
            name = signal.Signals(signals.received).name
            log.event("request", self._trainer.step, request="stop", signal=name)
            requests.append("stop")
        return requests

    def _due(self, log: RunLog, requests: Sequence[Request]) -> Iterator[Happening]:
        """Evaluation, preview and checkpoint where this step is their turn or they were asked for."""
        step, train = self._trainer.step, self._train
        if "preview" in requests or step % train.preview_every == 0:
            self._preview(log)
        improved: list[str] = []
        if "evaluate" in requests or step % train.eval_every == 0:
            improved = yield from self._evaluate(log)
        if "checkpoint" in requests or improved or step % train.checkpoint_every == 0:
            yield self._save(log, improved)

    def _end(self, log: RunLog, signals: StopSignals) -> Iterator[Happening]:
        """The last evaluation, preview and checkpoint; after a stop only the checkpoint, for it is in a hurry."""
        step = self._trainer.step
        finished = self._trainer.share_done >= 1
        improved: list[str] = []
        if finished:
            self._preview(log)
            improved = yield from self._evaluate(log)
        yield self._save(log, improved)
        reason = self._reason(signals)
        status: Any = "finished" if finished else "stopped"
        log.finish(status, step, reason=reason)
        yield Ended(step, status, reason, signals.received)

    def _reason(self, signals: StopSignals) -> str:
        if self._trainer.step >= self._train.steps:
            return f"all {self._train.steps} steps done"
        if self._trainer.share_done >= 1:
            return f"wall budget of {self._train.max_seconds:g} s used"
        return "asked to stop" if signals.received is None else f"by {signal.Signals(signals.received).name}"

    def _evaluate(self, log: RunLog) -> Generator[Happening, None, list[str]]:
        """Score every split; the first decides what is best. Gives the names that improved."""
        improved: list[str] = []
        for number, split in enumerate(self._evaluator.windows):
            result = self._evaluator(self._trainer.average.model, self._trainer.step, split)
            log.evaluated(result)
            log.event("evaluation", result.step, split=split, seconds=result.evaluation.seconds)
            if number == 0:
                self._keep_worst(log, result)
                improved = self._best.update(result.numbers, result.step)
                if self._processes.is_main:
                    self.run.update_status(best=self._best.state())
            yield result
            late = self._trainer.model.stage > 0 and self._trainer.stage_progress > 0.5
            if late and (alarm := self._alarms.judge(result.numbers)):
                yield self._raise(log, alarm)
        return improved

    def _preview(self, log: RunLog) -> None:
        if not self._processes.is_main:
            return
        model, step = self._trainer.average.model, self._trainer.step
        clips = make_previews(model, self._preview_windows, self._preview_numbers, self._trainer.precision)
        log.preview(step, clips)

    def _keep_worst(self, log: RunLog, result: Evaluated) -> None:
        """Pictures of the clips that an evaluation of the first split scored worst."""
        if not self._processes.is_main:
            return
        scores, num_clips = result.evaluation.clip_scores, self._train.preview_clips
        worst = worst_windows(scores, self._evaluator.metrics, num_clips)
        if len(worst):
            model, windows = self._trainer.average.model, self._evaluator.windows[result.split]
            log.worst(result.step, make_previews(model, windows, worst, self._trainer.precision))

    def _save(self, log: RunLog, improved: list[str]) -> Saved:
        """Write the checkpoint of this step, point its names at it, and only then drop old ones."""
        step = self._trainer.step
        folder = self.run.checkpoints / step_name(step)
        if not self._processes.is_main:
            return Saved(step, folder, tuple(improved))
        if not folder.exists():
            state = {
                "trainer": self._trainer.state(),
                "best": self._best.state(),
                "num_revived": self._num_revived,
            }
            save_checkpoint(folder, self._trainer.average.model.state_dict(), self._config, state)
        for name in (LATEST, *(f"best-{name}" for name in improved)):
            point_at(self.run, name, step)
        dropped = drop_old_checkpoints(self.run, self._train.keep_last)
        log.event("checkpoint", step, path=folder.name, best=improved, dropped=dropped)
        return Saved(step, folder, tuple(improved))
