import numpy as np
import pytest

from vqtool.dash.columns import columns_of, joined
from vqtool.dash.store import MAX_SERIES, MetricStore, Resume, Series


def store_of(*records: dict[str, object]) -> MetricStore:
    store = MetricStore()
    for record in records:
        for columns in columns_of([{"split": "train", "time": 0.0, **record}])[0]:
            store.append(columns)
    return store


def points(store: MetricStore, name: str, split: str = "train") -> dict[int, float]:
    series = store.get(split, name)
    assert series is not None
    assert np.all(np.diff(series.step) > 0)
    return dict(zip(series.step.tolist(), series.value.tolist(), strict=True))


def test_records_become_columns_by_split() -> None:
    columns, bad = columns_of(
        [
            {"step": 1, "time": 1.0, "split": "train", "a": 1, "b": None},
            {"step": 2, "time": 2.0, "split": "train", "a": 2.5, "b": 3},
            {"step": 2, "time": 2.5, "split": "val", "a": 7},
        ]
    )
    assert bad == 0
    assert [(part.split, part.step.tolist(), part.time.tolist()) for part in columns] == [
        ("train", [1, 2], [1.0, 2.0]),
        ("val", [2], [2.5]),
    ]
    assert columns[0].values["a"].tolist() == [1.0, 2.5]
    assert np.isnan(columns[0].values["b"][0]) and columns[0].values["b"][1] == 3


@pytest.mark.parametrize("step", [None, -1, 1.5, "1", True, 2**60, [1]])
def test_records_without_a_step_are_counted(step: object) -> None:
    assert columns_of([{"step": step, "a": 1.0}, {"a": 1.0}]) == ([], 2)


def test_foreign_values_are_left_out() -> None:
    record = {"step": 1, "text": "x", "flag": True, "list": [1], "a": 1.0}
    [columns], _ = columns_of([record, {**record, "step": 2, "a": "y"}])
    assert set(columns.values) == {"a"}
    assert columns.values["a"][0] == 1.0 and np.isnan(columns.values["a"][1])
    assert np.isnan(columns.time).all()


def test_series_grow_past_their_first_size() -> None:
    store = store_of(*({"step": step, "a": float(step)} for step in range(1000)))
    assert points(store, "a") == {step: float(step) for step in range(1000)}


def test_what_was_written_last_wins_as_in_a_dict() -> None:
    rng = np.random.default_rng(0)
    written = [
        {"step": int(step), "time": float(index), "a": float(index)}
        for index, step in enumerate(rng.integers(0, 40, 300))
    ]
    expected = {record["step"]: record["a"] for record in written}
    assert points(store_of(*written), "a") == dict(sorted(expected.items()))
    store = MetricStore()
    for columns in columns_of([{"split": "train", **record} for record in written])[0]:
        store.append(columns)
    assert points(store, "a") == dict(sorted(expected.items()))


def test_lines_of_other_names_in_between_keep_their_order() -> None:
    store = MetricStore()
    records = [
        {"step": step, "time": 0.0, "split": "train", "a": 1.0, **({"b": 2.0} if step % 3 else {})} for step in range(9)
    ]
    for columns in columns_of(records)[0]:
        store.append(columns)
    assert list(points(store, "a")) == list(range(9))
    assert list(points(store, "b")) == [1, 2, 4, 5, 7, 8]


def test_views_handed_out_stay_as_they_are() -> None:
    store = store_of(*({"step": step, "a": float(step)} for step in range(10)))
    series = store.get("train", "a")
    assert series is not None
    view, copy = series.value, series.value.copy()
    for columns in columns_of([{"split": "train", "time": 9.0, "step": 3, "a": -1.0}])[0]:
        store.append(columns)
    assert series.value[3] == -1.0
    assert np.array_equal(view, copy)


