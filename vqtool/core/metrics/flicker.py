"""Temporal flicker: how much the error itself changes from one frame to the next."""

from torch import Tensor

from vqtool.core.metrics.base import Metric


def flicker(real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
    """Flicker of each clip, (B,), grey levels of 255, lower is steadier; pixels in [0, 1].

    With the error e_t = fake_t - real_t it is 255 times the mean of |e_t - e_(t-1)| over pixels, channels and the
    T - 1 pairs of consecutive frames. An error that stays where it is (a blurred still background) does not flicker;
    one that comes and goes does, which PSNR cannot tell apart. A clip of one frame has no pair and scores 0.
    """
    if real_BTCHW.shape[1] == 1:
        return real_BTCHW.new_zeros(len(real_BTCHW))
    error_BTCHW = fake_BTCHW - real_BTCHW
    return error_BTCHW.diff(dim=1).abs_().flatten(1).mean(dim=1) * 255


class Flicker(Metric):
    """Temporal flicker, 0 for an error that does not change; the still mean frame scores the motion of the clip."""

    name = "flicker"
    unit = "levels"
    higher_is_better = False

    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """Flicker of each clip, (B,)."""
        return flicker(real_BTCHW, fake_BTCHW)
