"""A run's numbers as one file that other programs read: CSV or JSON."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vqtool.core.atomic import write_atomic
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder
from vqtool.runs.jsonl import JsonlTail

SUFFIXES = (".csv", ".json")
KEYS = ("step", "split", "time")


def export_run(run: RunFolder, path: Path) -> int:
    """Write `path`: `.csv` has a row a line of metrics.jsonl, a column a name; `.json` has status, metrics and events.

    Gives the number of metric lines. Damaged lines are left out.

    Raises:
        RunError: no run, or another suffix.
        VqtoolError: it cannot be written.
    """
    status = run.read_status()
    metrics = list(_records(run.metrics_file))
    match path.suffix.lower():
        case ".csv":
            write_atomic(path, _to_csv(metrics))
        case ".json":
            content = {"status": status, "metrics": metrics, "events": list(_records(run.events_file))}
            write_atomic(path, json.dumps(content, indent=1) + "\n")
        case suffix:
            raise RunError(f"cannot export to {path}: {suffix or 'no suffix'} is none of {', '.join(SUFFIXES)}")
    return len(metrics)


def _records(file: Path) -> Iterable[dict[str, Any]]:
    tail = JsonlTail(file)
    while True:
        records = tail.read()
        yield from records
        if not tail.more and not records:
            return


def _to_csv(records: list[dict[str, Any]]) -> str:
    names = sorted({name for record in records for name in record} - set(KEYS))
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, [*KEYS, *names], lineterminator="\n")
    rows.writeheader()
    rows.writerows(records)
    return text.getvalue()
