"""What preprocessing leaves out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Skipped:
    """A trajectory that is not in the store, and why: `kind` is a short class of reasons, `reason` the whole of it."""

    trajectory: str
    source: str
    kind: str
    reason: str
