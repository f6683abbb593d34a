"""Downloads survive cuts, stalls, restarts and lying servers; nothing unverified is ever taken for the file."""

import hashlib
import json
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from index_server import Answer, Handler, Index, file_answer, send, serving

from vqtool.errors import VqtoolError, WeightsError
from vqtool.weights.download import Downloader, Patience, PublishedFile

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
HALF = 150_000
FILE = PublishedFile("weights.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
UNPINNED = PublishedFile("weights.bin", len(CONTENT))


class Site:
    """One file on a server, and a folder to download it into."""

    def __init__(self, index: Index, address: str, folder: Path, patience: Patience) -> None:
        self.index = index
        self.url = f"{address}/weights.bin"
        self.folder = folder
        self.patience = patience
        self.seen: list[tuple[int, int]] = []

    def fetch(self, *answers: Answer, file: PublishedFile = FILE) -> bytes:
        """Download with these answers to the requests, one after the other; gives the file's content."""
        self.index.headers.clear()
        self.index.answers["/simple/weights.bin"] = list(answers)
        downloader = Downloader(self.folder, lambda *counts: self.seen.append(counts), self.patience)
        path = downloader.fetch(self.url, file)
        assert path == self.folder / "weights.bin"
        assert self.left == {"weights.bin"}
        return path.read_bytes()

    def leave(self, content: bytes, **headers: str) -> None:
        """Leave a download of `content` cut at half, as an earlier process would."""
        with pytest.raises(WeightsError):
            self.fetch(file_answer(content, cut_after=HALF, **headers), (404, b""))
        assert (self.folder / "weights.bin.part").stat().st_size == HALF

    @property
    def left(self) -> set[str]:
        """The names in the folder."""
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def site(tmp_path: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as (index, address):
        yield Site(index, address, tmp_path, patience)


def test_a_file_comes_in_one_go_with_progress(site: Site, waits: list[float]) -> None:
    assert site.fetch(file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [None]
    assert site.seen[-1] == (len(CONTENT), len(CONTENT))
    assert site.seen == sorted(set(site.seen))
    assert waits == []


def test_a_cut_download_goes_on_where_it_was_cut(
    site: Site, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert site.fetch(file_answer(CONTENT, cut_after=HALF), file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [None, f"bytes={HALF}-"]
    assert waits == [1]
    assert "the connection was cut after 150000 of 300000 bytes; trying again in 1 s" in caplog.text


def test_a_stalled_download_goes_on_too(site: Site, waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()
    stalling = file_answer(CONTENT, cut_after=HALF, then=lambda: over.wait(20))
    assert site.fetch(stalling, file_answer(CONTENT)) == CONTENT
    over.set()
    assert site.index.ranges == [None, f"bytes={HALF}-"]
    assert "the connection stalled: nothing came for 0.5 s" in caplog.text


def test_waits_double_and_end(site: Site, waits: list[float]) -> None:
    site.patience = Patience(num_attempts=5, wait=waits.append)
    with pytest.raises(WeightsError, match=r"HTTP 503 \(tried 5 times\)"):
        site.fetch((503, b""))
    assert waits == [1, 2, 4, 8]


def test_attempts_count_anew_while_the_download_gets_on(site: Site, waits: list[float]) -> None:
    # More cuts than attempts, each 66,000 bytes further.
    site.patience = Patience(num_attempts=2, wait=waits.append)
    assert site.fetch(file_answer(CONTENT, cut_after=66_000)) == CONTENT
    assert waits == [1, 1, 1, 1]


def test_a_server_that_ignores_ranges_and_always_cuts_is_given_up(site: Site) -> None:
    with pytest.raises(WeightsError, match=r"cut after 150000 of 300000 bytes \(tried 3 times\)"):
        site.fetch(lambda handler: send(handler, 200, CONTENT[:HALF], len(CONTENT)))
    assert site.index.ranges[1:] == [f"bytes={HALF}-"] * (len(site.index.ranges) - 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416])
def test_a_refusal_is_not_tried_again(site: Site, status: int, waits: list[float]) -> None:
    with pytest.raises(WeightsError, match=f"^the server answers HTTP {status}$"):
        site.fetch((status, b"page"))
    assert (waits, site.left, len(site.index.headers)) == ([], set(), 1)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(site: Site, status: int) -> None:
    assert site.fetch((status, b"page"), file_answer(CONTENT)) == CONTENT


@pytest.mark.parametrize("status", [201, 204])
def test_an_answer_that_is_no_file_is_refused(site: Site, status: int) -> None:
    with pytest.raises(WeightsError, match=f"HTTP {status}"):
        site.fetch((status, b""))


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 banana\r\n\r\n", b"\x00" * 200_000])
def test_an_answer_that_is_not_http_is_refused(site: Site, answer: bytes) -> None:
    def babble(handler: Handler) -> None:
        handler.wfile.write(answer)

    with pytest.raises(WeightsError, match="not HTTP"):
        site.fetch(babble)


def test_a_server_that_hangs_up_is_asked_again(site: Site) -> None:
    assert site.fetch(lambda handler: None, file_answer(CONTENT)) == CONTENT


def test_wrong_bytes_are_refused_with_both_hashes_and_removed(site: Site) -> None:
    with pytest.raises(WeightsError, match="wrong file") as raised:
        site.fetch(file_answer(OTHER))
    assert hashlib.sha256(OTHER).hexdigest() in str(raised.value)
    assert str(FILE.sha256) in str(raised.value)
    assert site.left == set()
    assert site.index.ranges == [None]


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1, 10**14, HALF])
def test_a_claimed_length_other_than_the_pinned_is_refused_before_any_byte(site: Site, length: int) -> None:
    with pytest.raises(WeightsError, match=f"wrong file: the server has {length} bytes, expected 300000 bytes"):
        site.fetch(lambda handler: send(handler, 200, CONTENT, length))
    assert site.seen == []


@pytest.mark.parametrize("length", ["banana", "-5", "1e5", "9" * 5000])
def test_a_claimed_length_that_is_none_is_not_believed(site: Site, length: str) -> None:
    assert site.fetch(lambda handler: send(handler, 200, CONTENT, -1, Content_Length=length)) == CONTENT


def test_without_a_length_no_more_than_the_pinned_size_is_ever_kept(site: Site) -> None:
    with pytest.raises(WeightsError, match="more than the expected 300000 bytes"):
        site.fetch(lambda handler: send(handler, 200, CONTENT + b"x", -1))
    assert max(done for done, _ in site.seen) <= len(CONTENT)
    assert site.left == set()
    assert site.fetch(lambda handler: send(handler, 200, CONTENT, -1)) == CONTENT


def test_without_a_length_a_cut_is_noticed_all_the_same(site: Site) -> None:
    assert site.fetch(lambda handler: send(handler, 200, CONTENT[:HALF], -1), file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [None, f"bytes={HALF}-"]


def chunked(handler: Handler, content: bytes, whole: bool) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(content), 50_000):
        block = content[start : start + 50_000]
        handler.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n" if whole else b"c350\r\nabc")
    handler.close_connection = True


def test_a_chunked_answer_is_read_and_its_cut_noticed(site: Site) -> None:
    def cut(handler: Handler) -> None:
        chunked(handler, CONTENT[:HALF], whole=False)

    assert site.fetch(lambda handler: chunked(handler, CONTENT, whole=True)) == CONTENT
    (site.folder / "weights.bin").unlink()
    with pytest.raises(WeightsError, match="cut"):
        site.fetch(cut, cut, cut)


def test_a_later_process_goes_on_if_the_file_is_the_same(site: Site) -> None:
    for headers in ({"ETag": '"one"'}, {"Last_Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}, {}):
        site.leave(CONTENT, **headers)
        assert site.fetch(file_answer(CONTENT, **headers)) == CONTENT
        assert site.index.ranges == [f"bytes={HALF}-"]
        assert site.index.headers[0].get("If-Range") == next(iter(headers.values()), None)
        (site.folder / "weights.bin").unlink()


def test_a_weak_tag_proves_nothing(site: Site) -> None:
    site.leave(CONTENT, ETag='W/"one"')
    assert site.fetch(file_answer(CONTENT, ETag='W/"one"')) == CONTENT
    assert "If-Range" not in site.index.headers[0]


def test_a_file_that_changed_between_is_taken_from_its_beginning(site: Site) -> None:
    site.leave(OTHER, ETag='"old"')
    assert site.fetch(file_answer(CONTENT, ETag='"new"')) == CONTENT
    assert site.index.ranges == [f"bytes={HALF}-"]


def test_a_file_that_changed_unnoticed_is_taken_again_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.leave(OTHER)
    assert site.fetch(file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [f"bytes={HALF}-", None]
    assert "starting over" in caplog.text


def test_a_range_that_is_ignored_brings_the_file_from_its_beginning(site: Site) -> None:
    site.leave(OTHER)
    assert site.fetch(lambda handler: send(handler, 200, CONTENT)) == CONTENT
    assert len(site.index.headers) == 1


@pytest.mark.parametrize("span", ["bytes 0-299999/300000", "bytes 149999-299999/300000", "banana", ""])
def test_another_part_than_asked_for_is_not_appended(site: Site, span: str) -> None:
    site.leave(CONTENT)
    wrong_part: Answer = lambda handler: send(handler, 206, CONTENT[HALF:], Content_Range=span)  # noqa: E731
    assert site.fetch(wrong_part, file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [f"bytes={HALF}-", None]


def test_a_part_of_a_file_of_another_size_is_refused(site: Site) -> None:
    site.leave(CONTENT)
    with pytest.raises(WeightsError, match="the server has 300001 bytes, expected 300000"):
        site.fetch(file_answer(CONTENT + b"x"))
    # Another server may have the right one.
    assert site.fetch(file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [f"bytes={HALF}-"]


def test_a_part_that_was_whole_already_needs_no_server(site: Site) -> None:
    (site.folder / "weights.bin.part").write_bytes(CONTENT)
    assert site.fetch((404, b"")) == CONTENT
    assert site.index.headers == []


@pytest.mark.parametrize("leftover", [OTHER, CONTENT + b"x", OTHER[:-1], b""])
def test_a_foreign_part_does_no_harm(site: Site, waits: list[float], leftover: bytes) -> None:
    (site.folder / "weights.bin.part").write_bytes(leftover)
    (site.folder / "weights.bin.part.json").write_bytes(b"\xff[")
    assert site.fetch(file_answer(CONTENT)) == CONTENT
    assert waits == []


def test_a_range_beyond_the_end_starts_over(site: Site) -> None:
    site.leave(CONTENT)
    assert site.fetch(file_answer(CONTENT[:1000]), file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [f"bytes={HALF}-", None]


def test_a_whole_file_from_before_is_verified_not_fetched(site: Site) -> None:
    site.fetch(file_answer(CONTENT))
    assert site.fetch((500, b"")) == CONTENT
    assert site.index.headers == []
    (site.folder / "weights.bin").write_bytes(OTHER)
    assert site.fetch(file_answer(CONTENT)) == CONTENT


def test_without_a_pinned_hash_only_a_server_that_vouches_is_resumed(site: Site) -> None:
    for headers, ranges in (({"ETag": '"one"'}, [f"bytes={HALF}-"]), ({}, [None])):
        site.leave(CONTENT, **headers)
        assert site.fetch(file_answer(CONTENT, **headers), file=UNPINNED) == CONTENT
        assert site.index.ranges == ranges
        (site.folder / "weights.bin").unlink()


def test_without_a_pinned_hash_another_address_starts_over(site: Site) -> None:
    site.leave(CONTENT, ETag='"one"')
    site.url += "?mirror"
    site.index.answers["/simple/weights.bin?mirror"] = file_answer(CONTENT, ETag='"one"')
    site.fetch(file=UNPINNED)
    assert site.index.ranges == [None]


def test_without_a_pinned_hash_the_size_is_bounded_all_the_same(site: Site) -> None:
    huge = CONTENT + bytes(1 << 20) + b"x"
    for length, reason in ((-1, "more than the expected"), (None, f"the server has {len(huge)} bytes")):
        with pytest.raises(WeightsError, match=reason):
            site.fetch(lambda handler, length=length: send(handler, 200, huge, length), file=UNPINNED)


@contextmanager
def small_files_only() -> Iterator[None]:
    """Writing past 100,000 bytes fails, as on a full disk; no fixture, within which pytest itself may write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_no_network_error_and_what_fits_is_kept(site: Site, waits: list[float]) -> None:
    with (
        small_files_only(),
        pytest.raises(VqtoolError, match=r"cannot write .*larger than this file system or limit allows"),
    ):
        site.fetch(file_answer(CONTENT))
    assert (site.folder / "weights.bin.part").read_bytes() == CONTENT[:100_000]
    assert waits == []


def test_what_lies_beside_a_part_shows_no_secret(site: Site) -> None:
    site.url = site.url.replace("//", "//user:secret@")
    site.leave(CONTENT, ETag='"one"')
    facts = (site.folder / "weights.bin.part.json").read_text()
    assert json.loads(facts)["validator"] == '"one"'
    assert "secret" not in facts
    site.url = site.url.replace("secret", "changed")
    assert site.fetch(file_answer(CONTENT, ETag='"one"')) == CONTENT
    assert (site.index.ranges, site.index.headers[0].get("If-Range")) == ([f"bytes={HALF}-"], '"one"')


def test_a_network_that_goes_away_amid_a_download_may_come_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A proxy where nobody listens stands for a network that is down.
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WeightsError, match=r"^cannot connect \(offline\?\)$"), monkeypatch.context() as offline:
        offline.setenv("http_proxy", "http://127.0.0.1:1")
        site.fetch()

    def wait(seconds: float) -> None:
        if seconds == 1:
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        else:
            monkeypatch.delenv("http_proxy")

    site.patience = Patience(wait=wait)
    assert site.fetch(file_answer(CONTENT, cut_after=HALF), file_answer(CONTENT)) == CONTENT
    assert site.index.ranges == [None, f"bytes={HALF}-"]
    assert "cannot connect (offline?); trying again in 2 s" in caplog.text
