"""A training run from its first step to its last: a generator of what happened, which writes the run folder."""

import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqtool.core.checkpoint import load_state, save_checkpoint
from vqtool.core.config import Config
from vqtool.runs.checkpoints import LATEST, drop_old_checkpoints, list_checkpoints, point_at
from vqtool.runs.control import take_requests
from vqtool.runs.folder import RunFolder, step_name
from vqtool.runs.previews import write_preview
from vqtool.training.best import BestScores
from vqtool.training.evaluator import Evaluated, Evaluator
from vqtool.training.previews import make_previews
from vqtool.training.run_log import RunLog
from vqtool.training.signals import StopSignals
from vqtool.training.trainer import StepResult, Trainer


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


Happening = StepResult | Evaluated | Saved | Ended


class Session:
    """One trainer on one run folder."""

    def __init__(self, run: RunFolder, config: Config, trainer: Trainer, evaluator: Evaluator) -> None:
        self.run = run
        self._config, self._train = config, config.train
        self._trainer, self._evaluator = trainer, evaluator
        self._best = BestScores()
        self._preview_windows = next(iter(evaluator.windows.values()))

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self._train.steps

    def resume(self) -> int:
        """Go on from the run's latest checkpoint; gives its step, 0 where there is none yet."""
        checkpoints = list_checkpoints(self.run)
        if not checkpoints:
            return 0
        state = load_state(checkpoints[-1][1])
        self._trainer.restore(state["trainer"])
        self._best.restore(state["best"])
        return self._trainer.step

    def happenings(self) -> Iterator[Happening]:
        """Train to the end (or to the first stop signal or request), yielding what happens as it happens.

        Raises:
            VqtoolError: what the run cannot go on with; run.json then says `failed`.
        """
        with RunLog(self.run) as log, StopSignals() as signals:
            log.event("resume" if self._trainer.step else "start", self._trainer.step)
            try:
                yield from self._steps(log, signals)
            except Exception as error:
                log.finish("failed", self._trainer.step, error=f"{type(error).__name__}: {error}")
                raise
            except (KeyboardInterrupt, GeneratorExit):
                log.finish("stopped", self._trainer.step, reason="interrupted before a checkpoint")
                raise

    def _steps(self, log: RunLog, signals: StopSignals) -> Iterator[Happening]:
        trainer, num_revived = self._trainer, 0
        while trainer.share_done < 1 and signals.received is None:
            result = trainer.train_step()
            num_revived += result.num_revived
            if result.step % self._train.log_every == 0 or result.step == 1:
                log.step(result, trainer.usage, num_revived)
                num_revived = 0
            log.heartbeat(result.step)
            yield result
            requests = take_requests(self.run)
            for request in requests:
                log.event("request", result.step, request=request)
            if "stop" in requests or trainer.share_done >= 1:
                break
            yield from self._due(log, "checkpoint" in requests, "preview" in requests)
        yield from self._end(log, signals)

    def _due(self, log: RunLog, checkpoint: bool, preview: bool) -> Iterator[Happening]:
        """Evaluation, preview and checkpoint where this step is their turn or they were asked for."""
        step, train = self._trainer.step, self._train
        if preview or step % train.preview_every == 0:
            self._preview(log)
        improved: list[str] = []
        if step % train.eval_every == 0:
            improved = yield from self._evaluate(log)
        if checkpoint or improved or step % train.checkpoint_every == 0:
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
                improved = self._best.update(result.numbers, result.step)
            yield result
        return improved

    def _preview(self, log: RunLog) -> None:
        model, step = self._trainer.average.model, self._trainer.step
        clips = make_previews(model, self._preview_windows, self._train.preview_clips, self._trainer.precision)
        path = write_preview(self.run, step, clips)
        log.event("preview", step, path=path.name)

    def _save(self, log: RunLog, improved: list[str]) -> Saved:
        """Write the checkpoint of this step, point its names at it, and only then drop old ones."""
        step = self._trainer.step
        folder = self.run.checkpoints / step_name(step)
        if not folder.exists():
            state = {"trainer": self._trainer.state(), "best": self._best.state()}
            save_checkpoint(folder, self._trainer.average.model.state_dict(), self._config, state)
        for name in (LATEST, *(f"best-{name}" for name in improved)):
            point_at(self.run, name, step)
        dropped = drop_old_checkpoints(self.run, self._train.keep_last)
        log.event("checkpoint", step, path=folder.name, best=improved, dropped=dropped)
        return Saved(step, folder, tuple(improved))
