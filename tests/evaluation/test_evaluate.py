"""Scores, baselines and pictures, against hand computations on the real-layout clips."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vqtool.core.frames import to_model, to_uint8
from vqtool.core.metrics import build_metrics
from vqtool.core.tokenizers import Reconstruction
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.evaluation.baselines import baselines_for, copy_previous, mean_frame
from vqtool.evaluation.evaluate import Contender, evaluate, evaluate_all
from vqtool.evaluation.pictures import error_map, side_by_side, stack_clips, strip

CPU = torch.device("cpu")


@pytest.fixture
def windows(small_store: Path) -> Windows:
    return evaluation_windows(FrameStore.open(small_store), "train", 4)


def darker(frames_BTCHW: torch.Tensor) -> Reconstruction:
    """Ten grey levels darker, and further from the 8-bit grid than rounding shows."""
    zero = torch.zeros(())
    return Reconstruction(frames_BTCHW - 20.4 / 255, None, zero, {}, zero.long())


def test_scores_are_those_of_the_pictures_a_user_would_save(windows: Windows) -> None:
    result = evaluate(darker, windows, build_metrics(["psnr"]), CPU, batch_size=3)
    real = windows.gather(np.arange(len(windows))).astype(np.float64)
    fake = np.clip(real - 10, 0, 255)  # 10.2 levels, rounded
    expected = 10 * np.log10(255**2 / np.square(real - fake).mean(axis=(2, 3, 4)))
    np.testing.assert_allclose(result.clip_scores["psnr"], expected.mean(axis=1), rtol=1e-5)
    assert result.scores["psnr"] == pytest.approx(expected.mean(), rel=1e-5)
    assert result.num_frames == len(windows) * 4
    assert len(set(result.clip_names)) == len(windows)


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_the_batch_size_does_not_matter(windows: Windows, batch_size: int) -> None:
    one, other = (evaluate(mean_frame, windows, build_metrics(["psnr", "ssim"]), CPU, size) for size in (batch_size, 5))
    assert one.scores == pytest.approx(other.scores, rel=1e-6)
    assert one.pixel_loss == pytest.approx(other.pixel_loss, rel=1e-5)


@pytest.mark.parametrize(("kind", "expected"), [("l1", 0.08), ("l2", 0.0064), ("charbonnier", 0.080006)])
def test_the_pixel_loss_is_of_the_kind_that_was_asked_for(windows: Windows, kind: str, expected: float) -> None:
    contender = Contender("darker", darker, build_metrics(["psnr"]), pixel_kind=kind)
    (result,) = evaluate_all([contender], windows, CPU, 3)
    assert result.pixel_loss == pytest.approx(expected, rel=1e-5)


def test_baselines_are_what_their_names_say() -> None:
    frames = torch.rand(2, 3, 3, 4, 4)
    previous = copy_previous(frames).frames_BTCHW
    assert torch.equal(previous[:, 1:], frames[:, :-1])
    assert torch.equal(previous[:, 0], frames[:, 1])
    torch.testing.assert_close(mean_frame(frames).frames_BTCHW[:, 2], (frames[:, 0] + frames[:, 1] + frames[:, 2]) / 3)
    assert baselines_for(1) == {}


def test_frames_survive_the_way_to_the_model_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 1, 16, 16, 3)
    frames = to_model(levels, CPU)
    assert frames.shape == (1, 1, 3, 16, 16)
    assert (frames.min(), frames.max()) == (-1, 1)
    assert np.array_equal(to_uint8(frames), levels)
    assert to_uint8(frames * 3).max() == 255


def test_pictures_have_their_panels_in_place() -> None:
    real, fake = np.full((2, 5, 4, 3), 10, np.uint8), np.full((2, 5, 4, 3), 200, np.uint8)
    panels = side_by_side(real, fake, scale=2)
    assert panels.shape == (2, 10, 2 * (3 * 4 + 2 * 2), 3)
    assert (panels[0, 0, 0, 0], panels[0, 0, 8, 0], panels[0, 0, 12, 0]) == (10, 255, 200)
    rows = strip(real, fake, scale=1)
    assert rows.shape == (3 * 5 + 2 * 2, 2 * 4 + 2, 3)
    assert (rows[0, 0, 0], rows[7, 0, 0]) == (10, 200)
    stacked = stack_clips([panels, panels[:1]])
    assert stacked.shape == (2, 22, panels.shape[2], 3)
    beside = stack_clips([panels, panels[:, :, :20]])
    assert beside.shape == stacked.shape
    assert (beside[:, 12:, 20:] == 255).all() and (beside[:, 12:, :20] == panels[:, :, :20]).all()


def test_an_error_is_black_where_there_is_none_and_brighter_the_larger() -> None:
    real = np.zeros((1, 1, 5, 3), np.uint8)
    fake = real + np.array([0, 20, 60, 96, 255], np.uint8)[None, None, :, None]
    brightness = error_map(real, fake).astype(int).sum(axis=-1)[0, 0]
    assert brightness[0] == 0
    assert (np.diff(brightness[:4]) > 0).all()
    assert brightness[3] == brightness[4]
