"""The token store: its layout, and reading it. See docs/formats.md for the files.

It has the shards of the frame store that it was made from, row for row: `tokens-00003.npy` are the tokens of
`frames-00003.npy`. `metadata.json` is written last: a folder without it is incomplete.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from vqtool.core.atomic import explained_refusals
from vqtool.data.store import CLIPS_FILE, UNFINISHED_FILE, Clip, Split, SplitCounts, count_splits, parse_clip
from vqtool.errors import DataError

VERSION = 1
METADATA_FILE = "metadata.json"
CODEBOOK_FILE = "codebook.npy"

TokenArray: TypeAlias = NDArray[np.unsignedinteger[Any]]
Rows: TypeAlias = NDArray[np.float32]
TokenContents = Literal["tokens", "context", "states", "actions"]


@dataclass(frozen=True)
class TokenClip(Clip):
    """One camera video: a row of `clips.csv`.

    Its context are the rows `context_start` to `context_start + context_length` of the shard's context; both are 0, and
    no columns of the file, where the tokenizer has no context.
    """

    context_start: int = 0
    context_length: int = 0


@dataclass(frozen=True)
class TokenShard:
    """A shard's frames, its grids of context, and the SHA-256 of each of its files by name."""

    frames: int
    segments: int
    sha256: dict[str, str]


