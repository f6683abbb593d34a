"""How a run was looked at last, kept in the user's state folder: a run folder is read only."""

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import platformdirs

from vqtool.core.atomic import write_atomic
from vqtool.dash.plotting.axis import XKind
from vqtool.dash.plotting.ranges import Range
from vqtool.errors import VqtoolError
from vqtool.runs.folder import RunFolder

MAX_VIEWS = 200
MAX_BYTES = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedView:
    """What the keys of the dashboard have chosen; `extent`, `window` and `y_windows` are in the units of their axes.

    `metric` is that of the selected chart, `log_y` and `y_windows` go by metric; a `decay` of None follows the length.
    """

    panel: int = 0
    metric: str = ""
    enlarged: bool = False
    x_kind: XKind = "step"
    log_x: bool = False
    clip_outliers: bool = False
    decay: float | None = None
    extent: Range = (0.0, 1.0)
    window: Range | None = None
    log_y: tuple[str, ...] = ()
    y_windows: Mapping[str, Range] = field(default_factory=dict)


def load_view(run: RunFolder) -> SavedView:
    """How `run` was looked at last; the usual view where nothing, or nothing that can be read, is kept."""
    try:
        with _file_of(run).open("rb") as stream:
            return _parsed(json.loads(stream.read(MAX_BYTES)))
    except FileNotFoundError:
        return SavedView()
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, RuntimeError) as error:
        _log.debug("no saved view of %s: %s", run.path, error)
        return SavedView()


def save_view(run: RunFolder, view: SavedView) -> None:
    """Keep `view` for the next look at `run`, and of all runs those looked at last; what cannot be kept is not."""
    try:
        file = _file_of(run)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(asdict(view)) + "\n")
        kept = sorted(file.parent.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in kept[MAX_VIEWS:]:
            old.unlink(missing_ok=True)
    except (OSError, VqtoolError, RuntimeError) as error:
        _log.debug("the view of %s is not kept: %s", run.path, error)


def _file_of(run: RunFolder) -> Path:
    """One file for each place in the file system; another run of the same name is another one."""
    name = hashlib.sha256(str(run.path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return platformdirs.user_state_path("vqtool") / "dash" / f"{name}.json"


def _parsed(raw: Any) -> SavedView:
    """The view that a file describes.

    Raises:
        ValueError, TypeError, AttributeError: it describes none.
    """
    kind = raw.get("x_kind", "step")
    if kind not in get_args(XKind):
        raise ValueError(f"no x axis {kind!r}")
    decay = raw.get("decay")
    return SavedView(
        panel=int(raw.get("panel", 0)),
        metric=str(raw.get("metric", "")),
        enlarged=bool(raw.get("enlarged")),
        x_kind=cast(XKind, kind),
        log_x=bool(raw.get("log_x")),
        clip_outliers=bool(raw.get("clip_outliers")),
        decay=None if decay is None else float(decay),
        extent=_range(raw.get("extent", (0.0, 1.0))),
        window=None if raw.get("window") is None else _range(raw["window"]),
        log_y=tuple(map(str, raw.get("log_y", ()))),
        y_windows={str(metric): _range(ends) for metric, ends in raw.get("y_windows", {}).items()},
    )


def _range(ends: Any) -> Range:
    low, high = map(float, ends)
    if not (math.isfinite(high - low) and low < high):
        raise ValueError(f"no range from {low} to {high}")
    return low, high
