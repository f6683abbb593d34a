"""A run in a few facts: what the status line shows and what `vqtool dash --once` prints."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vqtool.core.text import clean
from vqtool.dash.alarms import Alarm, find_alarms, heartbeat_age, number
from vqtool.dash.progress import share_done, trained_seconds
from vqtool.dash.state import RunState
from vqtool.dash.text import duration, percent, short_number
from vqtool.runs.folder import is_alive

RATE_SECONDS = 300.0
RATE_PARTS = 5
UNITS = {"metric/psnr": "dB", "speed/frames_per_second": "frames/s"}


@dataclass(frozen=True)
class Summary:
    """The facts of a run at one moment; None where unknown. Texts are as the files have them: clean before showing."""

    name: str
    path: str
    status: str
    alive: bool
    step: int
    total_steps: int | None
    share_done: float | None
    elapsed_seconds: float | None
    eta_seconds: float | None
    eta_range_seconds: tuple[float, float] | None
    heartbeat_age_seconds: float | None
    frames_per_second: float | None
    steps_per_second: float | None
    device: str
    metrics: Mapping[str, Mapping[str, float | None]]
    metric_steps: Mapping[str, int]
    codebook_size: int | None
    codes_used: int | None
    preview_step: int | None
    last_event: Mapping[str, Any] | None
    num_bad_lines: int
    alarms: tuple[Alarm, ...]

    def json_object(self) -> dict[str, Any]:
        """All facts as a JSON-ready object; what is not a number is null."""
        return {key: _json_value(value) for key, value in asdict(self).items()}


def summarise(state: RunState, now: float) -> Summary:
    """The facts of a run at `now` (unix seconds)."""
    status, metrics = state.status, state.metrics
    step = max([int(number(status, "step") or 0), *_last_steps(state).values()])
    total = number(status, "total_steps")
    rate = _steps_per_second(state)
    counts = None if state.codebook is None else state.codebook.counts
    alive = is_alive(status, now)
    return Summary(
        name=str(status.get("name") or state.run.name),
        path=str(state.run.path),
        status=str(status.get("status") or "unknown"),
        alive=alive,
        step=step,
        total_steps=None if total is None else int(total),
        share_done=share_done(status, step),
        elapsed_seconds=_elapsed(status, now if alive else number(status, "heartbeat")),
        eta_seconds=_eta(status, step, rate, now) if alive else None,
        eta_range_seconds=_eta_range(state, step, now) if alive else None,
        heartbeat_age_seconds=heartbeat_age(status, now),
        frames_per_second=metrics.latest("train", "speed/frames_per_second"),
        steps_per_second=rate,
        device=" ".join(str(status[key]) for key in ("device", "precision") if status.get(key)),
        metrics=_latest_metrics(state),
        metric_steps=_last_steps(state),
        codebook_size=_codebook_size(state),
        codes_used=None if counts is None else int(np.count_nonzero(counts)),
        preview_step=state.previews[-1][0] if state.previews else None,
        last_event=state.events[-1] if state.events else None,
        num_bad_lines=state.bad_lines,
        alarms=tuple(find_alarms(state, now)),
    )


def summary_lines(summary: Summary) -> Iterator[str]:
    """The summary as plain lines of text, safe to print."""
    host = f", {clean(summary.device)}" if summary.device else ""
    beat = "" if not summary.alive else f", heartbeat {duration(summary.heartbeat_age_seconds)} ago"
    done = f" of {summary.total_steps:,}" if summary.total_steps else ""
    done += "" if summary.share_done is None else f" ({percent(summary.share_done)})"
    yield f"run       {clean(summary.name)} ({clean(summary.path)})"
    yield f"status    {clean(summary.status)}{beat}{host}"
    yield f"step      {summary.step:,}{done}"
    left = f", {eta_text(summary)} left" if summary.alive else ""
    yield f"time      {duration(summary.elapsed_seconds)} elapsed{left}"
    for split, values in summary.metrics.items():
        yield f"{clean(split) or '(none)'}, step {summary.metric_steps[split]:,}"
        for name, value in values.items():
            yield f"  {clean(name):26} {short_number(value)} {UNITS.get(name, '')}".rstrip()
    if summary.codes_used is not None:
        yield f"codebook  {summary.codes_used:,} of {summary.codebook_size or 0:,} codes used"
    if summary.preview_step is not None:
        yield f"preview   step {summary.preview_step:,}"
    if summary.last_event is not None:
        yield f"event     {clean(event_text(summary.last_event))}"
    if summary.num_bad_lines:
        yield f"damaged   {summary.num_bad_lines:,} lines of the logs were skipped"
    for alarm in summary.alarms:
        yield f"ALARM     {clean(alarm.evidence)}; {clean(alarm.remedy)}"


def eta_text(summary: Summary) -> str:
    """The time left, and its range where that says more: `1h 02m (55m 10s–1h 10m)`."""
    text = duration(summary.eta_seconds)
    if summary.eta_range_seconds is None:
        return text
    shortest, longest = map(duration, summary.eta_range_seconds)
    return text if shortest == longest else f"{text} ({shortest}–{longest})"


def event_text(event: Mapping[str, Any]) -> str:
    """An event as `step 1,000 checkpoint path=...`; not yet cleaned."""
    step = event.get("step")
    rest = [f"{key}={_short(value)}" for key, value in event.items() if key not in ("step", "time", "kind")]
    start = f"step {step:,}" if isinstance(step, int) else "step –"
    return " ".join([start, str(event.get("kind", "?")), *rest])


def _short(value: object) -> object:
    return short_number(value) if isinstance(value, float) else value


def _last_steps(state: RunState) -> dict[str, int]:
    steps: dict[str, int] = {}
    for (split, _), series in state.metrics.items():
        if series.last:
            steps[split] = max(steps.get(split, 0), series.last[0])
    return steps


def _latest_metrics(state: RunState) -> dict[str, dict[str, float | None]]:
    latest: dict[str, dict[str, float | None]] = {}
    for (split, name), series in sorted(state.metrics.items(), key=lambda item: item[0]):
        if series.last:
            latest.setdefault(split, {})[name] = series.last[1]
    return latest


def _codebook_size(state: RunState) -> int | None:
    if state.codebook is not None:
        return len(state.codebook.counts)
    for split in ("val", "train"):
        parts = [state.metrics.latest(split, f"codebook/{name}") for name in ("used", "dead")]
        known = [part for part in parts if part is not None and math.isfinite(part)]
        if len(known) == len(parts):
            return int(sum(known))
    return None


def _steps_per_second(state: RunState) -> float | None:
    """The rate over the last minutes of training lines, evaluations and previews included."""
    rates = _rates(state, 1)
    return rates[0] if rates else None


def _rates(state: RunState, num_parts: int) -> list[float]:
    """Steps a second in each of so many parts of the last minutes, equal in training lines; empty where unknown."""
    series = state.metrics.get("train", "loss/total")
    if series is None or len(series) < 2:
        return []
    recent = series.time >= series.time[-1] - RATE_SECONDS
    steps, times = series.step[recent], series.time[recent]
    if len(steps) <= num_parts:
        return []
    borders = np.linspace(0, len(steps) - 1, num_parts + 1).astype(int)
    passed = np.diff(times[borders])
    rates: list[float] = (np.diff(steps[borders]) / passed).tolist() if (passed > 0).all() else []
    return rates


def _elapsed(status: Mapping[str, Any], end: float | None) -> float | None:
    started = number(status, "started")
    return None if started is None or end is None else max(0.0, end - started)


def _eta(status: Mapping[str, Any], step: int, rate: float | None, now: float) -> float | None:
    """Seconds left by the rate, or by the wall budget where that ends first."""
    total, budget, beat = (number(status, key) for key in ("total_steps", "max_seconds", "heartbeat"))
    seconds = trained_seconds(status)
    left = [] if total is None or not rate else [max(0.0, (total - step) / rate)]
    if budget and seconds is not None and beat is not None:
        left.append(max(0.0, beat + budget - seconds - now))
    return min(left, default=None)


def _eta_range(state: RunState, step: int, now: float) -> tuple[float, float] | None:
    """The time left by the fastest and by the slowest of the last minutes' parts."""
    rates = _rates(state, RATE_PARTS)
    ends = [_eta(state.status, step, rate, now) for rate in (max(rates, default=0), min(rates, default=0))]
    shortest, longest = ends
    return (shortest, longest) if rates and shortest is not None and longest is not None else None


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    return [_json_value(item) for item in value] if isinstance(value, list | tuple) else value
