"""A trained tokenizer as a library: frames to tokens and back, on numpy arrays and torch tensors."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqtool.codec.clips import ClipTokens, frames_to_model, tokens_to_model
from vqtool.codec.codebook import codebook_of
from vqtool.core.checkpoint import load_model
from vqtool.core.config import Config
from vqtool.core.device import autocast, choose_device, choose_precision
from vqtool.core.frames import to_uint8
from vqtool.core.identity import tokenizer_sha256
from vqtool.core.search import TokenSearch
from vqtool.core.tokenizers import Reconstruction, Tokenizer, Tokens
from vqtool.errors import DataError
from vqtool.runs.checkpoints import find_checkpoint
from vqtool.weights.networks import load_lpips

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TokenLayout:
    """The shapes of a tokenizer's tokens.

    grid: rows and columns of a frame's tokens. segment_frames: frames that share a grid of the context, counted from
    the first frame of a clip, and context_grid: its rows and columns; 0 and None where every frame stands alone. Each
    segment is encoded and decoded by itself; the last one of a clip may be shorter.
    """

    grid: tuple[int, int]
    segment_frames: int = 0
    context_grid: tuple[int, int] | None = None

    def num_segments(self, num_frames: int) -> int:
        """Segments of a clip of this many frames; 0 without a context."""
        return -(-num_frames // self.segment_frames) if self.segment_frames else 0


class LoadedTokenizer:
    """A trained tokenizer; `vqtool.load` makes one.

    Nothing is drawn at random: the same input gives the same tokens, and `decode(encode(x))` is exactly the
    reconstruction that the model itself gives for x. It computes in the precision that the model was trained and is
    scored in. All frames of a call are computed at once: give long videos in parts (with a context, in parts of whole
    segments).

    With a `search` tokens are those that it finds, and reconstructions what these decode to.
    """

    def __init__(
        self, model: Tokenizer, config: Config, folder: Path, precision: torch.dtype, search: TokenSearch | None = None
    ) -> None:
        self.model = model
        self.config = config
        self.folder = folder
        self.precision = precision
        self.search = search

    @property
    def resolution(self) -> int:
        """Height and width of a frame, pixels."""
        return self.model.resolution

    @property
    def codebook_size(self) -> int:
        """Number of different tokens, K."""
        return self.model.codebook_size

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.model.parameters()).device

    @cached_property
    def layout(self) -> TokenLayout:
        """The shapes of its tokens."""
        tokens = self.own_tokens(torch.zeros(1, 1, 3, self.resolution, self.resolution, device=self.device))
        _, _, *grid = tokens.frames_BTHW.shape
        if tokens.context_BSHW is None:
            return TokenLayout((grid[0], grid[1]))
        _, _, *context = tokens.context_BSHW.shape
        return TokenLayout((grid[0], grid[1]), self.model.segment_frames, (context[0], context[1]))

    @cached_property
    def sha256(self) -> str:
        """Which tokenizer it is: the same for a checkpoint and its published copy."""
        return tokenizer_sha256(self.folder)

    def codebook(self) -> NDArray[np.float32]:
        """The code of each token, float32 (K, D)."""
        return codebook_of(self.model)

    @overload
    def encode(self, frames: NDArray[np.uint8]) -> Integers | ClipTokens[Integers]: ...
    @overload
    def encode(self, frames: Tensor) -> Tensor | ClipTokens[Tensor]: ...
    def encode(self, frames: Any) -> Any:
        """Frames -> tokens, int64 in [0, K).

        Args:
            frames: A clip or a batch of clips of `resolution` x `resolution` pixels: uint8 RGB (T, H, W, 3) or
                (B, T, H, W, 3) as numpy or torch; or a torch float tensor (T, 3, H, W) or (B, T, 3, H, W) in [-1, 1].

        Returns:
            Tokens (T, h, w) or (B, T, h, w), numpy for numpy, else torch on the device of `frames`. With a context,
            a `ClipTokens` of these and of the context (S, hc, wc) or (B, S, hc, wc).

        Raises:
            DataError: frames of another type, size or range.
        """
        tokens = self.encode_clips(frames_to_model(frames, self.resolution, self.device))
        parts = [part if frames.ndim == 5 else part[0] for part in tokens.parts().values()]
        if isinstance(frames, Tensor):
            parts = [part.to(frames.device) for part in parts]
        shown: list[Any] = parts if isinstance(frames, Tensor) else [part.cpu().numpy() for part in parts]
        return shown[0] if tokens.context_BSHW is None else ClipTokens(shown[0], shown[1])

    @overload
    def decode(self, tokens: NDArray[np.integer] | ClipTokens[NDArray[np.integer]]) -> NDArray[np.uint8]: ...
    @overload
    def decode(self, tokens: Tensor | ClipTokens[Tensor]) -> Tensor: ...
    def decode(self, tokens: Any) -> Any:
        """Tokens -> frames.

        Args:
            tokens: What `encode` gives, of any integer type.

        Returns:
            uint8 RGB (T, H, W, 3) or (B, T, H, W, 3) for numpy tokens; for torch tokens float32 (T, 3, H, W) or
            (B, T, 3, H, W), about [-1, 1] (not clamped), on their device.

        Raises:
            DataError: tokens of another type, shape or codebook.
        """
        given, batched, origin = tokens_to_model(tokens, self.device)
        frames_BTCHW = self.decode_clips(given)
        if origin is not None:
            return (frames_BTCHW if batched else frames_BTCHW[0]).to(origin)
        frames = to_uint8(frames_BTCHW)
        return frames if batched else frames[0]

    def encode_clips(self, frames_BTCHW: Tensor) -> Tokens:
        """Float frames in [-1, 1] on its device -> tokens there."""
        return self.own_tokens(frames_BTCHW) if self.search is None else self.search.encode(frames_BTCHW)

    @torch.no_grad()
    def own_tokens(self, frames_BTCHW: Tensor) -> Tokens:
        """As `encode_clips`, but never looked for: the encoder's choice."""
        with autocast(self.device, self.precision):
            return self.model.encode(frames_BTCHW)

    @torch.no_grad()
    def decode_clips(self, tokens: Tokens) -> Tensor:
        """Tokens on its device -> float frames (B, T, 3, R, R), about [-1, 1] (not clamped), there.

        Raises:
            DataError: grids of another shape, or a token that is not in the codebook.
        """
        self._check_shapes(tokens)
        try:
            with autocast(self.device, self.precision):
                return self.model.decode(tokens)
        except ValueError as error:
            raise DataError(f"these tokens are not of this tokenizer: {error}") from error

    @torch.no_grad()
    def reconstruct_clips(self, frames_BTCHW: Tensor) -> Reconstruction:
        """Float frames in [-1, 1] on its device -> what the model itself makes of them, in one pass."""
        if self.search is not None:
            return self.search.reconstruct(frames_BTCHW)
        with autocast(self.device, self.precision):
            reconstruction: Reconstruction = self.model(frames_BTCHW)
        return reconstruction

    def _check_shapes(self, tokens: Tokens) -> None:
        layout = self.layout
        num_clips, num_frames, *grid = tokens.frames_BTHW.shape
        if tuple(grid) != layout.grid:
            raise DataError(
                f"tokens of a frame are {grid[0]} x {grid[1]}, this tokenizer's are {layout.grid[0]} x {layout.grid[1]}"
            )
        if layout.context_grid is None:
            if tokens.context_BSHW is not None:
                raise DataError("this tokenizer has no context: give its tokens alone")
            return
        expected = (num_clips, layout.num_segments(num_frames), *layout.context_grid)
        if tokens.context_BSHW is None:
            raise DataError(f"this tokenizer needs a context {expected[1:]} with these tokens: give the ClipTokens")
        if tuple(tokens.context_BSHW.shape) != expected:
            raise DataError(
                f"the context of {num_frames} frames is {expected[1:]} (a grid for every {layout.segment_frames} "
                f"frames), this one is {tuple(tokens.context_BSHW.shape[1:])}"
            )


def load(path: str | Path, device: str = "auto", search_steps: int = 0) -> LoadedTokenizer:
    """The tokenizer in a run folder, a checkpoint folder, `RUN:best-psnr` or a published folder.

    With `search_steps` it looks for better tokens than the encoder's own, by so many steps of gradient a frame; 0 is
    the encoder's own.

    Raises:
        CheckpointError: no checkpoint there, or a damaged one.
        ConfigError: no such device, or a search where frames depend on each other.
        WeightsError: the search needs LPIPS, which is not fetched yet.
    """
    return load_folder(find_checkpoint(str(path)), choose_device(device), search_steps)


def load_folder(folder: Path, device: torch.device, search_steps: int = 0) -> LoadedTokenizer:
    """The tokenizer of a checkpoint folder.

    Raises:
        CheckpointError: not a checkpoint, or a damaged one.
        ConfigError: a search where frames depend on each other.
        WeightsError: the search needs LPIPS, which is not fetched yet.
    """
    model, config = load_model(folder, device)
    precision = choose_precision(config.train.precision, device)
    search = TokenSearch(model, config.loss, search_steps, precision, load_lpips) if search_steps else None
    return LoadedTokenizer(model, config, folder, precision, search)
