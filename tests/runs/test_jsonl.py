import json
import math
from pathlib import Path

import numpy as np
import pytest

from vqtool.errors import VqtoolError
from vqtool.runs.jsonl import JsonlTail, JsonlWriter


def test_lines_are_in_the_file_at_once_and_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonlWriter(path) as writer:
        writer.write({"step": 1, "loss": 0.5})
        assert json.loads(path.read_text()) == {"step": 1, "loss": 0.5}
        writer.write({"step": np.int64(2), "loss": np.float32(0.25)})
    assert [json.loads(line) for line in path.read_text().splitlines()][1] == {"step": 2, "loss": 0.25}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_what_is_no_number_is_null(tmp_path: Path, value: float) -> None:
    path = tmp_path / "log.jsonl"
    with JsonlWriter(path) as writer:
        writer.write({"loss": value})
    assert path.read_text() == '{"loss":null}\n'


def test_torn_line_of_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    with JsonlWriter(path) as writer:
        writer.write({"step": 3})
        writer.write({"step": 4})
    tail = JsonlTail(path)
    assert [record["step"] for record in tail.read()] == [1, 3, 4]
    assert tail.num_bad_lines == 1


def test_resumed_log_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for step in (1, 2):
        with JsonlWriter(path) as writer:
            writer.write({"step": step})
    assert path.read_bytes() == b'{"step":1}\n{"step":2}\n'


def test_unwritable_log_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VqtoolError, match="a part of this path is a file"):
        JsonlWriter(tmp_path / "file" / "log.jsonl")


def test_full_disk_is_one_message() -> None:
    with JsonlWriter(Path("/dev/full")) as writer, pytest.raises(VqtoolError, match="no space left"):
        writer.write({"step": 1})


def test_garbage_is_counted_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b'{"step": 1}\n\xff\xfe\x00garbage\n[1, 2]\n"text"\n\n{"a": NaN}\n' + b"[" * 5000 + b'\n{"step": 2}\n'
    )
    tail = JsonlTail(path)
    assert [record["step"] for record in tail.read()] == [1, 2]
    assert tail.num_bad_lines == 5


def test_torn_lines_are_no_record_together(tmp_path: Path) -> None:
    """Joined by a comma they would be one; whoever parses all lines at once must see it."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step":1,"a":[1\n2]}\n{"step":2}\n{"step":3},{"step":4}\n{"step":5\n"b":6}\n')
    tail = JsonlTail(path)
    assert tail.read() == [{"step": 2}]
    assert tail.num_bad_lines == 5


def test_huge_line_is_counted_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n{"text": "' + b"x" * 3000 + b'"}\n{"step": 2}\n')
    tail = JsonlTail(path)
    steps = [record["step"] for _ in range(10) for record in tail.read(max_bytes=1000)]
    assert steps == [1, 2]
    assert tail.num_bad_lines == 1
