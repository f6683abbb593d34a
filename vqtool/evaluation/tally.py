"""What is known of one reconstructor after some batches: plain data, which processes send each other."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor

from vqtool.core.config import PixelKind
from vqtool.core.losses.reconstruction import pixel_loss
from vqtool.core.metrics.base import State, to_8bit_grid
from vqtool.core.metrics.codebook import CodebookUsage
from vqtool.core.metrics.moving import masked_psnr, moving_pixels
from vqtool.core.metrics.psnr import psnr
from vqtool.core.tokenizers import Reconstruction, Tokens


class Tally:
    """Scores, losses and tokens of the clips so far, in their order.

    loss_sums: a sum over clips a batch, by name. seconds: spent in the reconstructor. states: of the metrics, filled by
    who owns them. frame_psnr (B, T) and tokens: a batch each, where details are kept. moving_psnr (2, B): of
    the moving pixels, dB, of the reconstruction and of its context alone, where it has one.
    """

    def __init__(self, codebook_size: int = 0, keep_details: bool = False, pixel_kind: PixelKind = "l1") -> None:
        self.usage = CodebookUsage(codebook_size) if codebook_size else None
        self.clip_scores: dict[str, list[float]] = {}
        self.loss_sums: defaultdict[str, list[float]] = defaultdict(list)
        self.seconds = 0.0
        self.states: dict[str, State] = {}
        self.frame_psnr: list[Tensor] = []
        self.tokens: list[Tokens] = []
        self.moving_psnr: list[Tensor] = []
        self._keep_details = keep_details
        self._pixel_kind = pixel_kind

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The tally of all clips of `parts`, in their order; `seconds` is that of the slowest, `states` stay apart."""
        if len(parts) == 1:
            return parts[0]
        whole = cls()
        whole.usage = parts[0].usage
        if whole.usage is not None:
            whole.usage.merge([part.usage for part in parts[1:] if part.usage is not None])
        for part in parts:
            for name, scores in part.clip_scores.items():
                whole.clip_scores.setdefault(name, []).extend(scores)
            for name, sums in part.loss_sums.items():
                whole.loss_sums[name] += sums
            whole.frame_psnr += part.frame_psnr
            whole.tokens += part.tokens
            whole.moving_psnr += part.moving_psnr
        whole.seconds = max(part.seconds for part in parts)
        return whole

    @contextmanager
    def clock(self, device: torch.device) -> Iterator[None]:
        """Count the seconds of the block, and of the work that it queues on a GPU."""
        _wait_for(device)
        started = time.monotonic()
        yield
        _wait_for(device)
        self.seconds += time.monotonic() - started

    def add(self, real_BTCHW: Tensor, result: Reconstruction, real_grid: Tensor, fake_grid: Tensor) -> None:
        """Count a batch: its losses in [-1, 1], its tokens and, where details are kept, each frame's PSNR."""
        num_clips, num_frames = real_BTCHW.shape[:2]
        pixel = pixel_loss(real_BTCHW, result.frames_BTCHW, self._pixel_kind)
        losses = {"pixel": pixel, "quantizer": result.quantizer_loss}
        for name, value in (losses | result.quantizer_parts).items():
            self.loss_sums[name].append(float(value) * num_clips)
        if self.usage is not None and result.tokens is not None:
            self.usage.update(result.tokens.of_clips())
            if self._keep_details:
                self.tokens.append(result.tokens.stored())
        if result.context_BTCHW is not None and num_frames > 1:
            context_grid = to_8bit_grid(result.context_BTCHW)
            moving_BTHW = moving_pixels(real_grid, real_grid.mean(dim=1))
            pair = [masked_psnr(real_grid, grid, moving_BTHW) for grid in (fake_grid, context_grid)]
            self.moving_psnr.append(torch.stack(pair).cpu())
        if self._keep_details:
            frame_psnr = psnr(real_grid.flatten(0, 1), fake_grid.flatten(0, 1))
            self.frame_psnr.append(frame_psnr.view(num_clips, num_frames).cpu())

    def add_scores(self, metric: str, scores_B: Tensor | None) -> None:
        """Count a metric's scores of a batch, None where only a set of clips has one."""
        if scores_B is not None:
            self.clip_scores.setdefault(metric, []).extend(scores_B.tolist())


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
