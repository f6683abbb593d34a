"""Token stores as others may write them, read back in batches; what is wrong with one is said."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from token_files import SEGMENT, write_token_store

from vqtool.data import TokenClips
from vqtool.data.token_store import TokenStore
from vqtool.data.token_verify import verify_tokens
from vqtool.errors import DataError


@pytest.fixture(params=[False, True], ids=["frames", "context"])
def with_context(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def folder(with_context: bool, tmp_path: Path) -> Path:
    write_token_store(tmp_path / "tokens", with_context)
    return tmp_path / "tokens"


def change_metadata(folder: Path, **changes: object) -> None:
    record = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(record | changes))


def test_it_needs_no_torch() -> None:
    code = "import sys\nfrom vqtool.data import TokenClips\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "torch" not in output.split()


@pytest.mark.parametrize(("clip_frames", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_windows_are_those_of_a_plain_enumeration(tmp_path: Path, clip_frames: int, stride: int) -> None:
    write_token_store(tmp_path / "tokens", with_context=False)
    clips = TokenClips(tmp_path / "tokens", "train", clip_frames, stride)
    firsts = {"a/cam0": (0, 9), "a/cam1": (9, 5), "b/cam0": (14, 7)}
    span = (clip_frames - 1) * stride
    frames = [
        [first + start + stride * step for step in range(clip_frames)]
        for first, length in firsts.values()
        for start in range(length - span)
    ]
    batch = clips.gather(np.arange(len(clips)))
    expected = 6 * np.array(frames)[..., None] + np.arange(6)
    assert batch.tokens.dtype == np.uint16 and batch.context is None
    assert np.array_equal(batch.tokens, expected.reshape(*np.shape(frames), 2, 3))
    assert np.array_equal(batch.states, np.stack([frames, -np.array(frames)], axis=-1))
    assert np.isnan(batch.actions).all() and batch.actions.shape == (*np.shape(frames), 1)


def test_windows_with_a_context_start_where_a_segment_does(tmp_path: Path) -> None:
    write_token_store(tmp_path / "tokens", with_context=True)
    clips = TokenClips(tmp_path / "tokens", "train", clip_frames=5)
    # Of a/cam0 (9 frames) from 0 and 4, of a/cam1 (5 frames) and of b/cam0 (7 frames) from 0.
    assert [(clip.clip, start) for clip, start in map(clips.window, range(len(clips)))] == [
        ("a/cam0", 0), ("a/cam0", 4), ("a/cam1", 0), ("b/cam0", 0),
    ]  # fmt: skip
    batch = clips.gather(np.array([3, 1]))
    assert batch.tokens[:, 0, 0, 0].tolist() == [6 * 14, 6 * 4]
    # Three grids of a/cam0, two of a/cam1, then those of b/cam0.
    assert batch.context is not None
    assert batch.context.tolist() == [[[[910, 911]], [[912, 913]]], [[[902, 903]], [[904, 905]]]]
    for options in ({"stride": 2}, {"step": 2}):
        with pytest.raises(DataError, match="stride 1 and a step that is a multiple of 4"):
            TokenClips(tmp_path / "tokens", "train", 5, **options)


def test_batches_come_in_an_order_of_the_seed_and_hold_every_window_once_an_epoch(folder: Path) -> None:
    clips = TokenClips(folder, "train", clip_frames=SEGMENT)
    batches = list(islice(clips.batches(2, seed=1), len(clips)))
    firsts = np.concatenate([batch.tokens[:, 0, 0, 0] for batch in batches])
    epochs = [sorted(firsts[: len(clips)].tolist()), sorted(firsts[len(clips) :].tolist())]
    assert epochs[0] == epochs[1] == sorted(set(epochs[0]))
    again = np.concatenate([batch.tokens[:, 0, 0, 0] for batch in islice(clips.batches(2, seed=1), len(clips))])
    other = np.concatenate([batch.tokens[:, 0, 0, 0] for batch in islice(clips.batches(2, seed=2), len(clips))])
    assert np.array_equal(again, firsts) and not np.array_equal(other, firsts)


def test_whole_clips_and_the_codebook_are_at_hand(folder: Path, with_context: bool) -> None:
    store = TokenStore.open(folder)
    clip = store.split("val")[0]
    assert store.tokens(clip)[:, 0, 0].tolist() == [6 * frame for frame in range(21, 25)]
    context = store.context(clip)
    assert (None if context is None else context.tolist()) == ([[[914, 915]]] if with_context else None)
    assert store.codebook()[7].tolist() == [14, 15]
    with pytest.raises(ValueError, match="read-only"):
        store.tokens(clip)[0] = 0


def test_a_window_that_is_not_there_is_refused(folder: Path) -> None:
    clips = TokenClips(folder, "train", clip_frames=SEGMENT)
    for index in (-1, len(clips)):
        with pytest.raises(IndexError, match=f"of {len(clips)}"):
            clips.gather(np.array([index]))
    with pytest.raises(DataError, match=r"has the 10 frames of a window \(the longest has 9\)"):
        TokenClips(folder, "train", clip_frames=10)
    with pytest.raises(DataError, match=r"split 'test'.*the longest has 0"):
        TokenClips(folder, "test", clip_frames=1)
    with pytest.raises(DataError, match="at least 1"):
        TokenClips(folder, "train", clip_frames=0)


def test_every_altered_file_is_found_on_request(folder: Path) -> None:
    assert verify_tokens(folder).problems == ()
    TokenClips(folder, verify=True, clip_frames=2)
    for file in [*sorted(folder.glob("*.npy")), folder / "clips.csv"]:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert [problem.file for problem in verify_tokens(folder).problems] == [file.name]
        file.write_bytes(content)
    tokens = np.load(folder / "tokens-00001.npy")
    tokens[0, 0, 0] ^= 1
    np.save(folder / "tokens-00001.npy", tokens)
    with pytest.raises(DataError, match=r"1 files of the token store .* tokens-00001.npy: its content was altered"):
        TokenClips(folder, verify=True, clip_frames=2)


def test_a_token_without_a_code_is_found_on_request(folder: Path) -> None:
    change_metadata(folder, codebook_size=100)
    details = [problem.detail for problem in verify_tokens(folder).problems]
    assert details and all("of 100 codes" in detail for detail in details)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "has token store version 2; this vqtool reads version 1: encode again"),
        ({"version": "1"}, "not one of vqtool's"),
        ({"grid": [2]}, "metadata.json"),
        ({"grid": [3, 2]}, r"tokens-00000.npy: it holds uint16 \(14, 2, 3\), expected uint16 \(14, 3, 2\)"),
        ({"token_dtype": "uint32"}, "it holds uint16"),
        ({"state_dim": 3}, "states-00000.npy: it holds float32"),
        ({"splits": {}}, "not those that metadata.json counts"),
    ],
)
def test_metadata_that_cannot_be_true_is_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    change_metadata(folder, **changes)
    with pytest.raises(DataError, match=message):
        TokenStore.open(folder)


def test_clips_outside_the_shards_are_refused(folder: Path) -> None:
    rows = (folder / "clips.csv").read_text()
    for wrong in (rows.replace(",1,7,4,", ",1,7,5,"), rows.replace(",1,0,7,", ",2,0,7,")):
        (folder / "clips.csv").write_text(wrong)
        with pytest.raises(DataError, match="lies outside the shards"):
            TokenStore.open(folder)
    (folder / "clips.csv").write_text(rows.replace("clip,", "video,", 1))
    with pytest.raises(DataError, match="columns are not those of a token store"):
        TokenStore.open(folder)


def test_arrays_of_objects_are_never_unpickled(folder: Path) -> None:
    np.save(folder / "tokens-00000.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"tokens-00000.npy: .*Python objects"):
        TokenStore.open(folder)


def test_what_is_no_token_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder; make one with: vqtool encode"):
        TokenStore.open(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"it has no metadata.json"):
        TokenStore.open(tmp_path)
    (tmp_path / "metadata.json").write_text("[1]")
    with pytest.raises(DataError, match=r"metadata.json"):
        TokenStore.open(tmp_path)
