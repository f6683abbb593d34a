"""Downloading one published file: resumed after a cut or a restart, tried again with patience, verified before use."""

import hashlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import TypeVar

from vqtool.core.atomic import explained_os_errors
from vqtool.errors import WeightsError
from vqtool.weights.http import BLOCK_BYTES, Interrupted, RangeNotSatisfiable, Unreachable, host, open_url, read_blocks
from vqtool.weights.partial import Partial

logger = logging.getLogger(__name__)

Advance = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""
Result = TypeVar("Result")

SLACK_BYTES = 1 << 20
MAX_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class PublishedFile:
    """A file as its authors published it: `num_bytes` and `sha256` are pinned here, never taken from a server.

    Without `sha256` the size is only about right, and only the tensors inside tell whether it is the right one.
    """

    name: str
    num_bytes: int
    sha256: str | None = None

    @property
    def max_bytes(self) -> int:
        """What is never exceeded, whatever a server sends."""
        return self.num_bytes if self.sha256 else self.num_bytes + SLACK_BYTES


@dataclass(frozen=True)
class Patience:
    """How long to wait for data, how often to try again without getting on, and how to spend the time between."""

    timeout_seconds: float = 20.0
    num_attempts: int = 5
    wait: Callable[[float], None] = time.sleep

    def insist(self, place: str, step: Callable[[], Result], num_bytes: Callable[[], int] = lambda: 0) -> Result:
        """`step()`, again and again while it is interrupted; attempts count anew when `num_bytes()` has grown.

        The waits double: 1, 2, 4 ... seconds.

        Raises:
            Interrupted: still interrupted after `num_attempts` attempts.
        """
        furthest = num_bytes()
        failures = 0
        while True:
            try:
                return step()
            except Interrupted as error:
                # Beyond the furthest point ever: a server that always cuts at the same byte is given up.
                failures = 1 if num_bytes() >= furthest + BLOCK_BYTES else failures + 1
                furthest = max(furthest, num_bytes())
                if failures >= self.num_attempts:
                    raise Interrupted(f"{error} (tried {failures} times)") from None
                seconds = min(2.0 ** (failures - 1), MAX_WAIT_SECONDS)
                logger.warning("%s: %s; trying again in %g s", place, error, seconds)
                self.wait(seconds)


class Downloader:
    """Downloads into `folder`, which is one process's own for the time being.

    What a cut, a crash or a kill leaves there (`NAME.part`) is taken up again by the next download of that name.
    """

    def __init__(self, folder: Path, advance: Advance | None = None, patience: Patience | None = None) -> None:
        self.folder = folder
        self.patience = patience or Patience()
        self._advance = advance
        self._connected = False

    def fetch(self, address: str, file: PublishedFile) -> Path:
        """`file` from `address`, verified, under its name in `folder`.

        Raises:
            WeightsError: not reachable, refused, given up after several attempts, or another file than `file`.
            VqtoolError: no space left, or `folder` cannot be written.
        """
        target = self.folder / file.name
        if file.sha256 and target.is_file() and file_sha256(target) == file.sha256:
            return target
        with explained_os_errors(target):
            partial = Partial(target, address)
            self._receive_all(address, file, partial)
            if partial.pieced and not _is(file, partial.path):
                # Pieces of different files: one of them is not what it was when the download began.
                logger.warning("%s, %s: the resumed download is wrong; starting over", host(address), file.name)
                partial.discard()
                self._receive_all(address, file, partial)
            if not _is(file, partial.path):
                reason = _wrong(file, file_sha256(partial.path), partial.num_bytes)
                partial.discard()
                raise WeightsError(reason)
            partial.finish()
        return target

    def _receive_all(self, address: str, file: PublishedFile, partial: Partial) -> None:
        place = f"{host(address)}, {file.name}"
        self.patience.insist(place, lambda: self._receive(address, file, partial), lambda: partial.num_bytes)

    def _receive(self, address: str, file: PublishedFile, partial: Partial) -> None:
        """What is missing of `file`, or as much of it as comes before the connection breaks.

        Raises:
            Interrupted: it broke.
            WeightsError: refused, or another size than that of `file`.
        """
        if partial.num_bytes > file.max_bytes or (not file.sha256 and not partial.validator):
            partial.discard()
        if partial.num_bytes and partial.num_bytes == (file.num_bytes if file.sha256 else partial.total_bytes):
            return
        timeout = self.patience.timeout_seconds
        try:
            with open_url(address, _headers(partial), timeout) as response:
                self._connected = True
                total = self._begin(response, file, partial)
                with partial.appending() as append:
                    for block in read_blocks(response, timeout):
                        if partial.num_bytes + len(block) > file.max_bytes:
                            partial.discard()
                            raise WeightsError(f"wrong file: more than the expected {file.num_bytes} bytes")
                        append(block)
                        if self._advance is not None:
                            self._advance(partial.num_bytes, max(total, partial.num_bytes))
        except RangeNotSatisfiable as error:
            if not partial.num_bytes:
                raise
            partial.discard()
            raise Interrupted("the file there is shorter than what was received of it") from error
        except Unreachable as error:
            # Offline from the start: the next source at once. Amid a download: the network may come back.
            raise (Interrupted(str(error)) if self._connected else error) from None
        if partial.num_bytes < total:
            raise Interrupted(f"the connection was cut after {partial.num_bytes} of {total} bytes")

    def _begin(self, response: HTTPResponse, file: PublishedFile, partial: Partial) -> int:
        """Make `partial` ready for what the server is about to send; gives the size of the whole file.

        Raises:
            Interrupted: it sends another part than was asked for.
            WeightsError: it has another file.
        """
        length = _number(response.headers.get("Content-Length"))
        if response.status == 206:
            start, total = _content_range(response)
            if start != partial.num_bytes:
                partial.discard()
                raise Interrupted("the server sends another part than was asked for")
        elif response.status == 200:
            # The range was ignored, or the file has changed: in both cases it comes from the beginning.
            start, total = 0, length
        else:
            raise WeightsError(f"the server answers HTTP {response.status}")
        if total is not None and (total > file.max_bytes or (file.sha256 and total != file.num_bytes)):
            raise WeightsError(f"wrong file: the server has {total} bytes, expected {file.num_bytes} bytes")
        if start == 0:
            partial.restart(_validator(response), total)
        # With a pinned size a missing length cannot hide a cut; without, the tensors will tell.
        return file.num_bytes if file.sha256 else total or 0


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is(file: PublishedFile, path: Path) -> bool:
    return file.sha256 is None or file_sha256(path) == file.sha256


def _wrong(file: PublishedFile, found: str, num_bytes: int) -> str:
    return f"wrong file: sha256 {found} in {num_bytes} bytes, expected {file.sha256} in {file.num_bytes} bytes"


def _headers(partial: Partial) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if partial.num_bytes:
        headers["Range"] = f"bytes={partial.num_bytes}-"
        if partial.validator:
            headers["If-Range"] = partial.validator
    return headers


def _validator(response: HTTPResponse) -> str | None:
    """What tells this version of the file from another: its strong ETag, else its date."""
    tag = response.headers.get("ETag", "")
    return tag if re.fullmatch(r'"[\x21\x23-\x7e]*"', tag) else response.headers.get("Last-Modified")


def _content_range(response: HTTPResponse) -> tuple[int, int | None]:
    """First byte and size of the whole file, if told; (-1, None) where the header is missing or nonsense."""
    found = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
    return (int(found[1]), _number(found[2])) if found else (-1, None)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,15}", text) else None
