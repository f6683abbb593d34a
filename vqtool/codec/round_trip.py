"""Whether a token store holds what its tokenizer gives: a batch of it, read back and decoded."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqtool.codec.plan import Batch
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.tokenizers import Tokens
from vqtool.data.token_store import TokenContents, token_file
from vqtool.errors import DataError


def check_round_trip(tokenizer: LoadedTokenizer, frames_BTCHW: Tensor, batch: Batch, folder: Path) -> None:
    """Compare the stored tokens of a batch and what they decode to with the model's own pass over these frames.

    Raises:
        DataError: either is not exactly the same.
    """
    stored = read_batch(batch, folder, tokenizer)
    expected = tokenizer.reconstruct_clips(frames_BTCHW)
    assert expected.tokens is not None
    wanted = expected.tokens.parts()
    place = f"shard {batch[0].shard} from frame {batch[0].row} on"
    if not all(torch.equal(part, wanted[name]) for name, part in stored.parts().items()):
        raise DataError(
            f"the tokens in {folder} (checked in {place}) are not those that the tokenizer gives now: give all "
            f"processes of a job the same hardware and number of threads, remove {folder} and encode again"
        )
    if not torch.equal(tokenizer.decode_clips(stored), expected.frames_BTCHW):
        raise DataError(
            f"the tokens in {folder} (checked in {place}) do not decode to the model's own reconstruction: its decoder "
            "is not deterministic on this device; try --device cpu"
        )


def read_batch(batch: Batch, folder: Path, tokenizer: LoadedTokenizer) -> Tokens:
    """The stored tokens of a batch, int64 on the tokenizer's device."""

    def rows(contents: TokenContents, shard: int, first: int, count: int) -> Tensor:
        array = np.load(folder / token_file(contents, shard), mmap_mode="r", allow_pickle=False)
        return torch.from_numpy(array[first : first + count].astype(np.int64))

    segments = tokenizer.layout.num_segments(batch[0].length)
    frames = torch.stack([rows("tokens", piece.shard, piece.row, piece.length) for piece in batch])
    context = [rows("context", piece.shard, piece.context_row, segments) for piece in batch if segments]
    device = tokenizer.device
    return Tokens(frames.to(device), torch.stack(context).to(device) if context else None)
