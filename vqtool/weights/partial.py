"""A file that is still being downloaded, with enough beside it to go on after the process has died."""

import hashlib
import json
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vqtool.core.atomic import write_atomic

SUFFIX = ".part"


class Partial:
    """`TARGET.part`, the bytes so far, and `TARGET.part.json`: which version of which file they are of.

    `pieced` is true when they did not come in one go. All methods may raise OSError.
    """

    def __init__(self, target: Path, address: str) -> None:
        self._target = target
        self.path = target.with_name(target.name + SUFFIX)
        self._facts_path = target.with_name(f"{target.name}{SUFFIX}.json")
        self._origin = _fingerprint(address)
        self.validator: str | None = None
        self.total_bytes: int | None = None
        self.num_bytes = self.path.stat().st_size if self.path.exists() else 0
        self.pieced = self.num_bytes > 0
        self._recall()

    def restart(self, validator: str | None, total_bytes: int | None) -> None:
        """Forget what there is: another version of the file comes, from its beginning."""
        self.discard()  # before the facts: new facts must never stand beside old bytes
        self.validator, self.total_bytes = validator, total_bytes
        facts = {"origin": self._origin, "validator": validator, "total_bytes": total_bytes}
        write_atomic(self._facts_path, json.dumps(facts))

    @contextmanager
    def appending(self) -> Iterator[Callable[[bytes], None]]:
        """Yield a function that adds a block."""
        self.pieced = self.num_bytes > 0
        # Unbuffered: `num_bytes` is always what a successor finds.
        with self.path.open("ab", buffering=0) as stream:

            def append(block: bytes) -> None:
                view = memoryview(block)
                while view:
                    written = stream.write(view)
                    self.num_bytes += written
                    view = view[written:]

            yield append

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)
        self.num_bytes, self.validator, self.total_bytes, self.pieced = 0, None, None, False

    def finish(self) -> None:
        """Give it its name."""
        self.path.replace(self._target)
        self._facts_path.unlink(missing_ok=True)

    def _recall(self) -> None:
        """Take over what is known of the bytes, if they came from the same address."""
        try:
            facts = json.loads(self._facts_path.read_bytes())
            same = facts["origin"] == self._origin
            validator, total = facts["validator"], facts["total_bytes"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        if same and isinstance(validator, str | None) and isinstance(total, int | None):
            self.validator, self.total_bytes = validator, total


def _fingerprint(address: str) -> str:
    """Stands for the address on the disk, where a password or a token of it must not lie."""
    parts = urllib.parse.urlsplit(address)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    return hashlib.sha256(urllib.parse.urlunsplit(bare).encode("utf-8", "surrogateescape")).hexdigest()
