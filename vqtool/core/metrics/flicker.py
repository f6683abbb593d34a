"""Temporal flicker: how much the error itself changes from one frame to the next."""

from torch import Tensor

from vqtool.core.metrics.base import ClipMetric


def flicker(real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
    """Flicker of each clip, (B,), grey levels of 255, lower is steadier; pixels in [0, 1], at least two frames.

    With the error e_t = fake_t - real_t it is 255 times the mean of |e_t - e_(t-1)| over pixels, channels and the
    T - 1 pairs of consecutive frames. An error that stays where it is (a blurred still background) does not flicker;
    one that comes and goes does, which PSNR cannot tell apart.
    """
    error_BTCHW = fake_BTCHW - real_BTCHW
    return error_BTCHW.diff(dim=1).abs_().flatten(1).mean(dim=1) * 255


class Flicker(ClipMetric):
    """Temporal flicker: 0 for an error that does not change; a still picture scores the motion of the clip.

    Single frames have no flicker, rather than the best: clips of one frame are refused.
    """

    name = "flicker"
    unit = "levels"
    higher_is_better = False
    min_frames = 2

    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """Flicker of each clip, (B,)."""
        return flicker(real_BTCHW, fake_BTCHW)