@pytest.mark.parametrize("event_first", [False, True])
def test_resume_drops_the_future_given_up_in_either_order(event_first: bool) -> None:
    old = [{"step": step, "time": float(step), "split": "train", "a": 0.0} for step in (10, 20, 30, 40)]
    new = [{"step": step, "time": 100.0 + step, "split": "train", "a": 1.0} for step in (25, 30)]
    store = MetricStore()
    if event_first:
        store.resume(Resume(20, 90.0))
    for columns in columns_of(old)[0] + columns_of(new)[0]:
        store.append(columns)
    if not event_first:
        store.resume(Resume(20, 90.0))
    assert points(store, "a") == {10: 0.0, 20: 0.0, 25: 1.0, 30: 1.0}


def test_flood_of_names_is_bounded() -> None:
    store = store_of(*({"step": 1, f"name {number}": 1.0} for number in range(MAX_SERIES + 5)))
    assert len(store.items()) == MAX_SERIES
    assert store.num_refused == 5


def test_earlier_columns_are_as_if_they_had_come_first() -> None:
    rng = np.random.default_rng(0)
    records = [
        {"step": int(step), "time": float(index // 3), "split": "train", "a": float(index)}
        for index, step in enumerate(rng.integers(0, 60, 300))
    ]
    for resume in (None, Resume(30, 40.0)):
        forth, back = MetricStore(), MetricStore()
        for store in (forth, back):
            if resume is not None:
                store.resume(resume)
        for start in range(0, 300, 50):
            for columns in columns_of(records[start : start + 50])[0]:
                forth.append(columns)
            for columns in reversed(columns_of(records[250 - start : 300 - start])[0]):
                back.append(columns, earlier=True)
        assert points(back, "a") == points(forth, "a")


def test_mixed_records_become_what_they_become_alone() -> None:
    rng = np.random.default_rng(0)
    values = [1, 2.5, None, True, "3", [1]]
    records = [
        {"step": step, "split": "train" if step % 3 else "val", "time": 1.0, "a": values[rng.choice(6)], "b": 1.0}
        for step in range(200)
    ]
    for step in range(0, 200, 7):
        del records[step]["b"]
    together, alone = MetricStore(), MetricStore()
    for columns in columns_of(records)[0]:
        together.append(columns)
    for record in records:
        for columns in columns_of([record])[0]:
            alone.append(columns)
    for key, series in alone.items():
        found = together.get(*key)
        assert found is not None
        known = ~np.isnan(series.value)
        assert set(series.step[known]) == set(found.step[~np.isnan(found.value)])
        assert np.array_equal(found.value[~np.isnan(found.value)], series.value[known])


def test_parts_put_in_front_and_at_the_end_in_any_order_make_one_series() -> None:
    series, seen = Series(), {}
    assert (len(series), series.first, series.last) == (0, None, None)
    rng = np.random.default_rng(0)
    first = last = 100_000
    for _ in range(60):
        length = int(rng.integers(1, 200))
        in_front = bool(rng.integers(2))
        step = np.arange(first - length, first) if in_front and last > first else None
        if step is None:
            step, last = np.arange(last, last + length), last + length
            add = series.append
        else:
            first, add = first - length, series.prepend
        value = rng.random(length)
        add(step, step / 10, value)
        seen |= dict(zip(step.tolist(), value.tolist(), strict=True))
        assert (len(series), series.first) == (len(seen), (first, first / 10))
    assert series.last == (last - 1, seen[last - 1])
    assert dict(zip(series.step.tolist(), series.value.tolist(), strict=True)) == seen
    assert np.all(np.diff(series.step) == 1) and np.array_equal(series.time, series.step / 10)


def test_parts_joined_are_the_parts_one_after_the_other() -> None:
    records = [{"split": "train", "step": step, "time": step / 10, "a": step / 3} for step in range(1, 9)]
    records[3] |= {"split": "val"}
    records[6] |= {"b": 1.0}
    parts = [part for record in records for part in columns_of([record])[0]]
    found = {(part.split, *part.values): part.step.tolist() for part in joined(parts)}
    assert found == {("train", "a"): [1, 2, 3, 5, 6, 8], ("val", "a"): [4], ("train", "a", "b"): [7]}
    [whole] = joined(parts[:3])
    assert whole.time.tolist() == [0.1, 0.2, 0.3] and whole.values["a"].tolist() == [1 / 3, 2 / 3, 1.0]
