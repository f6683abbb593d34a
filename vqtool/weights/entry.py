"""What is known about the weights of one network: where they come from, in which forms, and which tensors they are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vqtool.errors import WeightsError
from vqtool.weights.download import Downloader, PublishedFile
from vqtool.weights.tensors import Tensors


class Source(Protocol):
    """A place to download one form of the weights from."""

    @property
    def description(self) -> str:
        """The place and the file, for messages; without what may be secret in an address."""
        ...

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """All files that `download` fetches."""
        ...

    def download(self, downloader: Downloader) -> Path:
        """The file to read, verified.

        Raises:
            WeightsError: not reachable, or another file than the pinned one.
            VqtoolError: it cannot be written.
        """
        ...


@dataclass(frozen=True)
class Form:
    """A file that holds the weights: the name it is found by in a folder, what it is, and how it is read."""

    pattern: str
    description: str
    read: Callable[[Path], Tensors]

    @property
    def suffix(self) -> str:
        """What a file given by its path must end with: `pattern` after its asterisk."""
        return self.pattern.rpartition("*")[2]


@dataclass(frozen=True)
class WeightsEntry:
    """The weights of one network; `num_bytes` is the size of the converted file `file_name`.

    `as_is` is a file of the authors that cannot be converted, only run as it is, where one has nothing else.
    """

    name: str
    purpose: str
    licence: str
    file_name: str
    num_bytes: int
    tensors_sha256: str
    sources: tuple[Source, ...]
    forms: tuple[Form, ...]
    as_is: PublishedFile | None = None

    def as_is_in(self, path: Path) -> Path | None:
        """The file to use as it is, where `path` is that file or a folder that holds it; None elsewhere."""
        if self.as_is is None:
            return None
        file = path / self.as_is.name if path.is_dir() else path
        return file if file.name == self.as_is.name and file.is_file() else None

    def read(self, path: Path) -> Tensors:
        """The tensors in the file `path`, or in the first known file of the folder `path`; not verified yet.

        Raises:
            WeightsError: no such file, none of the known forms, or damaged.
        """
        if path.is_dir():
            for form in self.forms:
                for file in sorted(path.glob(form.pattern)):
                    return form.read(file)
            raise WeightsError(f"no file of the {self.name} weights in {path}: it may hold {self.accepted}")
        if not path.is_file():
            raise WeightsError(f"{path} does not exist: give {self.accepted}, or a folder with one of them")
        for form in self.forms:
            if path.name.endswith(form.suffix):
                return form.read(path)
        raise WeightsError(f"{path} is no known form of the {self.name} weights: give {self.accepted}")

    @property
    def accepted(self) -> str:
        """The forms, for messages."""
        forms = [f"{form.pattern} ({form.description})" for form in self.forms]
        return ", ".join([*forms, f"{self.as_is.name} (used as it is)"] if self.as_is else forms)
