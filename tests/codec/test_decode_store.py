"""Token stores back to frames and files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from codec_stores import LENGTHS, smooth_frames

from vqtool.codec import decode_store
from vqtool.codec.clips import ClipTokens
from vqtool.codec.decode_store import check_output, check_tokenizer, choose_clips, decode_clip, write_clips
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.core.frames import to_model, to_uint8
from vqtool.data import TokenClips
from vqtool.data.token_store import TokenClip, TokenStore
from vqtool.errors import DataError


def test_a_clip_is_the_models_own_reconstruction(tokenizer: LoadedTokenizer, token_folder: Path) -> None:
    store = TokenStore.open(token_folder)
    for seed, (clip, length) in enumerate(zip(store.clips, LENGTHS.values(), strict=True)):
        frames_BTCHW = to_model(smooth_frames(length, seed)[None], torch.device("cpu"))
        with torch.no_grad():
            own = to_uint8(tokenizer.model(frames_BTCHW).frames_BTCHW)[0]
        assert np.array_equal(np.concatenate(list(decode_clip(tokenizer, store, clip))), own)


def test_a_long_clip_is_decoded_in_parts(
    tokenizer: LoadedTokenizer, token_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TokenStore.open(token_folder)
    (whole,) = decode_clip(tokenizer, store, store.clips[2])
    monkeypatch.setattr(decode_store, "FRAMES_AT_ONCE", 6)
    parts = list(decode_clip(tokenizer, store, store.clips[2]))
    assert [len(part) for part in parts] == ([6, 6, 2] if store.info.segment_frames == 0 else [4, 4, 4, 2])
    assert np.array_equal(np.concatenate(parts), whole)


def test_clips_are_chosen_by_name_or_evenly(token_folder: Path) -> None:
    store = TokenStore.open(token_folder)
    assert [clip.clip for clip in choose_clips(store, ["e/cam0", "a/cam1", "e/cam0"], "train", 1)] == [
        "e/cam0",
        "a/cam1",
    ]
    assert [clip.clip for clip in choose_clips(store, [], "train", 2)] == ["a/cam1", "d/cam0"]
    assert len(choose_clips(store, [], "train", 99)) == 4
    with pytest.raises(DataError, match=r"no clip 'a/cam2' .*did you mean a/cam1\?"):
        choose_clips(store, ["a/cam2"], "train", 1)


def test_another_tokenizers_tokens_are_refused(
    token_folder: Path, checkpoint: Callable[..., Path], tokenizer: LoadedTokenizer
) -> None:
    store = TokenStore.open(token_folder)
    check_tokenizer(tokenizer, store)
    with pytest.raises(DataError, match=r"give the checkpoint that encoded them \(it was runs/tiny\)"):
        check_tokenizer(load_folder(checkpoint(seed=5), torch.device("cpu")), store)


def test_files_are_what_was_decoded(tmp_path: Path, token_folder: Path) -> None:
    clips = TokenStore.open(token_folder).clips[:2]
    decoded = [smooth_frames(3, 1), smooth_frames(4, 2)]
    parts = [[decoded[0]], [decoded[1][:3], decoded[1][3:]]]
    folders = list(write_clips(clips, parts, tmp_path / "png", "png", 6))
    assert folders == [tmp_path / "png" / "a_cam0", tmp_path / "png" / "a_cam1"]
    assert sorted(file.name for file in folders[1].iterdir()) == [f"{number:06d}.png" for number in range(4)]
    pictures = [iio.imread(file) for file in sorted(folders[1].iterdir())]
    assert np.array_equal(np.stack(pictures), decoded[1])
    forms: list[decode_store.Format] = ["mp4", "gif", "webp"]
    for form in forms:
        files = list(write_clips(clips, parts, tmp_path / form, form, 6))
        assert [file.name for file in files] == [f"a_cam0.{form}", f"a_cam1.{form}"]
        for file, frames in zip(files, decoded, strict=True):
            read = iio.imread(file, plugin="pyav" if form == "mp4" else "pillow", index=...)[..., :3]
            assert read.shape == frames.shape
            assert np.abs(read.astype(int) - frames).mean() < 8
        (one,) = write_clips(clips[1:], parts[1:], tmp_path / "new" / f"one.{form}", "mp4", 6)
        assert one.read_bytes() == files[1].read_bytes()
    (picture,) = write_clips(clips[:1], [[decoded[0][:1]]], tmp_path / "one.png", "mp4", 6)
    assert np.array_equal(iio.imread(picture), decoded[0][0])


def test_a_clip_that_fails_leaves_no_file(tmp_path: Path, token_folder: Path) -> None:
    clips = TokenStore.open(token_folder).clips[:1]

    def torn() -> Iterator[np.ndarray]:
        yield smooth_frames(3, 1)
        raise KeyError

    for form in get_args(decode_store.Format):
        with pytest.raises(KeyError):
            list(write_clips(clips, [torn()], tmp_path / "out", form, 6))
    assert list((tmp_path / "out").iterdir()) == []


def test_names_of_clips_cannot_leave_the_folder(tmp_path: Path, token_folder: Path) -> None:
    clip = TokenStore.open(token_folder).clips[0]
    names = ["../../x", "..", "/etc/x", "a/b_c", "a_b/c", "q\x1b[2J"]
    clips = [TokenClip(**(vars(clip) | {"clip": name})) for name in names]
    files = list(write_clips(clips, [[smooth_frames(1, 1)]] * len(names), tmp_path / "out", "gif", 6))
    assert len(set(files)) == len(names)
    assert {file.parent for file in files} == {tmp_path / "out"}
    assert all(file.name.isprintable() and not file.name.startswith(".") for file in files)


@pytest.mark.parametrize(
    ("output", "num_clips", "message"),
    [
        ("x.webm", 1, r"ending in .mp4, .gif, .webp, .png"), ("x.png", 1, "one picture, clip a/cam0 has 9 frames"),
        ("x.gif", 2, "holds one clip, not 2"), ("taken", 1, "is a file"), ("full", 2, "full/a_cam1 exists already"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_is_refused(
    tmp_path: Path, token_folder: Path, output: str, num_clips: int, message: str
) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "full" / "a_cam1").mkdir(parents=True)
    clips = TokenStore.open(token_folder).clips
    check_output(tmp_path / "folder", clips, "png")
    check_output(tmp_path / "full", clips, "webp")
    check_output(tmp_path / "x.GIF", clips[:1], "mp4")
    with pytest.raises(DataError, match=message):
        check_output(tmp_path / output, clips[:num_clips], "png")


def test_windows_for_a_second_stage_decode_to_their_part_of_the_clip(
    tokenizer: LoadedTokenizer, token_folder: Path
) -> None:
    clips = TokenClips(token_folder, "train", clip_frames=6)
    batch = clips.gather(np.arange(len(clips)))
    given = batch.tokens if batch.context is None else ClipTokens(batch.tokens, batch.context)
    decoded = tokenizer.decode(given)
    for window, frames in enumerate(decoded):
        clip, start = clips.window(window)
        (whole,) = decode_clip(tokenizer, clips.store, clip)
        assert np.array_equal(frames, whole[start : start + 6])