@dataclass(frozen=True)
class TokenStoreInfo:
    """`metadata.json`.

    `tokenizer_sha256` says whose tokens these are, and `checkpoint` where that tokenizer was, as the user named it.
    `codebook_size` is K, the sum of `codebook_sizes`; `grid` the rows and columns of a frame's tokens. `segment_frames`
    frames share a grid `context_grid` of the context, counted from the first frame of a clip; 0 and None without one.
    `frames_sha256` is that of the `dataset.json` of the frame store; `precision` what the encoder computed in,
    `search_steps` how long better tokens than the encoder's own were looked for.
    """

    version: int
    vqtool_version: str
    tokenizer_sha256: str
    checkpoint: str
    codebook_size: int
    codebook_sizes: tuple[int, ...]
    grid: tuple[int, int]
    token_dtype: Literal["uint16", "uint32"]
    segment_frames: int
    context_grid: tuple[int, int] | None
    resolution: int
    precision: str
    source: str
    frames_sha256: str
    splits: dict[Split, SplitCounts]
    state_dim: int
    action_dim: int
    shards: tuple[TokenShard, ...]
    sha256: dict[str, str]
    search_steps: int = 0

    def num_segments(self, num_frames: int) -> int:
        """Grids of context of a clip of this many frames."""
        return -(-num_frames // self.segment_frames) if self.segment_frames else 0

    def expected(self, contents: TokenContents, number: int) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """The type and the shape of a shard's file."""
        shard, dtype = self.shards[number], np.dtype(self.token_dtype).newbyteorder("<")
        match contents:
            case "tokens":
                return dtype, (shard.frames, *self.grid)
            case "context":
                return dtype, (shard.segments, *(self.context_grid or (0, 0)))
            case "states":
                return np.dtype("<f4"), (shard.frames, self.state_dim)
            case "actions":
                return np.dtype("<f4"), (shard.frames, self.action_dim)

    @property
    def contents(self) -> tuple[TokenContents, ...]:
        """The kinds of file that each shard has."""
        context: tuple[TokenContents, ...] = ("context",) if self.segment_frames else ()
        return "tokens", *context, "states", "actions"


class TokenStore:
    """A complete token store, memory-mapped: opening it reads the index, and tokens only when asked for."""

    def __init__(self, path: Path, info: TokenStoreInfo, clips: tuple[TokenClip, ...]) -> None:
        self.path = path
        self.info = info
        self.clips = clips
        self._arrays: dict[str, NDArray[Any]] = {}

    @classmethod
    def open(cls, path: Path) -> "TokenStore":
        """Open the store in the folder `path`.

        Raises:
            DataError: missing, incomplete, foreign or damaged; says what to run.
        """
        info = read_token_info(path)
        store = cls(path, info, read_token_clips(path, info))
        for number in range(len(info.shards)):
            for contents in info.contents:
                store.array(contents, number)
        return store

    def split(self, name: Split) -> list[TokenClip]:
        """The clips of one split, in the order of the store."""
        return [clip for clip in self.clips if clip.split == name]

    def tokens(self, clip: TokenClip) -> TokenArray:
        """A clip's tokens (T, h, w), a view."""
        return self.array("tokens", clip.shard)[clip.start : clip.start + clip.length]

    def context(self, clip: TokenClip) -> TokenArray | None:
        """A clip's context (S, hc, wc), a view; None where the tokenizer has none."""
        if not self.info.segment_frames:
            return None
        return self.array("context", clip.shard)[clip.context_start : clip.context_start + clip.context_length]

    def codebook(self) -> Rows:
        """The code of each token, float32 (K, D)."""
        return np.asarray(self._load(CODEBOOK_FILE))

    def array(self, contents: TokenContents, number: int) -> NDArray[Any]:
        """All rows of a shard's file, memory-mapped, read-only.

        Raises:
            DataError: the file is gone or not of the shape that the index says.
        """
        file = token_file(contents, number)
        if file not in self._arrays:
            array = self._load(file)
            if (array.dtype, array.shape) != self.info.expected(contents, number):
                dtype, shape = self.info.expected(contents, number)
                raise damaged(self.path / file, f"it holds {array.dtype} {array.shape}, expected {dtype} {shape}")
            self._arrays[file] = array
        return self._arrays[file]

    def _load(self, file: str) -> NDArray[Any]:
        try:
            with explained_refusals(DataError):
                return np.asarray(np.load(self.path / file, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise damaged(self.path / file, str(error)) from error


def token_file(contents: TokenContents, number: int) -> str:
    """The file name of a shard: `tokens-00000.npy`."""
    return f"{contents}-{number:05d}.npy"


def read_token_info(path: Path) -> TokenStoreInfo:
    """The `metadata.json` of the token store in the folder `path`.

    Raises:
        DataError: missing, incomplete, foreign or damaged; says what to run.
    """
    file = path / METADATA_FILE
    advice = f"make one with: vqtool encode --checkpoint RUN --data STORE --output {path}"
    if not file.is_file():
        if (path / UNFINISHED_FILE).is_file():
            raise DataError(f"the token store {path} is incomplete: run the vqtool encode that writes it again")
        reason = f"it has no {METADATA_FILE}" if path.is_dir() else "there is no such folder"
        raise DataError(f"{path} is not a token store: {reason}; {advice}")
    try:
        with explained_refusals(DataError):
            content = file.read_bytes()
        version = TypeAdapter(dict[str, Any]).validate_json(content).get("version")
        if not isinstance(version, int):
            raise DataError(f"{path} is not a token store: its {METADATA_FILE} is not one of vqtool's; {advice}")
        if version != VERSION:
            raise DataError(
                f"{path} has token store version {version}; this vqtool reads version {VERSION}: encode again"
            )
        return TypeAdapter(TokenStoreInfo).validate_json(content)
    except (OSError, ValidationError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise damaged(file, detail) from error


def read_token_clips(path: Path, info: TokenStoreInfo) -> tuple[TokenClip, ...]:
    """The `clips.csv` of a token store; every clip and its context lie inside their shard.

    Raises:
        DataError: missing, damaged, or not the clips that `info` counts.
    """
    file = path / CLIPS_FILE
    try:
        with explained_refusals(DataError), file.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream, strict=True)
        if header != _columns(bool(info.segment_frames)):
            raise ValueError("its columns are not those of a token store")
        clips = tuple(_parse(row) for row in rows)
    except (OSError, ValueError, csv.Error) as error:
        raise damaged(file, str(error)) from error
    for clip in clips:
        if not _lies_inside(clip, info):
            raise damaged(file, f"the row of {clip.clip} lies outside the shards")
    if count_splits(clips) != info.splits:
        raise damaged(file, f"its clips are not those that {METADATA_FILE} counts")
    return clips


def token_clips_csv(clips: Sequence[TokenClip], with_context: bool) -> bytes:
    """The content of `clips.csv`: the frame store's columns, and the two of the context where there is one."""
    columns = _columns(with_context)
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(astuple(clip)[: len(columns)] for clip in clips)
    return text.getvalue().encode()


def damaged(file: Path, detail: str) -> DataError:
    """The mistake of a damaged file of a token store."""
    return DataError(f"the token store is damaged: {file}: {detail}; remove {file.parent} and encode again")


def _columns(with_context: bool) -> list[str]:
    return [column.name for column in fields(TokenClip if with_context else Clip)]


def _parse(row: Sequence[str]) -> TokenClip:
    width = len(fields(Clip))
    return TokenClip(*astuple(parse_clip(row[:width])), *map(int, row[width:]))


def _lies_inside(clip: TokenClip, info: TokenStoreInfo) -> bool:
    if not (0 <= clip.shard < len(info.shards) and clip.start >= 0 and clip.length > 0 and clip.context_start >= 0):
        return False
    shard = info.shards[clip.shard]
    return (
        clip.start + clip.length <= shard.frames
        and clip.context_length == info.num_segments(clip.length)
        and clip.context_start + clip.context_length <= shard.segments
    )
