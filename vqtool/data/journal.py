"""The journal of an unfinished frame store: what was stored so far, so that an interrupted run can continue.

One line a trajectory, each with its own CRC-32, appended in batches after the frames it speaks of are on the disk. A
line that is torn or altered ends the journal: what follows it is done again.
"""

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import orjson

from vqtool.core.atomic import explained_os_errors
from vqtool.data.shards import write_all
from vqtool.data.skipped import Skipped
from vqtool.data.store import Clip

JOURNAL_FILE = "journal.jsonl"
VERSION = 1

Fingerprint = Mapping[str, Any]
"""Whatever decides the bytes of a store, by name, as JSON knows it; two runs with the same one give the same store."""


@dataclass(frozen=True)
class Entry:
    """A trajectory that is done: the videos stored and what the caller notes about them, or why it was skipped."""

    trajectory: str
    clips: tuple[Clip, ...] = ()
    notes: tuple[int, ...] = ()
    skipped: Skipped | None = None


@dataclass(frozen=True)
class Journal:
    """What a journal file says: the fingerprint of its run, the entries, and where in the file each of them ends."""

    fingerprint: Fingerprint
    header_end: int
    entries: tuple[Entry, ...]
    ends: tuple[int, ...]


def read_journal(folder: Path) -> Journal | None:
    """The whole lines of the journal in `folder`; None where there is none, or not even its first line is whole."""
    try:
        with (folder / JOURNAL_FILE).open("rb") as stream:
            lines = whole_lines(stream)
            header, header_end = next(lines, (None, 0))
            if not isinstance(header, dict) or header.get("version") != VERSION:
                return None
            entries, ends = [], []
            for record, end in lines:
                entries.append(_entry(record))
                ends.append(end)
    except FileNotFoundError:
        return None
    return Journal(header["fingerprint"], header_end, tuple(entries), tuple(ends))


def append_journal(folder: Path, fingerprint: Fingerprint, entries: Sequence[Entry]) -> None:
    """Append entries and push them to the disk; the first call writes the fingerprint before them.

    Raises:
        VqtoolError: no space left; what was written of the last line does not count.
    """
    file = folder / JOURNAL_FILE
    with explained_os_errors(folder), file.open("ab", buffering=0) as stream:
        lines = [encode_line(_record(entry)) for entry in entries]
        if stream.tell() == 0:
            lines.insert(0, encode_line({"version": VERSION, "fingerprint": dict(fingerprint)}))
        write_all(stream.fileno(), b"".join(lines))
        os.fsync(stream.fileno())


def encode_line(record: Any) -> bytes:
    """A record as a line with its checksum."""
    text = orjson.dumps(record)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def whole_lines(stream: Any) -> Iterator[tuple[Any, int]]:
    """Each record up to the first line that is not whole, with the offset where its line ends."""
    end = 0
    for line in stream:
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            return
        end += len(line)
        yield orjson.loads(text), end


def _record(entry: Entry) -> list[Any]:
    skipped = None if entry.skipped is None else astuple(entry.skipped)
    return [entry.trajectory, [astuple(clip) for clip in entry.clips], entry.notes, skipped]


def _entry(record: list[Any]) -> Entry:
    trajectory, clips, notes, skipped = record
    return Entry(
        trajectory,
        tuple(Clip(*clip) for clip in clips),
        tuple(notes),
        None if skipped is None else Skipped(*skipped),
    )
