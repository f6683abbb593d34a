"""Metric records turned into columns: numbers by split and name, ready to be appended to series."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MAX_STEP = 1 << 53
_COORDINATES = ("step", "time", "split")


@dataclass(frozen=True)
class Columns:
    """The metrics of some records of one split: `step` and `time` (unix seconds) of shape (N,), a column a name.

    A value that was written null (not a number, infinite) is NaN.
    """

    split: str
    step: Integers
    time: Floats
    values: Mapping[str, Floats]


def columns_of(records: Sequence[Mapping[str, Any]]) -> tuple[list[Columns], int]:
    """The records as columns, grouped by split and by the names they carry, and the number that were unusable.

    A record without a whole, non-negative step is unusable; a name that holds no number in any record is dropped.
    """
    columns, num_unusable = [], 0
    for group in _groups(records):
        alike = _columns_of_alike(group)
        found, unusable = ([alike], 0) if alike is not None else _columns_of_any(group)
        columns += found
        num_unusable += unusable
    return columns, num_unusable


def joined(parts: Iterable[Columns]) -> list[Columns]:
    """The same numbers with one `Columns` for all parts of one split that have the same names, in their order."""
    alike: dict[tuple[str, tuple[str, ...]], list[Columns]] = {}
    for part in parts:
        alike.setdefault((part.split, tuple(part.values)), []).append(part)
    return [group[0] if len(group) == 1 else _joined(group) for group in alike.values()]


def _joined(parts: Sequence[Columns]) -> Columns:
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
    step, time = (np.concatenate(arrays) for arrays in zip(*((part.step, part.time) for part in parts), strict=True))
    return Columns(parts[0].split, step, time, values)


def _groups(records: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Mapping[str, Any]]]:
    """The records by split and by how many names they carry."""
    try:
        splits = set(map(itemgetter("split"), records))
    except (KeyError, TypeError):
        splits = set()
    if len(splits) == len(set(map(len, records))) == 1:
        return [records]
    groups: defaultdict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        groups[str(record.get("split", "")), len(record)].append(record)
    return groups.values()


def _columns_of_alike(records: Sequence[Mapping[str, Any]]) -> Columns | None:
    """The records of one split as columns where all have the same names, and numbers alone; else None.

    That is nearly every group of a real log, and several times as fast.
    """
    first = records[0]
    names = [name for name in first if name != "split"]
    if not {"step", "time", "split"} <= first.keys() or not all(_is_number(first[name]) for name in names):
        return None
    try:
        steps = list(map(itemgetter("step"), records))
        numbers = chain.from_iterable(map(itemgetter(*names), records))
        packed = struct.pack(f"{len(names) * len(records)}d", *numbers)
    except (KeyError, TypeError, ValueError, OverflowError, struct.error):
        return None
    if set(map(type, steps)) != {int} or min(steps) < 0 or max(steps) >= MAX_STEP:
        return None
    values = dict(zip(names, np.frombuffer(packed).reshape(-1, len(names)).T.copy(), strict=True))
    times = values["time"]
    measured = {name: column for name, column in values.items() if name not in _COORDINATES}
    return Columns(str(first["split"]), np.array(steps, dtype=np.int64), times, measured)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _columns_of_any(records: Iterable[Mapping[str, Any]]) -> tuple[list[Columns], int]:
    groups: dict[tuple[str, tuple[str, ...]], list[Mapping[str, Any]]] = {}
    num_unusable = 0
    for record in records:
        step = record.get("step")
        if type(step) is int and 0 <= step < MAX_STEP:
            groups.setdefault((str(record.get("split", "")), tuple(record)), []).append(record)
        else:
            num_unusable += 1
    return [_columns(split, names, group) for (split, names), group in groups.items()], num_unusable


def _columns(split: str, names: tuple[str, ...], records: Sequence[Mapping[str, Any]]) -> Columns:
    raw = dict(zip(names, zip(*(record.values() for record in records), strict=True), strict=True))
    steps = np.array(raw["step"], dtype=np.int64)
    times = _numbers(raw.get("time", ()))
    values = {name: _numbers(raw[name]) for name in names if name not in _COORDINATES}
    numeric = {name: column for name, column in values.items() if column is not None}
    return Columns(split, steps, times if times is not None else np.full(len(steps), np.nan), numeric)


def _numbers(values: Sequence[Any]) -> Floats | None:
    """The values as floats, NaN for what is none; None where there is no number and no null at all."""
    kinds = set(map(type, values))
    if not kinds & {int, float, type(None)}:
        return None
    if kinds <= {int, float, type(None)}:
        return np.array(values, dtype=np.float64)
    return np.array([value if type(value) in (int, float) else np.nan for value in values], dtype=np.float64)
