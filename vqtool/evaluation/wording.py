"""How scores are written, on the terminal and in reports."""

import math

from vqtool.core.metrics import METRICS
from vqtool.evaluation.bootstrap import FEW_CLUSTERS
from vqtool.evaluation.report import Report
from vqtool.evaluation.scores import Difference, Score

METRIC_HEADS: dict[str, str] = {
    name: f"{name.upper()} {metric.unit}{' ' if metric.unit else ''}{'↑' if metric.higher_is_better else '↓'}"
    for name, metric in METRICS.items()
}
"""Name, unit, and an arrow towards better."""

DETAILS: dict[str, str] = {
    "num_clips": "{} clips",
    "num_resamples": "interval from {} resamples of clips",
    "floor": "real-vs-real floor {}",
    "num_floor_clips": "from halves of {} clips",
}
"""What the numbers beside a score mean."""


def number(value: float) -> str:
    """About four digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.{_decimals(value)}f}"


def signed(value: float) -> str:
    """About four digits, with the sign of a difference."""
    return f"{value:+.{_decimals(value)}f}"


def interval(score: Score) -> str:
    """`[low, high]` with the decimals of the score itself; a dash where there is none."""
    return "-" if score.interval is None else f"[{', '.join(_ends(score))}]"


def short_interval(score: Score) -> str:
    """`low–high`, for narrow columns of numbers that are not negative."""
    return "-" if score.interval is None else "–".join(_ends(score))


def _ends(score: Score) -> tuple[str, str]:
    decimals = _decimals(score.value)
    return f"{score.low:.{decimals}f}", f"{score.high:.{decimals}f}"


def _decimals(value: float) -> int:
    return 1 if abs(value) >= 100 else 2 if abs(value) >= 2 else 4


def verdict(difference: Difference) -> str:
    """Who is better, in words."""
    if difference.score.interval is None:
        return "no paired interval"
    better = {"better": difference.other, "worse": difference.base}
    return f"{better[difference.verdict]} is better" if difference.verdict in better else "no clear difference"


def interval_note(report: Report) -> str:
    """What the intervals are, and when to distrust them."""
    count = len(set(report.trajectories))
    if count < 2:
        return "No intervals: they need clips of two trajectories or more."
    few = "; so few make them too narrow" if count < FEW_CLUSTERS else ""
    return f"Intervals: 95 %, bootstrap over {count} trajectories{few}."


def cost_lines(report: Report, name: str) -> list[str]:
    """Tokens, bits and use of the codebook of a checkpoint, in lines of less than 80 characters."""
    usage, tokenizer = report.usage(name), report.tokenizers[name]
    entropy_bits = tokenizer.entropy_bits_per_frame(usage)
    pixels = tokenizer.model.resolution**2
    searched = f"tokens looked for by {tokenizer.search_steps} steps of gradient a frame"
    return [
        *([searched] if tokenizer.search_steps else []),
        f"{tokenizer.tokens_per_frame:.4g} tokens a frame: {tokenizer.bits_per_frame:.0f} bits "
        f"({tokenizer.bits_per_frame / pixels:.4f} bits a pixel), {entropy_bits:.1f} bits of entropy "
        f"({entropy_bits / pixels:.4f})",
        f"{usage.used} of {usage.codebook_size} codes used, {usage.dead} dead, perplexity {usage.perplexity:.0f}",
    ]


def speed_line(report: Report) -> str:
    """Frames a second of each checkpoint by itself, and of the whole evaluation."""
    rates = []
    for name in report.tokenizers:
        row = report.rows[name]
        rates.append(f"{name} {row.num_frames / max(row.reconstruct_seconds, 1e-9):,.0f} frames/s")
    whole = report.first
    return f"{', '.join(rates)}; with metrics and baselines {whole.num_frames / max(whole.seconds, 1e-9):,.1f} frames/s"


def detail_lines(report: Report) -> list[str]:
    """Numbers beside the scores of metrics of whole sets, but for the interval that the table has."""
    lines: dict[str, list[str]] = {}
    for name, row in report.rows.items():
        for metric, details in row.details.items():
            facts = [_detail(key, value) for key, value in details.items() if key not in ("low", "high")]
            lines.setdefault(f"{metric.upper()}: {', '.join(facts)}", []).append(name)
    # What belongs to the real clips alone is the same for every row, and said once.
    return [line if len(names) == len(report.rows) else f"{line} ({', '.join(names)})" for line, names in lines.items()]


def _detail(key: str, value: float) -> str:
    shown = f"{value:.0f}" if float(value).is_integer() else number(value)
    return DETAILS[key].format(shown) if key in DETAILS else f"{key.replace('_', ' ')} {shown}"
