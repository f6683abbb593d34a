"""A report as one JSON object: what `vqtool eval --json` prints and `report.json` holds."""

from typing import Any

from vqtool.evaluation.bootstrap import COVERAGE, NUM_RESAMPLES
from vqtool.evaluation.evaluate import Evaluation
from vqtool.evaluation.report import Report
from vqtool.evaluation.scores import Difference, Group, Score, Table


def report_record(report: Report) -> dict[str, Any]:
    """Everything that is known, in plain types; an interval that is not known is null.

    With one checkpoint its facts are on the top level; `models` has those of every checkpoint in any case.
    """
    models = {name: tokenizer.to_json(report.usage(name)) for name, tokenizer in report.tokenizers.items()}
    for name, facts in models.items():
        facts["model_frames_per_second"] = _rate(report.rows[name], report.rows[name].reconstruct_seconds)
    record = {
        "store": str(report.store),
        "split": report.split,
        "clips": len(report.windows),
        "clip_frames": report.windows.clip_frames,
        "trajectories": len(set(report.trajectories)),
        "frames": report.first.num_frames,
        "frames_per_second": _rate(report.first, report.first.seconds),
        "seconds": report.first.seconds,
        "scores": {name: row.scores for name, row in report.rows.items()},
        "intervals": _intervals(report.table),
        "details": {name: row.details for name, row in report.rows.items() if row.details},
        "interval_method": {
            "coverage": COVERAGE,
            "resamples": NUM_RESAMPLES,
            "method": "percentile bootstrap over trajectories",
        },
        "breakdown": {
            kind: {label: _group(group) for label, group in groups.items()} for kind, groups in report.groups.items()
        },
        "models": models,
        "differences": [_difference(difference) for difference in report.differences],
    }
    return {**models[next(iter(models))], **record} if len(models) == 1 else record


def _rate(row: Evaluation, seconds: float) -> float:
    return row.num_frames / max(seconds, 1e-9)


def _intervals(table: Table) -> dict[str, dict[str, list[float] | None]]:
    return {name: {metric: _interval(score) for metric, score in row.items()} for name, row in table.items()}


def _interval(score: Score) -> list[float] | None:
    return list(score.interval) if score.interval else None


def _group(group: Group) -> dict[str, Any]:
    values = {name: {metric: score.value for metric, score in row.items()} for name, row in group.scores.items()}
    return {
        "clips": group.num_clips,
        "trajectories": group.num_trajectories,
        "scores": values,
        "intervals": _intervals(group.scores),
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "metric": difference.metric,
        "base": difference.base,
        "other": difference.other,
        "difference": difference.score.value,
        "interval": _interval(difference.score),
        "verdict": difference.verdict,
    }
