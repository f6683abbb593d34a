"""Files at fixed addresses as sources of weights: where their authors put them, or on a mirror."""

import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from vqtool.weights.download import Downloader, PublishedFile
from vqtool.weights.entry import Source, WeightsEntry
from vqtool.weights.http import checked_address, host

MIRROR_VARIABLE = "VQTOOL_WEIGHTS_MIRROR"


@dataclass(frozen=True)
class UrlFile:
    """The file `file_name` at `url`, with its sha256 and size pinned here.

    `sha256` is None for a file whose bytes may differ while its tensors do not.
    """

    url: str
    file_name: str
    sha256: str | None
    num_bytes: int

    @property
    def description(self) -> str:
        """The place and the file, for messages."""
        return f"{host(self.url)}, {self.file_name}"

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """The one file."""
        return (PublishedFile(self.file_name, self.num_bytes, self.sha256),)

    def download(self, downloader: Downloader) -> Path:
        """The verified file.

        Raises:
            WeightsError: not reachable, or another file than the pinned one.
            VqtoolError: it cannot be written.
        """
        return downloader.fetch(self.url, self.files[0])


@dataclass(frozen=True)
class Together:
    """Several files that are of use only together; the last is the one to read, the others lie beside it."""

    parts: tuple[UrlFile, ...]

    @property
    def description(self) -> str:
        """The places and the files, for messages."""
        return " with ".join(part.description for part in self.parts)

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """All of them."""
        return tuple(file for part in self.parts for file in part.files)

    def download(self, downloader: Downloader) -> Path:
        """The last file, after all others.

        Raises:
            WeightsError: as `UrlFile.download`, of any of them.
            VqtoolError: one cannot be written.
        """
        return [part.download(downloader) for part in self.parts][-1]


def is_address(origin: str) -> bool:
    """Whether `origin` is meant as an address rather than a path."""
    return "://" in origin


def mirror() -> str | None:
    """The address or path in `$VQTOOL_WEIGHTS_MIRROR`, if any."""
    return os.environ.get(MIRROR_VARIABLE) or None


def mirror_sources(entry: WeightsEntry, address: str) -> tuple[Source, ...]:
    """Every known file of `entry`, or those that go together, below `address`, or at it if it ends in a known name.

    The converted file comes first: it is the smallest.

    Raises:
        WeightsError: `address` is not http or https.
    """
    parts = urllib.parse.urlsplit(checked_address(address))
    groups = dict.fromkeys([(PublishedFile(entry.file_name, entry.num_bytes),), *(s.files for s in entry.sources)])
    folder, _, last = parts.path.rpartition("/")
    last = urllib.parse.unquote(last)
    named = [group for group in groups if any(file.name == last for file in group)]
    base = folder if named else parts.path.rstrip("/")

    def at(file: PublishedFile) -> UrlFile:
        url = urllib.parse.urlunsplit(parts._replace(path=f"{base}/{urllib.parse.quote(file.name)}", fragment=""))
        return UrlFile(url, file.name, file.sha256, file.num_bytes)

    return tuple(at(group[0]) if len(group) == 1 else Together(tuple(map(at, group))) for group in named or groups)
