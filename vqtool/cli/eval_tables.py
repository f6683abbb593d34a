"""What `vqtool eval` prints: a row a metric, so that it fits 80 columns however many metrics there are."""

from typing import TYPE_CHECKING

import typer
from rich import box
from rich.table import Table

from vqtool.cli.console import print_table, printable
from vqtool.evaluation import wording

if TYPE_CHECKING:
    from vqtool.evaluation.report import Report


def print_report(report: "Report") -> None:
    """Scores with intervals, differences where checkpoints are compared, and what the tokens cost."""
    typer.echo(printable(f"{report.split}: {len(report.windows)} clips, {report.first.num_frames} frames\n"))
    print_table(_scores(report))
    typer.echo(printable(wording.interval_note(report)))
    if report.differences:
        typer.echo("\nDifferences, paired by clip\n")
        print_table(_differences(report))
    for line in wording.detail_lines(report):
        typer.echo(printable(line))
    several = len(report.tokenizers) > 1
    for name, tokenizer in report.tokenizers.items():
        head = f"{name}: " if several else ""
        typer.echo(printable(f"{head}checkpoint {tokenizer.checkpoint}"))
        for line in wording.cost_lines(report, name):
            typer.echo(printable(f"{' ' * len(head)}{line}"))
    typer.echo(printable(wording.speed_line(report)))


def _scores(report: "Report") -> Table:
    table = plain_table()
    table.add_column("")
    for name in report.rows:
        table.add_column(name, justify="right")
    for metric in report.first.scores:
        scores = [report.table[name][metric] for name in report.rows]
        cells = [f"{wording.number(score.value)}\n{wording.short_interval(score)}" for score in scores]
        table.add_row(wording.METRIC_HEADS[metric], *cells)
    return table


def _differences(report: "Report") -> Table:
    table = plain_table()
    table.add_column("")
    table.add_column("metric")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("", justify="left")
    for entry in report.differences:
        table.add_row(
            f"{entry.other} - {entry.base}",
            wording.METRIC_HEADS[entry.metric],
            wording.signed(entry.score.value),
            wording.interval(entry.score),
            wording.verdict(entry),
        )
    return table


def plain_table() -> Table:
    """A table with a line below its heads and nothing around it, as commands print results."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
