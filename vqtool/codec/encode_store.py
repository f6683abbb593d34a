"""A whole frame store as tokens, by one process or several, from the start or from where an interrupted one got to."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vqtool import __version__
from vqtool.codec.plan import Batch, num_frames, place_context, plan_clips, plan_frames
from vqtool.codec.round_trip import check_round_trip
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.atomic import explained_os_errors, sync, write_atomic
from vqtool.core.distributed import Processes
from vqtool.core.frames import FrameMemory, to_model
from vqtool.core.tokenizers import Tokens
from vqtool.data.selection import Selection
from vqtool.data.store import CLIPS_FILE, DATASET_FILE, FrameStore, file_sha256
from vqtool.data.token_store import (
    CODEBOOK_FILE,
    METADATA_FILE,
    VERSION,
    TokenShard,
    TokenStoreInfo,
    read_token_info,
    token_clips_csv,
    token_file,
)
from vqtool.data.token_writer import COMMIT_SECONDS, Arrays, TokenFolder, TokenRows, batches_done, npy_header
from vqtool.errors import DataError

Advance = Callable[[int, int], None]

BATCH_FRAMES = {"cpu": 64, "cuda": 512}
"""Frames that are encoded at once, by type of device."""
LARGEST_UINT16 = 1 << 16
"""The largest codebook whose tokens are stored in two bytes."""


@dataclass(frozen=True)
class EncodedStore:
    """A finished token store: what it is, how many frames this job and earlier attempts encoded, and its seconds."""

    path: Path
    info: TokenStoreInfo
    num_frames: int
    num_resumed_frames: int
    seconds: float

    @property
    def frames_per_second(self) -> float:
        """Of this attempt."""
        return self.num_frames / max(self.seconds, 1e-9)


class StoreEncoder:
    """One job: a tokenizer, a frame store and the folder for its tokens. `run` does it.

    The batches, and with them every byte of the result, depend on the tokenizer, the store, the type of device and its
    precision, and `batch_frames` only: not on the number of processes nor on interruptions.

    Args:
        tokenizer: Whose tokens.
        store: The frames; of the tokenizer's resolution.
        output: Folder to write; absent, empty, or what an interrupted job of the same kind left.
        checkpoint: What the user called the tokenizer; goes into the metadata.
        batch_frames: Frames at once; default by the type of device.
        commit_seconds: Between two moments when everything done is on the disk.

    Raises:
        DataError: frames of another size, or none.
    """

    def __init__(
        self,
        tokenizer: LoadedTokenizer,
        store: FrameStore,
        output: Path,
        checkpoint: str,
        batch_frames: int | None = None,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        if store.info.size != tokenizer.resolution:
            raise DataError(
                f"frames of {store.path} are {store.info.size} pixels wide, the tokenizer's {tokenizer.resolution}: "
                f"preprocess with --size {tokenizer.resolution}, or use a tokenizer of that size"
            )
        if not store.clips:
            raise DataError(f"{store.path} has no clip: there is nothing to encode")
        self.tokenizer, self.store, self.output = tokenizer, store, output
        self._checkpoint = checkpoint
        self._commit_seconds = commit_seconds
        self._batch_frames = batch_frames or BATCH_FRAMES[tokenizer.device.type]
        self._search_steps = tokenizer.search.num_steps if tokenizer.search else 0
        layout, frames = tokenizer.layout, [shard.frames for shard in store.info.shards]
        self._clips = place_context(store, layout.segment_frames)
        if layout.context_grid is None:
            self.batches = plan_frames(frames, self._batch_frames)
        else:
            self.batches = plan_clips(self._clips, layout.segment_frames, self._batch_frames)
        self._info = self._describe()
        self._arrays: Arrays = {
            token_file(contents, number): self._info.expected(contents, number)
            for number in range(len(frames))
            for contents in self._info.contents
            if contents in ("tokens", "context")
        }

    def run(self, advance: Advance | None = None, processes: Processes | None = None) -> EncodedStore:
        """Encode what is not yet done, and complete the store.

        Args:
            advance: Called with (frames done, frames) of this process's share.
            processes: Those that share the work; default this one alone. All give the same result.

        Raises:
            DataError: the output holds something else; the store is damaged; the tokens that were stored are not what
                the tokenizer gives.
            VqtoolError: no space left, or the folder cannot be written.
        """
        processes = processes or Processes()
        started = time.monotonic()
        with ExitStack() as stack:
            folder = TokenFolder(self.output, self._arrays, self._fingerprint())
            # Only the main process has the folder; the others hear from it which batches there are to do.
            entered = processes.together(lambda: _enter(stack, folder) if processes.is_main else None)[0]
            if entered is not None:
                pending = [number for number in range(len(self.batches)) if number not in entered]
                mine = [pending[index] for index in processes.share(len(pending))]
                processes.together(lambda: self._encode(mine, processes.rank, advance))
                processes.together(lambda: self._finish(folder) if processes.is_main else None)
        resumed = sum(num_frames(self.batches[number]) for number in entered or ())
        done = self.num_frames - resumed if entered is not None else 0
        return EncodedStore(self.output, read_token_info(self.output), done, resumed, time.monotonic() - started)

    @property
    def num_frames(self) -> int:
        """All frames of the store."""
        return sum(num_frames(batch) for batch in self.batches)

    def num_kept_frames(self) -> int:
        """Frames whose tokens are in the output to stay, of this attempt and earlier ones."""
        if (self.output / METADATA_FILE).is_file():
            return self.num_frames
        return sum(num_frames(self.batches[number]) for number in batches_done(self.output))

    def tokens_of(self, numbers: Sequence[int]) -> Iterator[tuple[int, Tokens]]:
        """The tokens of each of the batches, on the CPU; the device works on the next batch meanwhile."""
        memory = FrameMemory()
        before: tuple[int, Tokens] | None = None
        for number in numbers:
            tokens = self.tokenizer.encode_clips(self._frames(self.batches[number], memory))
            if before is not None:
                yield before[0], before[1].stored()
            before = number, tokens
        if before is not None:
            yield before[0], before[1].stored()

    def _frames(self, batch: Batch, memory: FrameMemory | None = None) -> torch.Tensor:
        rows = np.array([range(piece.row, piece.row + piece.length) for piece in batch], dtype=np.int64)
        shards = np.array([piece.shard for piece in batch], dtype=np.int64)
        return to_model(Selection(self.store, shards, rows), self.tokenizer.device, memory)

    def _encode(self, numbers: Sequence[int], rank: int, advance: Advance | None) -> None:
        total, done = sum(num_frames(self.batches[number]) for number in numbers), 0
        with TokenRows(self.output, self._arrays, rank, self._commit_seconds) as rows:
            for number, tokens in self.tokens_of(numbers):
                for position, piece in enumerate(self.batches[number]):
                    rows.write(token_file("tokens", piece.shard), piece.row, tokens.frames_BTHW[position].numpy())
                    if tokens.context_BSHW is not None:
                        context = tokens.context_BSHW[position].numpy()
                        rows.write(token_file("context", piece.shard), piece.context_row, context)
                rows.record(number)
                done += num_frames(self.batches[number])
                if advance is not None:
                    advance(done, total)

    def _finish(self, folder: TokenFolder) -> None:
        """Check, carry over what belongs to the frames, and write the metadata."""
        checked = self.batches[len(self.batches) // 2]
        check_round_trip(self.tokenizer, self._frames(checked), checked, self.output)
        index = token_clips_csv(self._clips, bool(self._info.segment_frames))
        write_atomic(self.output / CLIPS_FILE, index)
        codes = np.ascontiguousarray(self.tokenizer.codebook(), dtype="<f4")
        write_atomic(self.output / CODEBOOK_FILE, npy_header(codes.dtype, codes.shape) + codes.tobytes())
        with explained_os_errors(self.output):
            self._carry_over()
        record = asdict(self._info)
        for number, shard in enumerate(record["shards"]):
            files = [token_file(contents, number) for contents in self._info.contents]
            shard["sha256"] = {file: file_sha256(self.output / file) for file in files}
        record["sha256"] = {file: file_sha256(self.output / file) for file in (CLIPS_FILE, CODEBOOK_FILE)}
        folder.complete(json.dumps(record, indent=2) + "\n")

    def _carry_over(self) -> None:
        """Copy states and actions, shard by shard; what was copied is what the frame store says it holds."""
        for number, shard in enumerate(self.store.info.shards):
            for file in (token_file("states", number), token_file("actions", number)):
                there = (self.store.path / file).is_file()
                if there:
                    shutil.copyfile(self.store.path / file, self.output / file)
                    sync(self.output / file)
                if not there or file_sha256(self.output / file) != shard.sha256.get(file):
                    raise DataError(
                        f"{self.store.path / file} is {'damaged' if there else 'gone'}: vqtool data verify "
                        f"{self.store.path} names what is; repair it, then run the same command again"
                    )

    def _describe(self) -> TokenStoreInfo:
        """The metadata, without the checksums of files that are still to be written."""
        model, layout, store = self.tokenizer.model, self.tokenizer.layout, self.store.info
        segments = [0] * len(store.shards)
        for clip in self._clips:
            segments[clip.shard] += clip.context_length
        return TokenStoreInfo(
            version=VERSION,
            vqtool_version=__version__,
            tokenizer_sha256=self.tokenizer.sha256,
            checkpoint=self._checkpoint,
            codebook_size=model.codebook_size,
            codebook_sizes=model.codebook_sizes,
            grid=layout.grid,
            token_dtype="uint16" if model.codebook_size <= LARGEST_UINT16 else "uint32",
            segment_frames=layout.segment_frames,
            context_grid=layout.context_grid,
            resolution=model.resolution,
            precision=str(self.tokenizer.precision).removeprefix("torch."),
            source=store.source,
            frames_sha256=file_sha256(self.store.path / DATASET_FILE),
            splits=store.splits,
            state_dim=store.state_dim,
            action_dim=store.action_dim,
            shards=tuple(
                TokenShard(shard.frames, count, {}) for shard, count in zip(store.shards, segments, strict=True)
            ),
            sha256={},
            search_steps=self._search_steps,
        )

    def _fingerprint(self) -> dict[str, Any]:
        """Whatever decides the bytes of the store."""
        plan = hashlib.sha256(repr(self.batches).encode()).hexdigest()
        return {
            "tokenizer": self._info.tokenizer_sha256[:16],
            "frame store": self._info.frames_sha256[:16],
            "device": self.tokenizer.device.type,
            "precision": self._info.precision,
            "frames at once": self._batch_frames,
            "search steps": self._search_steps,
            "batches": plan[:16],
            "vqtool": __version__,
        }


def _enter(stack: ExitStack, folder: TokenFolder) -> frozenset[int] | None:
    """The batches that are done already; None where the store was complete and is now tidied up."""
    stack.enter_context(folder)
    if folder.is_complete:
        folder.tidy()
        return None
    return folder.done
