"""What is wrong with a run, with the evidence and a likely remedy."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqtool.dash.state import RunState
from vqtool.dash.text import duration, percent, short_number
from vqtool.runs.folder import STALE_SECONDS, is_alive

NUM_RECENT = 5
COLLAPSE_SHARE = 0.05
DEAD_SHARE = 0.75
RECENT_SECONDS = 600.0
"""So long the dashboard repeats what the trainer of a running run was alarmed about."""
REMEDIES = {
    "spike": "lower optim.lr or optim.clip_norm; a checkpoint from before it is in the run",
    "commitment": "raise model.quantizer.commitment_weight, or lower optim.lr",
    "starvation": "put the frame store on a faster disk, or lower train.batch_size",
    "stall": "look at the process: suspended, swapping, or no disk? console.log says where it was",
    "still": "weight moving pixels more, or train the stage longer",
}
"""By kind of the trainer's alarm; what the run folder shows by itself (non-finite, collapse) is found without it."""


@dataclass(frozen=True)
class Alarm:
    """A fault: `kind` is one word for scripts, `evidence` what was seen, `remedy` what to try."""

    kind: str
    evidence: str
    remedy: str

    @property
    def identity(self) -> tuple[str, str]:
        """What stays the same while the fault lasts; another spike is another one."""
        return self.kind, self.evidence if self.kind in REMEDIES else ""


def find_alarms(state: RunState, now: float) -> list[Alarm]:
    """The faults of a run at `now` (unix seconds), the gravest first."""
    found = [*_process_alarms(state.status, now), *_loss_alarms(state), *_codebook_alarms(state)]
    return [*found, *_told_alarms(state, now)]


def heartbeat_age(status: Mapping[str, Any], now: float) -> float | None:
    """Seconds since the trainer's last sign of life; None where unknown."""
    heartbeat = number(status, "heartbeat")
    return None if heartbeat is None else max(0.0, now - heartbeat)


def number(status: Mapping[str, Any], key: str) -> float | None:
    """A finite number of `run.json`, or None where it is missing or something else."""
    value = status.get(key)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable and value is not None else None


def _process_alarms(status: Mapping[str, Any], now: float) -> Iterator[Alarm]:
    if status.get("status") == "failed":
        error = str(status.get("error") or "no error text was written")
        yield Alarm("failed", f"the run failed: {error}", "read console.log; continue with vqtool train --resume")
    if status.get("status") != "running":
        return
    age = heartbeat_age(status, now)
    seen = f"last heartbeat {duration(age)} ago"
    if not is_alive(status, now):
        yield Alarm("dead", f"the trainer is gone without saying so; {seen}", "continue with vqtool train --resume")
    elif age is not None and age > STALE_SECONDS:
        yield Alarm(
            "stalled", f"the trainer is silent; {seen}", "look at the process: suspended, swapping, or no disk?"
        )


def _loss_alarms(state: RunState) -> Iterator[Alarm]:
    for (split, name), series in state.metrics.items():
        if not name.startswith("loss/"):
            continue
        steps, values = series.newest(NUM_RECENT)
        bad = ~np.isfinite(values)
        if bad.any():
            step = int(steps[bad][-1])
            remedy = "lower optim.lr, or train.precision fp32; continue from an earlier checkpoint"
            yield Alarm("non-finite", f"{split} {name} is not a number at step {step:,}", remedy)
            return


def _codebook_alarms(state: RunState) -> Iterator[Alarm]:
    """Of the codes that the evaluation's vectors could have reached almost none was used, or few, not only at first."""
    if state.codebook is None:
        return
    counts = state.codebook.counts
    used, reachable = int(np.count_nonzero(counts)), min(len(counts), int(counts.sum()))
    evidence = f"{used:,} of {len(counts):,} codes used ({percent(used / len(counts))}) at step "
    evidence += short_number(state.codebook.step)
    remedy = "set model.quantizer.kind ema, or raise revive_below and warmup_steps"
    if reachable and (used <= 1 or used < COLLAPSE_SHARE * reachable):
        yield Alarm("collapse", f"codebook collapse: {evidence}", remedy)
    elif len(state.codebooks) > 1 and used < (1 - DEAD_SHARE) * reachable:
        yield Alarm("dead-codes", f"most codes are dead: {evidence}", f"{remedy}; or a smaller codebook_size")


def _told_alarms(state: RunState, now: float) -> Iterator[Alarm]:
    """The last alarm of each kind that the trainer itself raised, while it lives and for some minutes."""
    if not is_alive(state.status, now):
        return
    told: dict[str, Alarm] = {}
    for event in state.events:
        when, kind = event.get("time"), event.get("alarm") if event.get("kind") == "alarm" else event.get("kind")
        if isinstance(kind, str) and kind in REMEDIES and isinstance(when, int | float) and now - when < RECENT_SECONDS:
            told[kind] = Alarm(kind, f"{kind} at step {event.get('step')}: {_evidence(event)}", REMEDIES[kind])
    yield from told.values()


def _evidence(event: Mapping[str, Any]) -> str:
    if "seconds" in event:
        return f"a step hangs since {event['seconds']} s at {event.get('where', 'an unknown place')}"
    return str(event.get("evidence", ""))
