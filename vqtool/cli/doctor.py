"""`vqtool doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vqtool.core.finding import Finding

MARKS = {"ok": "ok", "note": "note", "broken": "BROKEN"}
COLOURS = {"ok": "green", "note": "yellow", "broken": "bold red"}
EPILOG = """Examples:

vqtool doctor

vqtool doctor --dir /data/runs

vqtool doctor --json

Exit code 1 where something needed is broken; what is only noted has a way round."""


def doctor(
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where runs and stores are to be written.")
    ] = Path(),
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check Python, torch, device, codecs, weights, disks and terminal, and say what to do about each problem."""
    import json
    from dataclasses import asdict

    from vqtool import __version__

    findings = list(_findings(folder))
    if json_:
        typer.echo(json.dumps({"version": __version__, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _findings(folder: Path) -> Iterator[Finding]:
    from vqtool.core.check_machine import check_bf16, check_device, check_disk, check_python, check_torch
    from vqtool.dash.check_terminal import check_terminal
    from vqtool.data.check_codecs import check_codecs
    from vqtool.weights.check import check_weights
    from vqtool.weights.store import weights_folder

    yield check_python()
    yield check_torch()
    yield check_device()
    yield check_bf16()
    yield from check_codecs()
    yield from check_weights()
    yield check_disk("disk", folder)
    yield check_disk("disk of weights", weights_folder())
    yield from check_terminal()


def _print(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from vqtool.cli.console import print_table, printable

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        detail = printable(finding.detail) + (f"\n-> {printable(finding.remedy)}" if finding.remedy else "")
        table.add_row(finding.name, Text(MARKS[finding.state], style=COLOURS[finding.state]), detail)
    print_table(table)
    broken = [finding.name for finding in findings if finding.state == "broken"]
    typer.echo(printable(f"broken: {', '.join(broken)}" if broken else "everything that is needed works"))
