"""How much of a run is over: of its steps, or of its wall budget."""

from collections.abc import Mapping
from typing import Any

from vqtool.dash.alarms import number


def share_done(status: Mapping[str, Any], step: int) -> float | None:
    """The share, in [0, 1], of what `run.json` says; None where it says too little.

    A run ends with its steps or with its wall budget (`train.max_seconds`), whichever is used up first.
    """
    if status.get("status") == "finished":
        return 1.0
    total, budget, seconds = number(status, "total_steps"), number(status, "max_seconds"), trained_seconds(status)
    shares = [step / total] if total else []
    if budget and seconds is not None:
        shares.append(seconds / budget)
    return min(1.0, max(0.0, *shares)) if shares else None


def trained_seconds(status: Mapping[str, Any]) -> float | None:
    """What the run used of its wall budget at its last heartbeat; runs of earlier versions only say when they began."""
    seconds, started, beat = (number(status, key) for key in ("seconds", "started", "heartbeat"))
    if seconds is None and started is not None and beat is not None:
        return max(0.0, beat - started)
    return seconds
