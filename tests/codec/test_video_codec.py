"""Videos to `.vqt` and back with real tokenizers: exact tokens, exact frames, any size, clear errors."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vqt_files import SIZE, moving_square, tokenizer, write_mp4

from vqtool.codec import video
from vqtool.codec.bitstream import BitstreamReader, BitstreamWriter
from vqtool.codec.clips import ClipTokens
from vqtool.codec.prior import PRIOR_FILE, check_no_prior, learn_prior, prior_id, save_prior
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.codec.video import VideoCodec
from vqtool.data.resize import resize
from vqtool.data.video import read_video
from vqtool.errors import CheckpointError, DataError


def chunks_of(codec: VideoCodec, path: Path) -> list[video.Chunk]:
    with path.open("rb") as stream:
        return list(codec.tokens(BitstreamReader(stream)))


def pictures(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


def parts(tokens: np.ndarray | ClipTokens[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    return (tokens.frames, tokens.context) if isinstance(tokens, ClipTokens) else (tokens, None)


@pytest.mark.parametrize("kind", ["image", "residual", "clip"])
def test_tokens_and_frames_are_exactly_the_tokenizers(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "FRAMES_AT_ONCE", 8)
    monkeypatch.setattr(video, "CHUNK_FRAMES", 16)
    source, codec = write_mp4(tmp_path / "in.mp4", moving_square(37)), VideoCodec(tokenizer(kind))
    done = codec.encode(source, tmp_path / "out.vqt")
    assert (done.num_frames, done.num_bytes) == (37, (tmp_path / "out.vqt").stat().st_size)
    frames, _ = read_video(source)
    expected = [codec.tokenizer.encode(frames[start : start + 8]) for start in range(0, 37, 8)]
    chunks = chunks_of(codec, tmp_path / "out.vqt")
    assert [len(tokens) for tokens, _ in chunks] == [16, 16, 5]
    np.testing.assert_array_equal(
        np.concatenate([tokens for tokens, _ in chunks]), np.concatenate([parts(batch)[0] for batch in expected])
    )
    contexts = [parts(batch)[1] for batch in expected]
    assert len(np.unique(np.concatenate([tokens.ravel() for tokens, _ in chunks]))) > 3
    if contexts[0] is not None:
        np.testing.assert_array_equal(np.concatenate([context for _, context in chunks]), np.concatenate(contexts))
    codec.decode(tmp_path / "out.vqt", tmp_path / "frames")
    np.testing.assert_array_equal(
        pictures(tmp_path / "frames"), np.concatenate([codec.tokenizer.decode(batch) for batch in expected])
    )


@pytest.mark.parametrize("kind", ["image", "residual", "clip"])
def test_tiles_keep_the_size_and_are_each_the_tokenizers(kind: str, tmp_path: Path) -> None:
    frames, codec = moving_square(5, 50, 70), VideoCodec(tokenizer(kind))
    source = write_mp4(tmp_path / "in.mp4", frames)
    frames, _ = read_video(source)
    done = codec.encode(source, tmp_path / "out.vqt", tile=True)
    codec.decode(tmp_path / "out.vqt", tmp_path / "frames")
    decoded = pictures(tmp_path / "frames")
    assert (done.width, done.height, decoded.shape) == (70, 50, (5, 50, 70, 3))
    padded = np.pad(frames, ((0, 0), (0, 14), (0, 26), (0, 0)), mode="edge")
    for top, left in ((0, 0), (0, 64), (32, 32)):
        tile = padded[:, top : top + SIZE, left : left + SIZE]
        expected = codec.tokenizer.decode(codec.tokenizer.encode(np.ascontiguousarray(tile)))
        found = decoded[:, top : top + SIZE, left : left + SIZE]
        np.testing.assert_array_equal(found, expected[:, : found.shape[1], : found.shape[2]])


def test_other_sizes_are_resized_as_in_preprocessing(tmp_path: Path) -> None:
    source, codec = write_mp4(tmp_path / "in.mp4", moving_square(6, 50, 70), fps=30), VideoCodec(tokenizer("image"))
    done = codec.encode(source, tmp_path / "out.vqt")
    assert (done.width, done.height, done.fps) == (SIZE, SIZE, 30)
    expected = codec.tokenizer.encode(resize(read_video(source)[0], SIZE, SIZE))
    np.testing.assert_array_equal(chunks_of(codec, tmp_path / "out.vqt")[0][0], expected)


def test_audio_is_left_out_with_a_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    codec = VideoCodec(tokenizer("image"))
    with caplog.at_level(logging.WARNING, "vqtool"):
        codec.encode(write_mp4(tmp_path / "silent.mp4", moving_square(3)), tmp_path / "out.vqt")
        assert not caplog.messages
        codec.encode(write_mp4(tmp_path / "loud.mp4", moving_square(3), audio=True), tmp_path / "out.vqt")
    assert caplog.messages == [f"{tmp_path / 'loud.mp4'} has audio, which is left out"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-20], "ends too early"),
        (lambda content: content[:120] + b"!" + content[121:], "damaged"),
        (lambda content: b"RIFF" + content, "not a .vqt"),
        (lambda content: b"", "empty"),
    ],
)
def test_a_bad_file_is_an_error_and_writes_nothing(damage: object, message: str, tmp_path: Path) -> None:
    codec, path = VideoCodec(tokenizer("image")), tmp_path / "out.vqt"
    codec.encode(write_mp4(tmp_path / "in.mp4", moving_square(20)), path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    for output in ("video.mp4", "frames"):
        with pytest.raises(DataError, match=rf"cannot decode .*out.vqt: .*{message}"):
            codec.decode(path, tmp_path / output)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.vqt"}


def test_another_tokenizer_is_named(tmp_path: Path) -> None:
    mine, other = tokenizer("image"), tokenizer("image", seed=1)
    VideoCodec(mine).encode(write_mp4(tmp_path / "in.mp4", moving_square(3)), tmp_path / "out.vqt")
    with pytest.raises(DataError, match=rf"tokenizer {mine.sha256[:12]}.*is {other.sha256[:12]}.*--checkpoint"):
        VideoCodec(other).decode(tmp_path / "out.vqt", tmp_path / "out.mp4")


def test_a_prior_belongs_to_the_file(tmp_path: Path) -> None:
    plain = tokenizer("clip", seed=2)
    source = write_mp4(tmp_path / "in.mp4", moving_square(11))
    without = VideoCodec(plain)
    before = without.encode(source, tmp_path / "plain.vqt")
    prior = learn_prior(plain, [moving_square(11)])
    tokens = plain.encode(moving_square(11))
    assert isinstance(tokens, ClipTokens)
    used = np.unique(tokens.frames)
    assert set(np.flatnonzero(prior["frames"])) == set(used)
    try:
        save_prior(plain, prior)
        codec = VideoCodec(plain)
        after = codec.encode(source, tmp_path / "out.vqt")
        assert after.num_bytes < before.num_bytes
        codec.decode(tmp_path / "out.vqt", tmp_path / "frames")
        assert len(pictures(tmp_path / "frames")) == 11
        codec.decode(tmp_path / "plain.vqt", tmp_path / "same")  # encoded before there was one
        np.testing.assert_array_equal(pictures(tmp_path / "same"), pictures(tmp_path / "frames"))
        with pytest.raises(CheckpointError, match="need it: remove it to learn another"):
            check_no_prior(plain)
        with pytest.raises(DataError, match=f"prior {prior_id(prior).hex()}"):
            without.decode(tmp_path / "out.vqt", tmp_path / "out.mp4")
        (plain.folder / PRIOR_FILE).write_bytes(b"damaged")
        with pytest.raises(CheckpointError, match="learn it again"):
            VideoCodec(plain)
    finally:
        (plain.folder / PRIOR_FILE).unlink()


def test_what_is_no_video_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    codec: VideoCodec = VideoCodec(tokenizer("image"))
    for name in ("text.mp4", "missing.mp4", "."):
        with pytest.raises(DataError, match="cannot read video"):
            codec.encode(tmp_path / name, tmp_path / "out.vqt")
    with pytest.raises(DataError, match=r"cannot decode .*missing.vqt: No such file"):
        codec.decode(tmp_path / "missing.vqt", tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


def test_chunks_larger_than_any_encoders_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    codec = VideoCodec(tokenizer("image"))
    shape = codec._shape(1024, 1024)
    shape = replace(shape, chunk_frames=2000 * shape.batch_frames)
    with (tmp_path / "huge.vqt").open("wb") as stream:
        writer = BitstreamWriter(stream, codec._header(shape, 10.0))
        writer.write_chunk(shape.chunk_frames, b"")
        writer.finish()
    with pytest.raises(DataError, match="too large"):
        codec.decode(tmp_path / "huge.vqt", tmp_path / "out.mp4")


def test_frames_too_large_for_tiles(tmp_path: Path) -> None:
    loaded: LoadedTokenizer = tokenizer("clip")
    with pytest.raises(DataError, match="too large"):
        VideoCodec(loaded)._shape(40000, 40000)
