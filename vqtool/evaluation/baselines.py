"""Reconstructors that cost nothing to learn, so that a score can be read: a static scene alone gives many dB."""

from collections.abc import Mapping

import torch
from torch import Tensor

from vqtool.core.tokenizers import Reconstruction
from vqtool.evaluation.evaluate import Reconstruct


def mean_frame(frames_BTCHW: Tensor) -> Reconstruction:
    """Every frame is the mean frame of its clip."""
    return _wrap(frames_BTCHW.mean(1, keepdim=True).expand_as(frames_BTCHW))


def copy_previous(frames_BTCHW: Tensor) -> Reconstruction:
    """Every frame is the one before it; the first, which has none before it, is the second."""
    if frames_BTCHW.shape[1] == 1:
        raise ValueError("copy_previous needs clips of at least two frames")
    return _wrap(torch.cat([frames_BTCHW[:, 1:2], frames_BTCHW[:, :-1]], dim=1))


def baselines_for(clip_frames: int) -> Mapping[str, Reconstruct]:
    """The baselines that mean something for clips of this length, by the name that tables show."""
    return {"mean frame": mean_frame, "copy previous": copy_previous} if clip_frames > 1 else {}


def _wrap(frames_BTCHW: Tensor) -> Reconstruction:
    zero = frames_BTCHW.new_zeros(())
    return Reconstruction(frames_BTCHW, None, zero, {}, zero.long())
