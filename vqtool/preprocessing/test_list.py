"""A file that names the trajectories of the test split, such as the list published for RoboNet."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vqtool.errors import DataError

SUFFIX = ".hdf5"
MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class TestList:
    """The trajectories that a list names, and its lines that name none."""

    names: frozenset[str]
    unknown: tuple[str, ...]

    __test__ = False  # the name must not make pytest look for tests in it


def read_test_list(path: Path, trajectories: Iterable[str]) -> TestList:
    """Match the lines of a file with names of trajectories.

    A line may carry the suffix .hdf5 and any folders before the name; where several trajectories have the same last
    part, the one that shares most folders with the line is meant. Blank lines and what follows a # at the start of a
    line or after a space are left out.

    Raises:
        DataError: no such file, not text, no name in it, no name that is known, or one that fits several trajectories.
    """
    lines = _lines(path)
    by_last_part: dict[str, list[tuple[str, ...]]] = {}
    for name in trajectories:
        parts = tuple(name.split("/"))
        by_last_part.setdefault(parts[-1], []).append(parts)
    names: set[str] = set()
    unknown: list[str] = []
    for number, line in lines:
        parts = PurePosixPath(line.removesuffix(SUFFIX)).parts
        candidates = by_last_part.get(parts[-1] if parts else "", [])
        best = _closest(parts, candidates)
        if len(best) > 1:
            found = ", ".join("/".join(name) for name in best[:3])
            raise DataError(f"{path} line {number}: {line!r} fits several trajectories ({found}): add their folder")
        names.update("/".join(name) for name in best)
        if not best:
            unknown.append(line)
    if not names:
        raise DataError(
            f"none of the {len(lines)} names in the test list {path} is one of the trajectories "
            f"(the first is {lines[0][1]!r}): is it the list of this data set?"
        )
    return TestList(frozenset(names), tuple(unknown))


def _lines(path: Path) -> list[tuple[int, str]]:
    """What each line says, with its number."""
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is too large for a list of names: give a text file with one name a line")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the test list {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"the test list {path} is not text: give a file with one trajectory name a line") from error
    said = ((number, f" {line}".partition(" #")[0].strip()) for number, line in enumerate(text.splitlines(), start=1))
    lines = [(number, line) for number, line in said if line]
    if not lines:
        raise DataError(f"the test list {path} is empty: give a file with one trajectory name a line")
    return lines


def _closest(parts: tuple[str, ...], candidates: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The candidates of which one is the end of the other, as many parts as possible."""
    fitting = [
        name for name in candidates if all(a == b for a, b in zip(reversed(parts), reversed(name), strict=False))
    ]
    exact = [name for name in fitting if name == parts]
    if exact:
        return exact
    most = max((min(len(name), len(parts)) for name in fitting), default=0)
    return [name for name in fitting if min(len(name), len(parts)) == most]
