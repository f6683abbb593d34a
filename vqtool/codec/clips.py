"""What a user gives, checked once and brought into the tokenizer's form: clips of frames, clips of tokens."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqtool.core.frames import MIDDLE, to_model
from vqtool.core.tokenizers import Tokens
from vqtool.errors import DataError

A = TypeVar("A")

FLOAT_SLACK = 1e-3
"""How far beyond [-1, 1] float frames may reach: what rounding in half precision adds."""
_EXPECTED = "expected uint8 RGB (T, H, W, 3) or (B, T, H, W, 3) as numpy or torch, or torch floats (B, T, 3, H, W)"


@dataclass(frozen=True)
class ClipTokens(Generic[A]):
    """The tokens of a tokenizer with a context, int64, numpy or torch.

    frames: those of each frame, (T, h, w) or (B, T, h, w). context: those that the frames of each segment share,
    (S, hc, wc) or (B, S, hc, wc).
    """

    frames: A
    context: A


def check_frames(frames: Any, resolution: int) -> None:
    """Raises DataError where `frames` are not clips of `resolution` x `resolution` pixels; says what they are."""
    if not isinstance(frames, np.ndarray | Tensor):
        raise DataError(f"frames are a {type(frames).__name__}: {_EXPECTED}")
    floats = isinstance(frames, Tensor) and frames.is_floating_point()
    found = f"frames are {str(frames.dtype).removeprefix('torch.')} {tuple(frames.shape)}"
    if not floats and frames.dtype not in (np.uint8, torch.uint8):
        raise DataError(f"{found}: {_EXPECTED}")
    if frames.ndim not in (4, 5) or frames.shape[-3 if floats else -1] != 3:
        raise DataError(f"{found}: {_EXPECTED}")
    if 0 in frames.shape:
        raise DataError(f"{found}: there is no frame to encode")
    height, width = frames.shape[-2:] if floats else frames.shape[-3:-1]
    if (height, width) != (resolution, resolution):
        raise DataError(
            f"frames are {height} x {width} pixels, this tokenizer's are {resolution} x {resolution}: "
            f"resize them first, for example by vqtool.data.resize.resize(frames, {resolution}, {resolution})"
        )


def frames_to_model(frames: NDArray[np.uint8] | Tensor, resolution: int, device: torch.device) -> Tensor:
    """Clips in any accepted form -> float32 (B, T, 3, R, R) in [-1, 1] on `device`; one clip becomes a batch of one.

    Raises:
        DataError: another type, size or range.
    """
    check_frames(frames, resolution)
    if isinstance(frames, np.ndarray):
        return to_model(frames if frames.ndim == 5 else frames[None], device)
    batch = (frames if frames.ndim == 5 else frames[None]).detach().to(device)
    if not batch.is_floating_point():
        return batch.movedim(-1, 2).to(torch.float32).sub_(MIDDLE).mul_(1 / MIDDLE)
    low, high = (float(extreme) for extreme in torch.aminmax(batch))
    if not -1 - FLOAT_SLACK <= low <= high <= 1 + FLOAT_SLACK:
        raise DataError(
            f"float frames must be in [-1, 1], these reach from {low:g} to {high:g}: uint8 pixels / 127.5 - 1 are"
        )
    return batch.to(torch.float32)


def tokens_to_model(tokens: Any, device: torch.device) -> tuple[Tokens, bool, torch.device | None]:
    """Tokens in any accepted form -> (`Tokens` on `device`, whether they were a batch, where they came from).

    They came from None where they are numpy.

    Raises:
        DataError: another type.
    """
    context = tokens.context if isinstance(tokens, ClipTokens) else None
    frames = tokens.frames if isinstance(tokens, ClipTokens) else tokens
    frames_N = _integers(frames, "tokens", device)
    context_N = None if context is None else _integers(context, "context tokens", device)
    batched = frames_N.ndim == 4
    if context_N is not None and context_N.ndim != frames_N.ndim:
        raise DataError(f"tokens have {frames_N.ndim} axes and their context {context_N.ndim}: both are of clips")
    if not batched:
        frames_N, context_N = frames_N[None], None if context_N is None else context_N[None]
    return Tokens(frames_N, context_N), batched, frames.device if isinstance(frames, Tensor) else None


def _integers(tokens: Any, what: str, device: torch.device) -> Tensor:
    """int64 on `device`, of three or four axes."""
    if not isinstance(tokens, np.ndarray | Tensor):
        raise DataError(f"{what} are a {type(tokens).__name__}: expected integers (T, h, w) or (B, T, h, w)")
    found = f"{what} are {str(tokens.dtype).removeprefix('torch.')} {tuple(tokens.shape)}"
    if isinstance(tokens, np.ndarray):
        whole = np.issubdtype(tokens.dtype, np.integer)
    else:
        whole = not (tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool)
    if not whole or tokens.ndim not in (3, 4) or 0 in tokens.shape:
        raise DataError(f"{found}: expected integers (T, h, w) or (B, T, h, w), as encode gives them")
    if isinstance(tokens, np.ndarray):
        return torch.from_numpy(tokens.astype(np.int64)).to(device)
    return tokens.to(device, torch.int64)
