"""What an interrupted writer of a frame store left: the lock on the folder, and the part that can be continued."""

import fcntl
import json
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vqtool import __version__
from vqtool.data.journal import JOURNAL_FILE, Entry, Fingerprint, read_journal
from vqtool.data.shards import CONTENTS, ShardEnd
from vqtool.data.store import CLIPS_FILE, UNFINISHED_FILE
from vqtool.errors import DataError

_OURS = re.compile(
    rf"(({'|'.join(CONTENTS)})-\d{{5}}\.(npy|part)|{re.escape(CLIPS_FILE)}|{re.escape(JOURNAL_FILE)}|\..*\.tmp)"
)


@dataclass(frozen=True)
class Left:
    """The trajectories that need not be done again, and how far they fill each shard."""

    entries: tuple[Entry, ...] = ()
    ends: tuple[ShardEnd, ...] = ()


def lock(path: Path, command: str = "vqtool preprocess") -> IO[str]:
    """Mark the folder as being written by `command`; the lock goes with the process, however that ends.

    Raises:
        DataError: another process holds it.
    """
    stream = (path / UNFINISHED_FILE).open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise DataError(f"another {command} is writing {path}: wait for it, or choose another --output") from None
    stream.truncate(0)
    json.dump({"vqtool_version": __version__, "pid": os.getpid(), "host": socket.gethostname()}, stream)
    stream.flush()
    return stream


def recover(path: Path, size: int, fingerprint: Fingerprint) -> Left:
    """Find what can be continued in the folder, cut the journal behind it and remove every other file of ours.

    Raises:
        DataError: the store was begun with another fingerprint; nothing was changed.
    """
    journal = read_journal(path)
    if journal is None:
        keep_only(path, set())
        return Left()
    compare_fingerprints(f"the frame store {path}", path, journal.fingerprint, fingerprint)
    left = _backed_by_files(path, size, journal.entries)
    if not left.entries:
        keep_only(path, set())
        return left
    os.truncate(path / JOURNAL_FILE, journal.ends[len(left.entries) - 1])
    written = {file for number, end in enumerate(left.ends) for file in end.file_bytes(number, size)}
    keep_only(path, written | {JOURNAL_FILE})
    return left


def check_fingerprint(path: Path, fingerprint: Fingerprint) -> None:
    """Make sure that the journal in the folder, if any, is one of a run with this fingerprint.

    Raises:
        DataError: it is not.
    """
    journal = read_journal(path)
    if journal:
        compare_fingerprints(f"the frame store {path}", path, journal.fingerprint, fingerprint)


def keep_only(path: Path, names: set[str]) -> None:
    """Remove the files that writing a store makes, but those called `names`."""
    for file in path.iterdir():
        if _OURS.fullmatch(file.name) and file.name not in names:
            file.unlink()


def remove_scaffolding(path: Path) -> None:
    """Remove what only an unfinished store needs from one that is complete."""
    for file in path.glob("*.part"):
        file.unlink()
    (path / UNFINISHED_FILE).unlink(missing_ok=True)
    (path / JOURNAL_FILE).unlink(missing_ok=True)


def _backed_by_files(path: Path, size: int, entries: Sequence[Entry]) -> Left:
    """The entries up to the first one whose frames or rows are not all in the files."""
    found: dict[str, int] = {}
    ends: list[ShardEnd] = []
    for position, entry in enumerate(entries):
        grown = list(ends)
        for clip in entry.clips:
            grown += [ShardEnd()] * (clip.shard + 1 - len(grown))
            grown[clip.shard] = grown[clip.shard].plus(clip.length, clip.state_dim, clip.action_dim)
        for number in {clip.shard for clip in entry.clips}:
            for file, num_bytes in grown[number].file_bytes(number, size).items():
                if file not in found:
                    found[file] = (path / file).stat().st_size if (path / file).is_file() else -1
                if found[file] < num_bytes:
                    return Left(tuple(entries[:position]), tuple(ends))
        ends = grown
    return Left(tuple(entries), tuple(ends))


def compare_fingerprints(what: str, path: Path, begun: Fingerprint, now: Fingerprint) -> None:
    """Raises DataError where `what`, which lies unfinished in `path`, was begun with other settings; names them."""
    differing = [name for name in {**begun, **now} if begun.get(name) != now.get(name)]
    if differing:
        details = ", ".join(f"{name} {begun.get(name)!r} (now {now.get(name)!r})" for name in differing)
        raise DataError(
            f"{what} is unfinished and was begun with {details}: run it as before to continue, "
            f"or remove {path} to begin again"
        )
