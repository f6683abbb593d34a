"""Interrupted encoding: killed anywhere, the same job continues and makes the bytes of one left alone."""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from codec_stores import SIZE
from forks import Forks
from segment_tokenizer import SegmentTokenizer

from vqtool.codec.encode_store import EncodedStore, StoreEncoder
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.data.store import FrameStore
from vqtool.data.token_store import TokenStore
from vqtool.errors import DataError, VqtoolError

OPERATIONS = ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir")


class StoppedError(Exception):
    pass


def file_contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def stop_after(num_frames: int) -> object:
    def advance(done: int, total: int) -> None:
        if done >= num_frames:
            raise StoppedError

    return advance


def encoder(tokenizer: LoadedTokenizer, store: FrameStore, output: Path, **changes: object) -> StoreEncoder:
    return StoreEncoder(tokenizer, store, output, "runs/tiny", **({"batch_frames": 8, "commit_seconds": 0} | changes))


def encode_until(with_context: bool, folder: Path, store: Path, output: Path, kill_at: int) -> None:
    """Encode; at file operation or batch number `kill_at` this process kills itself."""
    torch.set_num_threads(1)
    left = kill_at

    def count(event: str = "open", arguments: tuple[object, ...] = ("",)) -> None:
        nonlocal left
        if event in OPERATIONS and (arguments[0] == "" or str(arguments[0]).startswith(str(output))):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    tokenizer = load_folder(folder, torch.device("cpu"))
    if with_context:
        tokenizer = LoadedTokenizer(SegmentTokenizer(SIZE).eval(), tokenizer.config, folder, torch.float32)
    if kill_at:
        sys.addaudithook(count)
    encoder(tokenizer, FrameStore.open(store), output).run(lambda done, total: count())


@pytest.mark.skipif(sys.platform != "linux", reason="SIGKILL and fork are needed")
def test_killed_again_and_again_it_makes_the_same_bytes(
    tokenizer: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path, forks: Forks
) -> None:
    encoder(tokenizer, frame_store, tmp_path / "alone").run()
    rng = np.random.default_rng(int(os.environ.get("VQTOOL_KILL_SEED", "0")))
    num_kills, exit_code = 0, -1
    while exit_code != 0:
        # An attempt makes about 40 file operations and batches.
        kill_at = int(rng.integers(5, 25)) if num_kills < 8 else 0
        arguments = (tokenizer.layout.segment_frames > 0, tokenizer.folder, frame_store.path, tmp_path / "killed")
        exit_code = forks.call(encode_until, *arguments, kill_at)
        assert exit_code in (0, -signal.SIGKILL)
        num_kills += exit_code != 0
    assert num_kills >= 3
    assert file_contents(tmp_path / "killed") == file_contents(tmp_path / "alone")


def test_what_was_done_is_not_done_again(tokenizer: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path) -> None:
    alone = encoder(tokenizer, frame_store, tmp_path / "alone").run()
    assert (alone.num_frames, alone.num_resumed_frames) == (50, 0)
    with pytest.raises(StoppedError):
        encoder(tokenizer, frame_store, tmp_path / "tokens").run(stop_after(20))
    with pytest.raises(DataError, match="is incomplete: run the vqtool encode that writes it again"):
        TokenStore.open(tmp_path / "tokens")
    resumed: EncodedStore = encoder(tokenizer, frame_store, tmp_path / "tokens").run()
    assert resumed.num_resumed_frames >= 20
    assert resumed.num_frames + resumed.num_resumed_frames == 50
    assert file_contents(tmp_path / "tokens") == file_contents(tmp_path / "alone")


def test_a_torn_journal_is_believed_up_to_the_tear(
    tiny: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path
) -> None:
    encoder(tiny, frame_store, tmp_path / "alone").run()
    for torn in (3, 40):
        with pytest.raises(StoppedError):
            encoder(tiny, frame_store, tmp_path / "tokens").run(stop_after(24))
        journal = tmp_path / "tokens" / "journal-000.jsonl"
        journal.write_bytes(journal.read_bytes()[:-torn])
    resumed = encoder(tiny, frame_store, tmp_path / "tokens").run()
    assert resumed.num_resumed_frames < 24
    assert file_contents(tmp_path / "tokens") == file_contents(tmp_path / "alone")


def test_a_complete_store_that_was_not_tidied_up_is(
    tiny: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path
) -> None:
    encoder(tiny, frame_store, tmp_path / "tokens").run()
    expected = file_contents(tmp_path / "tokens")
    (tmp_path / "tokens" / "unfinished.json").write_text("{}")
    (tmp_path / "tokens" / "journal-001.jsonl").write_text("")
    assert encoder(tiny, frame_store, tmp_path / "tokens").run().num_frames == 0
    assert file_contents(tmp_path / "tokens") == expected
    with pytest.raises(DataError, match="complete token store already"):
        encoder(tiny, frame_store, tmp_path / "tokens").run()


def test_another_job_does_not_continue_it(
    tiny: LoadedTokenizer, segments: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        encoder(tiny, frame_store, tmp_path / "tokens").run(stop_after(20))
    before = file_contents(tmp_path / "tokens")
    with pytest.raises(DataError, match=r"was begun with frames at once 8 \(now 4\)"):
        encoder(tiny, frame_store, tmp_path / "tokens", batch_frames=4).run()
    with pytest.raises(DataError, match="was begun with batches"):
        encoder(segments, frame_store, tmp_path / "tokens").run()
    assert file_contents(tmp_path / "tokens").keys() == before.keys()


def test_two_jobs_do_not_write_one_folder(tiny: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(DataError, match="another vqtool encode is writing"):
            encoder(tiny, frame_store, tmp_path / "tokens").run()

    encoder(tiny, frame_store, tmp_path / "tokens").run(second)


def test_other_peoples_files_are_left_alone(tiny: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path) -> None:
    before = file_contents(frame_store.path)
    for output, message in ((frame_store.path, "not empty and no token store"), (Path(__file__), "is a file")):
        with pytest.raises(DataError, match=message):
            encoder(tiny, frame_store, output).run()
    assert file_contents(frame_store.path) == before


def test_a_full_disk_is_explained_and_continued(tiny: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path) -> None:
    encoder(tiny, frame_store, tmp_path / "alone").run()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: int, total: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))

    try:
        with pytest.raises(VqtoolError, match="larger than this file system or limit allows"):
            encoder(tiny, frame_store, tmp_path / "tokens").run(fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    resumed = encoder(tiny, frame_store, tmp_path / "tokens").run()
    assert resumed.num_resumed_frames > 0
    assert file_contents(tmp_path / "tokens") == file_contents(tmp_path / "alone")
    assert json.loads((tmp_path / "tokens" / "metadata.json").read_text())["version"] == 1
