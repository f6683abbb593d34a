"""Many reconstructors in one loop: each as if alone, by any number of processes, and clips that are not finite."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from vqtool.core.distributed import Processes
from vqtool.core.metrics import build_metrics
from vqtool.core.metrics.psnr import Psnr
from vqtool.core.tokenizers import Reconstruction, Tokens
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.errors import VqtoolError
from vqtool.evaluation.baselines import copy_previous, mean_frame
from vqtool.evaluation.evaluate import Contender, Evaluation, evaluate, evaluate_all, window_name

CPU = torch.device("cpu")


@pytest.fixture
def windows(small_store: Path) -> Windows:
    return evaluation_windows(FrameStore.open(small_store), "train", 4)


def metrics() -> list:
    return build_metrics(["psnr", "flicker"])


def brightest(frames_BTCHW: torch.Tensor) -> Reconstruction:
    """Tokens that tell which frame is how bright, and the frame itself a little darker."""
    tokens = ((frames_BTCHW.mean(dim=(2, 3, 4)) + 1) * 8).long().clamp(0, 15)[..., None, None]
    loss = frames_BTCHW.mean()
    return Reconstruction(frames_BTCHW * 0.9, Tokens(tokens), loss, {"commitment": loss * 2}, loss.long())


def comparable(result: Evaluation) -> tuple:
    """All but the seconds."""
    return (
        result.scores, result.clip_scores, result.clip_names, result.num_frames, result.pixel_loss,
        result.quantizer_loss,
        result.quantizer_parts, None if result.usage is None else result.usage.counts.tolist(),
        None if result.tokens is None else result.tokens.frames_BTHW.tolist(),
        None if result.frame_psnr is None else result.frame_psnr.tolist(),
    )  # fmt: skip


def test_each_scores_as_if_it_were_alone(windows: Windows) -> None:
    contenders = [Contender("a", brightest, metrics(), 16), Contender("b", copy_previous, metrics())]
    first, second = evaluate_all(contenders, windows, CPU, 3)
    assert comparable(first) == comparable(evaluate(brightest, windows, metrics(), CPU, 3, 16))
    assert comparable(second) == comparable(evaluate(copy_previous, windows, metrics(), CPU, 3))
    assert 0 < first.reconstruct_seconds < first.seconds


class Together(Processes):
    """Several processes acted by one after the other: `gather` gives what all of them would have brought."""

    brought: ClassVar[dict] = {}

    def gather(self, value: object) -> list:
        self.brought[self.rank] = value
        return [self.brought.get(rank, value) for rank in range(self.size)]


@pytest.mark.parametrize("size", [2, 3, 50])
def test_shares_of_processes_add_up_to_the_last_bit(windows: Windows, size: int) -> None:
    alone = evaluate_all([Contender("a", brightest, metrics(), 16)], windows, CPU, 2, keep_details=True)[0]
    Together.brought = {}
    for rank in range(size):
        contender = Contender("a", brightest, metrics(), 16)
        if rank < size - 1:
            part = Together(rank, size)
            part.together(lambda part=part, contender=contender: tally(part, contender, windows))
        else:
            merged = evaluate_all([contender], windows, CPU, 2, processes=Together(rank, size), keep_details=True)[0]
    assert comparable(merged) == comparable(alone)


def tally(part: Processes, contender: Contender, windows: Windows) -> list:
    from vqtool.evaluation.evaluate import _tally_share

    return _tally_share([contender], windows, CPU, 2, None, part, True)


class Detailed(Psnr):
    def details(self) -> dict[str, float]:
        return {"extra": 1.0}


def test_what_moves_is_scored_beside_the_context_alone(windows: Windows) -> None:
    def over_its_context(frames_BTCHW: torch.Tensor) -> Reconstruction:
        context = frames_BTCHW.mean(dim=1, keepdim=True).expand_as(frames_BTCHW)
        zero = frames_BTCHW.new_zeros(())
        half = (frames_BTCHW + context) / 2
        return Reconstruction(half, None, zero, {}, zero.long(), context_BTCHW=context)

    moving = [build_metrics(["psnr_moving"]), build_metrics(["psnr_moving"])]
    ours, still = evaluate_all(
        [Contender("half way", over_its_context, moving[0]), Contender("mean frame", mean_frame, moving[1])],
        windows, CPU, 2,
    )  # fmt: skip
    assert ours.moving_psnr == pytest.approx((ours.scores["psnr_moving"], still.scores["psnr_moving"]), rel=1e-5)
    assert ours.moving_psnr[0] > ours.moving_psnr[1] + 5
    assert still.moving_psnr is None


def test_details_are_kept_only_where_asked_for(windows: Windows) -> None:
    plain = evaluate(brightest, windows, [Detailed()], CPU, 2, 16)
    assert plain.tokens is None
    assert plain.frame_psnr is None
    contenders = [Contender("a", brightest, [Detailed()], 16), Contender("b", mean_frame, metrics())]
    kept, baseline = evaluate_all(contenders, windows, CPU, 2, keep_details=True)
    assert baseline.tokens is baseline.frame_psnr is None
    assert kept.tokens is not None
    assert kept.frame_psnr is not None
    assert kept.details == plain.details == {"psnr": {"extra": 1.0}}
    assert kept.tokens.frames_BTHW.shape == (len(windows), 4, 1, 1)
    np.testing.assert_allclose(kept.frame_psnr.mean(dim=1), kept.clip_scores["psnr"], rtol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_pixels_that_are_not_finite_name_the_clip_and_the_model(windows: Windows, value: float) -> None:
    seen = 0

    def breaks(frames_BTCHW: torch.Tensor) -> Reconstruction:
        nonlocal seen
        result, here = mean_frame(frames_BTCHW), range(seen, seen + len(frames_BTCHW))
        seen += len(frames_BTCHW)
        if 4 not in here:
            return result
        frames = result.frames_BTCHW.clone()
        frames[here.index(4), 1, 2, 5, 5] = value
        return replace(result, frames_BTCHW=frames)

    contenders = [Contender("fine", mean_frame, metrics()), Contender("broken", breaks, metrics())]
    with pytest.raises(VqtoolError) as caught:
        evaluate_all(contenders, windows, CPU, 3)
    assert f"clip {window_name(windows, 4)} (broken)" in str(caught.value)
