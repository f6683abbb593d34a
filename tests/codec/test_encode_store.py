"""Token stores: every byte as promised, from tokenizers without and with a context."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from codec_stores import LENGTHS, smooth_frames, write_store
from segment_tokenizer import SEGMENT, SegmentTokenizer

from vqtool.codec.clips import ClipTokens
from vqtool.codec.encode_store import StoreEncoder
from vqtool.codec.plan import Piece, plan_clips, plan_frames
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.data.store import FrameStore
from vqtool.data.token_store import TokenClip, TokenStore
from vqtool.errors import DataError


def clip_of(store: FrameStore, length: int, start: int = 0, context_start: int = 0) -> TokenClip:
    return TokenClip(**(vars(store.clips[0]) | {"length": length, "start": start}), context_start=context_start)


def test_frames_are_batched_across_clips_and_never_across_shards() -> None:
    assert plan_frames([7, 3], 3) == [
        (Piece(0, 0, 3),), (Piece(0, 3, 3),), (Piece(0, 6, 1),), (Piece(1, 0, 3),),
    ]  # fmt: skip


def test_clips_of_one_length_are_batched_and_long_ones_cut_between_segments(frame_store: FrameStore) -> None:
    clips = [clip_of(frame_store, 3), clip_of(frame_store, 14, 3, 1), clip_of(frame_store, 3, 17, 5)]
    assert plan_clips(clips, segment_frames=4, batch_frames=10) == [
        (Piece(0, 0, 3, 0), Piece(0, 17, 3, 5)),
        (Piece(0, 3, 8, 1),),
        (Piece(0, 11, 6, 3),),
    ]
    assert plan_clips(clips[1:2], segment_frames=4, batch_frames=1)[-1] == (Piece(0, 15, 2, 4),)


def test_every_file_is_what_numpy_writes_of_the_tokens_of_each_clip(
    tokenizer: LoadedTokenizer, frame_store: FrameStore, token_folder: Path, tmp_path: Path
) -> None:
    frames, contexts = [], []
    for seed, length in enumerate(LENGTHS.values()):
        tokens = tokenizer.encode(smooth_frames(length, seed))
        frames.append(tokens.frames if isinstance(tokens, ClipTokens) else tokens)
        contexts.append(tokens.context if isinstance(tokens, ClipTokens) else np.empty((0, 4, 4)))
    # The first shard holds four clips, the second the rest.
    for shard, chosen in enumerate((slice(0, 4), slice(4, None))):
        expected = {"tokens": frames[chosen]} | ({"context": contexts[chosen]} if tokenizer.layout.context_grid else {})
        for contents, parts in expected.items():
            np.save(tmp_path / "golden.npy", np.concatenate(parts).astype("<u2"))
            stored = token_folder / f"{contents}-{shard:05d}.npy"
            assert stored.read_bytes() == (tmp_path / "golden.npy").read_bytes()
        for contents in ("states", "actions"):
            file = f"{contents}-{shard:05d}.npy"
            assert (token_folder / file).read_bytes() == (frame_store.path / file).read_bytes()
    np.save(tmp_path / "golden.npy", tokenizer.codebook())
    assert (token_folder / "codebook.npy").read_bytes() == (tmp_path / "golden.npy").read_bytes()


def test_clips_csv_is_the_frame_stores(tiny: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path) -> None:
    StoreEncoder(tiny, frame_store, tmp_path / "tokens", "tiny").run()
    assert (tmp_path / "tokens" / "clips.csv").read_bytes() == (frame_store.path / "clips.csv").read_bytes()


def test_clips_csv_says_where_a_clips_context_is(
    segments: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path
) -> None:
    StoreEncoder(segments, frame_store, tmp_path / "tokens", "segments").run()
    with (tmp_path / "tokens" / "clips.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    places = [(row["clip"], int(row["context_start"]), int(row["context_length"])) for row in rows]
    # 9, 9, 14 and 6 frames in the first shard, 9 and 3 in the second; a grid for every 4 of a clip.
    assert places == [
        ("a/cam0", 0, 3), ("a/cam1", 3, 3), ("b/cam0", 6, 4), ("c/cam0", 10, 2), ("d/cam0", 0, 3), ("e/cam0", 3, 1),
    ]  # fmt: skip


def test_the_metadata_says_what_there_is(
    tokenizer: LoadedTokenizer, frame_store: FrameStore, token_folder: Path
) -> None:
    record = json.loads((token_folder / "metadata.json").read_text())
    context = tokenizer.layout.context_grid
    assert record["version"] == 1
    assert record["tokenizer_sha256"] == tokenizer.sha256
    assert record["grid"] == ([2, 2] if context else [4, 4])
    assert record["codebook_size"] == (272 if context else 16)
    assert record["codebook_sizes"] == ([125, 147] if context else [16])
    assert (record["segment_frames"], record["context_grid"]) == ((SEGMENT, [4, 4]) if context else (0, None))
    assert record["splits"]["train"] == {"trajectories": 3, "clips": 4, "frames": 41}
    assert [shard["frames"] for shard in record["shards"]] == [38, 12]
    assert [shard["segments"] for shard in record["shards"]] == ([12, 4] if context else [0, 0])
    digests = record["sha256"] | record["shards"][0]["sha256"] | record["shards"][1]["sha256"]
    assert {*digests, "metadata.json"} == {file.name for file in token_folder.iterdir()}
    for file, digest in digests.items():
        assert digest == hashlib.sha256((token_folder / file).read_bytes()).hexdigest()


@pytest.mark.parametrize(("bits", "dtype"), [(16, "uint16"), (17, "uint32")])
def test_two_bytes_hold_65536_codes(
    bits: int, dtype: str, checkpoint: Callable[..., Path], frame_store: FrameStore, tmp_path: Path
) -> None:
    quantizer = f'model.quantizer={{kind="bsq", codebook_size={1 << bits}}}'
    tokenizer = load_folder(checkpoint(quantizer), torch.device("cpu"))
    StoreEncoder(tokenizer, frame_store, tmp_path / "tokens", "x").run()
    array = np.load(tmp_path / "tokens" / "tokens-00000.npy")
    assert array.dtype == dtype
    assert np.array_equal(array[:9], tokenizer.encode(smooth_frames(9, 0)))


def test_the_store_gives_back_what_the_model_reconstructs(
    tokenizer: LoadedTokenizer, frame_store: FrameStore, token_folder: Path
) -> None:
    store = TokenStore.open(token_folder)
    clip = store.clips[2]
    frames = torch.from_numpy(frame_store.read(frame_store.clips[2]))[None].movedim(-1, 2).float()
    with torch.no_grad():
        own = tokenizer.model((frames - 127.5) / 127.5).frames_BTCHW
    tokens = torch.from_numpy(store.tokens(clip).astype(np.int64))[None]
    context = store.context(clip)
    given = tokens if context is None else ClipTokens(tokens, torch.from_numpy(context.astype(np.int64))[None])
    assert torch.equal(tokenizer.decode(given), own)


def test_frames_of_another_size_are_refused(
    checkpoint: Callable[..., Path], frame_store: FrameStore, tmp_path: Path
) -> None:
    tokenizer = load_folder(checkpoint("model.resolution=16"), torch.device("cpu"))
    with pytest.raises(DataError, match="32 pixels wide, the tokenizer's 16: preprocess with --size 16"):
        StoreEncoder(tokenizer, frame_store, tmp_path / "tokens", "x")


def test_a_decoder_that_draws_at_random_is_noticed(
    frame_store: FrameStore, tmp_path: Path, tiny: LoadedTokenizer
) -> None:
    class Noisy(SegmentTokenizer):
        def _context(self, tokens_BHW: torch.Tensor) -> torch.Tensor:
            context = super()._context(tokens_BHW)
            return context + 1e-6 * torch.randn_like(context)

    tokenizer = LoadedTokenizer(Noisy(32).eval(), tiny.config, tiny.folder, torch.float32)
    with pytest.raises(DataError, match=r"not (those that the tokenizer gives|decode to the model's own)"):
        StoreEncoder(tokenizer, frame_store, tmp_path / "tokens", "x").run()
    assert not (tmp_path / "tokens" / "metadata.json").exists()


def test_damaged_states_are_not_carried_over(tiny: LoadedTokenizer, tmp_path: Path) -> None:
    store = write_store(tmp_path / "frames")
    file = store.path / "states-00000.npy"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(DataError, match=r"states-00000.npy is damaged: vqtool data verify"):
        StoreEncoder(tiny, store, tmp_path / "tokens", "x").run()
    file.unlink()
    with pytest.raises(DataError, match=r"states-00000.npy is gone: vqtool data verify"):
        StoreEncoder(tiny, store, tmp_path / "tokens", "x").run()
    file.write_bytes(content)
    assert StoreEncoder(tiny, store, tmp_path / "tokens", "x").run().num_resumed_frames == 50
