from pathlib import Path

import pytest

from vqtool.runs.tail import LineTail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(content)


def test_returns_only_what_is_new_and_whole(log: Path) -> None:
    tail = LineTail(log)
    assert tail.read().splitlines() == []
    append(log, b"one\ntw")
    assert tail.read().splitlines() == [b"one"]
    assert tail.read().splitlines() == []
    append(log, b"o\n\nthree\n")
    assert tail.read().splitlines() == [b"two", b"", b"three"]


@pytest.mark.parametrize("max_bytes", [7, 8, 11, 64])
def test_slices_lose_and_repeat_nothing(log: Path, max_bytes: int) -> None:
    lines = [b"%05d" % number for number in range(50)]
    append(log, b"\n".join(lines) + b"\n")
    tail, seen = LineTail(log), []
    while True:
        seen += tail.read(max_bytes).splitlines()
        if not tail.more:
            break
    assert seen == lines
    assert tail.num_long_lines == 0


def test_truncated_file_is_read_again(log: Path) -> None:
    append(log, b"one\ntwo\nthree\n")
    tail = LineTail(log)
    tail.read()
    log.write_bytes(b"new\n")
    assert tail.read().splitlines() == [b"new"]
    assert tail.num_restarts == 1


def test_replaced_file_is_noticed_even_when_longer(log: Path) -> None:
    append(log, b"one\n")
    tail = LineTail(log)
    tail.read()
    log.write_bytes(b"another\nfile\n")
    assert tail.read().splitlines() == [b"another", b"file"]
    assert tail.num_restarts == 1


def test_copied_file_that_only_grew_is_continued(log: Path) -> None:
    append(log, b"one\n")
    tail = LineTail(log)
    tail.read()
    copy = log.with_name("copy")
    copy.write_bytes(b"one\ntwo\n")
    copy.replace(log)
    assert tail.read().splitlines() == [b"two"]
    assert tail.num_restarts == 0


def test_vanished_file_is_waited_for(log: Path) -> None:
    append(log, b"one\n")
    tail = LineTail(log)
    tail.read()
    log.unlink()
    assert tail.read().splitlines() == []
    append(log, b"one\ntwo\n")
    assert tail.read().splitlines() == [b"two"]


def test_line_longer_than_a_slice_is_skipped_and_counted_once(log: Path) -> None:
    append(log, b"before\n" + b"x" * 1000 + b"\nafter\n")
    tail, seen = LineTail(log), []
    for _ in range(100):
        seen += tail.read(64).splitlines()
    assert seen == [b"before", b"after"]
    assert tail.num_long_lines == 1


def test_endless_line_is_never_held_in_memory(log: Path) -> None:
    tail = LineTail(log)
    for _ in range(20):
        append(log, b"x" * 100)
        assert tail.read(64).splitlines() == []
        assert tail.read(64).splitlines() == []
    append(log, b"\nend\n")
    seen = [line for _ in range(10) for line in tail.read(64).splitlines()]
    assert seen == [b"end"]
    assert tail.num_long_lines == 1


def test_start_near_the_end_begins_with_a_whole_line(log: Path) -> None:
    append(log, b"".join(b"line %03d\n" % number for number in range(100)))
    tail = LineTail(log, start_bytes=20)
    assert tail.read().splitlines() == [b"line 098", b"line 099"]
    append(log, b"line 100\n")
    assert tail.read().splitlines() == [b"line 100"]
    assert tail.num_long_lines == 0


def test_folder_in_the_place_of_the_file_is_nothing(tmp_path: Path) -> None:
    assert LineTail(tmp_path).read().splitlines() == []


@pytest.mark.parametrize("max_bytes", [7, 8, 11, 64, 4096])
@pytest.mark.parametrize("start_bytes", [1, 6, 7, 20, 299, 300, 1000])
def test_newest_part_first_then_the_rest_loses_and_repeats_nothing(log: Path, start_bytes: int, max_bytes: int) -> None:
    lines = [b"%05d" % number for number in range(50)]
    append(log, b"\n".join(lines) + b"\n")
    tail = LineTail(log, start_bytes)
    seen = tail.read().splitlines()
    shares = [2.0]
    while tail.share_passed_over:
        assert tail.share_passed_over < shares[-1]
        shares.append(tail.share_passed_over)
        seen = tail.read_earlier(max_bytes).splitlines() + seen
        append(log, b"later\n")
        seen += tail.read().splitlines()
    assert [line for line in seen if line != b"later"] == lines
    assert tail.read_earlier().splitlines() == []
    assert tail.num_long_lines == 0


def test_long_line_in_the_part_passed_over_is_counted_once(log: Path) -> None:
    append(log, b"one\ntwo\n" + b"x" * 100 + b"\nthree\nfour\n")
    tail = LineTail(log, start_bytes=5)
    seen = tail.read().splitlines()
    while tail.share_passed_over:
        seen = tail.read_earlier(10).splitlines() + seen
    assert seen == [b"one", b"two", b"three", b"four"]
    assert tail.num_long_lines == 1


def test_file_replaced_before_the_rest_was_read_starts_anew(log: Path) -> None:
    append(log, b"one\ntwo\nthree\n")
    tail = LineTail(log, start_bytes=7)
    assert tail.read().splitlines() == [b"three"]
    log.write_bytes(b"new\n")
    assert tail.read_earlier().splitlines() == []
    assert tail.read().splitlines() == [b"new"]
    assert tail.share_passed_over == 0 and tail.num_restarts == 1
    log.unlink()
    assert tail.read_earlier().splitlines() == []
