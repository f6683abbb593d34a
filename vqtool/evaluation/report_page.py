"""`report.md`: a report as a page with tables and pictures."""

import re
from collections.abc import Sequence

from vqtool import __version__
from vqtool.core.text import clean
from vqtool.evaluation import wording
from vqtool.evaluation.report import Report
from vqtool.evaluation.report_pictures import NUM_CLIPS, STRIP_FRAMES
from vqtool.evaluation.scores import Group, Score


def report_page(report: Report) -> str:
    """The page, which expects its pictures beside it (`picture_names`)."""
    parts = [
        f"# Evaluation on {_escape(report.split)}",
        _facts(report),
        "## Scores",
        _score_table(report),
        wording.interval_note(report),
        *(_escape(line) for line in wording.detail_lines(report)),
        *_differences(report),
        "## Tokens and speed",
        _costs(report),
        _escape(wording.speed_line(report)) + ".",
        "![Use of the codebook](codebook.png)",
        *_breakdown(report),
        "## Frames",
        "![PSNR of the frames](psnr.png)",
        *_clips(report),
        "## How to read this",
        METHOD,
    ]
    return "\n\n".join(parts) + "\n"


METHOD = """\
- Scores are means over clips; frames are compared as the 8-bit pictures that a user would save. An arrow points to
  better. FLICKER is the mean absolute change of the error from a frame to the next, in grey levels of 255: an error
  that stays in place does not flicker.
- `mean frame` shows the mean of the clip in every frame, `copy previous` the frame before. They cost no bits that are
  counted here and see the clip itself: they tell how much of a score a still scene gives away.
- Intervals are 95 % percentile bootstrap intervals of the mean. Whole trajectories are drawn, not clips, because the
  windows and cameras of one trajectory show the same scene. Differences use the same draws for both checkpoints.
  An interval covers the choice of trajectories, not that of the training seed. FVD, a score of the whole set, brings
  an interval of its own and cannot be paired.
- Bits are those of the tokens: log2 K each, or their empirical entropy over the split, which an ideal coder that knows
  the frequencies would need. `scores.csv` has both for every clip."""


def picture_names(report: Report) -> dict[str, tuple[str, str]]:
    """The files of best and worst clips of each checkpoint."""
    if len(report.tokenizers) == 1:
        return dict.fromkeys(report.tokenizers, ("best.png", "worst.png"))
    return {name: (f"best-{name}.png", f"worst-{name}.png") for name in report.tokenizers}


def _facts(report: Report) -> str:
    lines = [f"- {name}: {_escape(str(tokenizer.checkpoint))}" for name, tokenizer in report.tokenizers.items()]
    clips = f"{len(report.windows)} clips of {report.windows.clip_frames} frames"
    lines.append(f"- store: {_escape(str(report.store))}, split {_escape(report.split)}")
    lines.append(f"- {clips} from {len(set(report.trajectories))} trajectories")
    lines.append(f"- vqtool {__version__}")
    return "\n".join(lines)


def _score_table(report: Report) -> str:
    rows = [[name, *(_cell(report.table[name][metric]) for metric in report.first.scores)] for name in report.rows]
    return _table(["", *(wording.METRIC_HEADS[metric] for metric in report.first.scores)], rows)


def _differences(report: Report) -> list[str]:
    if not report.differences:
        return []
    rows = [
        [
            f"{entry.other} - {entry.base}",
            wording.METRIC_HEADS[entry.metric],
            wording.signed(entry.score.value),
            wording.interval(entry.score),
            wording.verdict(entry),
        ]
        for entry in report.differences
    ]
    return ["## Differences", _table(["", "metric", "difference", "95 % interval", ""], rows)]


def _costs(report: Report) -> str:
    rows = []
    for name, tokenizer in report.tokenizers.items():
        usage, pixels = report.usage(name), tokenizer.model.resolution**2
        entropy_bits = tokenizer.entropy_bits_per_frame(usage)
        rows.append(
            [
                name,
                f"{tokenizer.tokens_per_frame:.4g}",
                f"{tokenizer.bits_per_frame:.0f}",
                f"{tokenizer.bits_per_frame / pixels:.4f}",
                f"{entropy_bits:.1f}",
                f"{entropy_bits / pixels:.4f}",
                f"{usage.used} of {usage.codebook_size}",
                str(usage.dead),
                f"{usage.perplexity:.1f}",
            ]
        )
    heads = ["", "tokens/frame", "bits/frame", "bits/pixel", "entropy bits/frame", "entropy bits/pixel"]
    return _table([*heads, "codes used", "dead", "perplexity"], rows)


def _breakdown(report: Report) -> list[str]:
    parts = []
    for kind, groups in report.groups.items():
        for name in report.tokenizers:
            title = f"## By {kind}" if len(report.tokenizers) == 1 else f"## By {kind}: {name}"
            parts += [title, _group_table(kind, groups, name, list(report.first.clip_scores))]
    return parts


def _group_table(kind: str, groups: dict[str, Group], name: str, metrics: Sequence[str]) -> str:
    rows = [
        [_escape(label), str(group.num_clips), str(group.num_trajectories)]
        + [_cell(group.scores[name][metric]) for metric in metrics]
        for label, group in groups.items()
    ]
    return _table([kind, "clips", "trajectories", *(wording.METRIC_HEADS[metric] for metric in metrics)], rows)


def _clips(report: Report) -> list[str]:
    parts = []
    for name, (best, worst) in picture_names(report).items():
        suffix = "" if len(report.tokenizers) == 1 else f" of {name}"
        num_clips = min(NUM_CLIPS, len(report.windows))
        columns = min(STRIP_FRAMES, report.windows.clip_frames)
        shown = f"; {columns} of their {report.windows.clip_frames} frames" if columns > 1 else ""
        which = f"The {num_clips} clips with the {{}} PSNR{shown}."
        parts += [f"## Best clips{suffix}", which.format("highest"), f"![Best clips{suffix}]({best})"]
        parts += [f"## Worst clips{suffix}", which.format("lowest"), f"![Worst clips{suffix}]({worst})"]
    return parts


def _cell(score: Score) -> str:
    return f"{wording.number(score.value)} {wording.interval(score)}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, [":---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape(text: str) -> str:
    """Text from files, such as the name of a robot, as it is in Markdown."""
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", clean(text))
