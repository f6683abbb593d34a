"""A pickle of numpy arrays is read; anything else is refused, and nothing a pickle asks for is ever run."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from vqtool.errors import WeightsError
from vqtool.weights.numpy_pickle import read_numpy_pickle

ARRAYS = {
    "float": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    "big-endian": np.arange(5, dtype=">i4"),
    "bytes": np.arange(5, dtype=np.uint8),
    "truths": np.array([True, False]),
    "empty": np.zeros((0, 3), dtype=np.float16),
    "scalar": np.array(2.5),
}


def read(data: bytes) -> dict:
    return read_numpy_pickle(io.BytesIO(data), "test.ckpt")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_arrays_come_back_as_numpy_wrote_them(protocol: int, module: bytes) -> None:
    data = pickle.dumps({"outer": {"inner": ARRAYS}}, protocol=protocol)
    if protocol == 3:
        data = data.replace(b"numpy._core.multiarray", module)
    found = read(data)
    assert {name.removeprefix("outer/inner/") for name in found} == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[f"outer/inner/{name}"], array, strict=True)


class Calls:
    """Pickles as a call of `function`, which the standard reader makes."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def hostile(marker: Path) -> dict[str, bytes]:
    touch = f"open({str(marker)!r}, 'w')"
    calls = {
        "os.system": Calls(os.system, f"touch {marker}"),
        "eval": Calls(eval, touch),
        "exec": Calls(exec, touch),
        "import": Calls(__import__, "antigravity"),
        "open": Calls(open, str(marker), "w"),
        "numpy file": Calls(np.memmap, str(marker), "u1", "w+", 0, (1,)),
        "object array": np.array([Calls(eval, touch)], dtype=object),
        "array subclass": np.ones(2).view(np.matrix),
        "record array": np.zeros(2, dtype=[("a", "f4")]),
        "dates": np.zeros(2, dtype="M8[s]"),
        "list": [np.ones(2)],
        "number": 3.0,
        "number as key": {1: np.ones(2)},
        "set": {"a": {1, 2}},
    }
    data = {name: pickle.dumps(call, protocol=3) for name, call in calls.items()}
    data["old opcodes"] = f"cposix\nsystem\n(S'touch {marker}'\ntR.".encode()
    data["instance opcode"] = f"(S'touch {marker}'\niposix\nsystem\n.".encode()
    data["dotted name"] = b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93."
    data["extension code"] = b"\x80\x02\x82\x01."
    data["persistent id"] = b"Pos.system\n."
    return data


@pytest.mark.parametrize("name", hostile(Path("marker")))
def test_hostile_pickles_are_refused_and_nothing_runs(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(WeightsError, match=r"test\.ckpt"):
        read(hostile(marker)[name])
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os.system", "eval", "open", "old opcodes", "instance opcode"])
def test_the_standard_reader_would_have_run_them(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    pickle.loads(hostile(marker)[name])
    assert marker.exists()


def test_stand_ins_cannot_be_changed_or_misused() -> None:
    make = b"cnumpy.core.multiarray\n_reconstruct\n"
    for stand_in in (make, b"cnumpy\ndtype\n", b"cnumpy\nndarray\n"):
        for state in (b"}S'x'\nI1\ns", b"(N}S'x'\nI1\nst", b"N"):
            with pytest.raises(WeightsError):
                read(stand_in + state + b"b.")
        with pytest.raises(WeightsError):
            read(stand_in + b")R.")
        with pytest.raises(WeightsError):
            read(b"\x80\x02" + stand_in + b")\x81.")


@pytest.mark.parametrize(
    ("shape", "data"), [((3,), b"1234"), ((-1,), b"1234"), ((2**62, 4), b""), (("1",), b"1234"), ((1,), None)]
)
def test_an_array_whose_bytes_do_not_fit_its_shape_is_refused(shape: tuple, data: bytes | None) -> None:
    class Lying:
        def __reduce__(self) -> tuple:
            array = np.ones(1, dtype=np.float32)
            function, arguments, state = array.__reduce__()
            return function, arguments, (state[0], shape, state[2], state[3], data)

    with pytest.raises(WeightsError):
        read(pickle.dumps({"a": Lying()}, protocol=3))


def test_a_cut_pickle_is_refused_at_every_length() -> None:
    data = pickle.dumps(ARRAYS, protocol=3)
    for length in range(0, len(data), 7):
        with pytest.raises(WeightsError):
            read(data[:length])


def test_trees_without_end_are_refused() -> None:
    loop: dict = {}
    loop["a"] = loop
    bush: dict = {}
    for _ in range(14):
        bush = {str(i): bush for i in range(10)}
    for tree, reason in ((loop, "dict at a/a/a"), (bush, "more than 100000 entries")):
        with pytest.raises(WeightsError, match=reason):
            read(pickle.dumps(tree, protocol=3))
