"""Augmentation against plain torch and hand-made numbers: right, the same for a whole clip, and nothing when off."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vqtool.core.config import AugmentConfig
from vqtool.core.frames import to_model
from vqtool.data.sampler import BatchSampler
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows
from vqtool.training import augment as augmenting
from vqtool.training.augment import augment, crop, flip_, jitter_, shift_
from vqtool.training.batches import Batches

CPU = torch.device("cpu")
ALL = AugmentConfig(flip=0.5, shift=0.25, min_crop=0.5, brightness=0.3, contrast=0.3, saturation=0.3)


def random_clips(num_clips: int = 4, num_frames: int = 3, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num_clips, num_frames, 3, size, size, generator=generator) * 2 - 1


def colour(red: float, green: float, blue: float) -> Tensor:
    """One frame of two pixels, black and this colour, levels in [0, 1]."""
    levels = torch.tensor([[0.0, 0.0, 0.0], [red, green, blue]]).T.reshape(1, 1, 3, 1, 2)
    return levels * 2 - 1


def second_pixel(frames_BTCHW: Tensor) -> list[float]:
    return ((frames_BTCHW[0, 0, :, 0, 1] + 1) / 2).tolist()


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_flip_mirrors_exactly_the_chosen_clips() -> None:
    clips = random_clips()
    flipped = clips.clone()
    flip_(flipped, np.array([True, False, False, True]))
    assert torch.equal(flipped[[1, 2]], clips[[1, 2]])
    columns = torch.arange(7, -1, -1)
    assert torch.equal(flipped[[0, 3]], clips[[0, 3]][..., columns])


def test_flip_chooses_with_its_probability() -> None:
    clips = random_clips(num_clips=400, num_frames=1, size=2)
    assert torch.equal(augment(clips.clone(), AugmentConfig(flip=1), rng()), clips.flip(-1))
    changed = (augment(clips.clone(), AugmentConfig(flip=0.25), rng()) != clips).flatten(1).any(1)
    assert 70 <= int(changed.sum()) <= 130


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, -2), (-3, 4), (7, -7)])
def test_a_shift_is_a_window_on_the_frame_with_its_mirror_images_around(down: int, right: int) -> None:
    clip = random_clips()[0]
    around = np.pad(clip.numpy(), ((0, 0), (0, 0), (7, 7), (7, 7)), mode="reflect")
    shift_(clip, down, right)
    assert torch.equal(clip, torch.from_numpy(around[..., 7 - down : 15 - down, 7 - right : 15 - right].copy()))


def test_random_shifts_are_by_whole_pixels_of_either_sign_up_to_their_share() -> None:
    down, right = torch.meshgrid(torch.arange(20.0), torch.arange(16.0), indexing="ij")
    places = torch.stack([down, right, down]).expand(400, 1, 3, 20, 16).contiguous()
    shifted = augment(places.clone(), AugmentConfig(shift=0.2), rng())
    # The middle pixel never comes from beyond an edge, so it says how far its clip was moved: 4 of 20, 3 of 16.
    rows, columns = 10 - shifted[:, 0, 0, 10, 8], 8 - shifted[:, 0, 1, 10, 8]
    assert sorted(set(rows.tolist())) == list(range(-4, 5))
    assert sorted(set(columns.tolist())) == list(range(-3, 4))
    assert len({(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)}) == 63


def test_a_crop_is_the_rectangle_interpolated_to_the_size_of_the_frame() -> None:
    clip = random_clips()[0]
    expected = torch.nn.functional.interpolate(clip[:, :, 2:6, 1:7], (8, 8), mode="bilinear", align_corners=False)
    assert torch.equal(crop(clip, 2, 1, 4, 6), expected)
    assert torch.equal(crop(clip, 0, 0, 8, 8), clip)


def test_a_crop_to_half_by_hand() -> None:
    clip = torch.tensor([[0.0, 1.0, 3.0, 9.0]]).expand(1, 3, 4, 4)
    # Half-pixel centres: outputs at -0.25, 0.25, 0.75 and 1.25 of the two pixels 1 and 3, clamped to them.
    assert crop(clip, 1, 1, 2, 2)[0, 0, 0].tolist() == [1.0, 1.5, 2.5, 3.0]


def test_random_crops_stay_inside_and_reach_every_edge() -> None:
    ramp = torch.linspace(-1, 1, 16).expand(300, 1, 3, 16, 16).contiguous()
    # At least 12 of 16 columns wide, so it starts at column 0 to 4 and ends at column 11 to 15.
    cropped = augment(ramp, AugmentConfig(min_crop=0.75), rng())[:, 0, 0, 0]
    firsts, lasts = ((cropped[:, column] + 1) * 7.5 for column in (0, -1))
    assert (lasts - firsts >= 11 - 1e-4).all()
    assert set(firsts.round().int().tolist()) == {0, 1, 2, 3, 4}
    assert set(lasts.round().int().tolist()) == {11, 12, 13, 14, 15}


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1.0, 1.0, 1.0), (0.4, 0.6, 0.2)),
        ((0.5, 1.0, 1.0), (0.2, 0.3, 0.1)),
        ((2.0, 1.0, 1.0), (0.8, 1.0, 0.4)),
        # Grey of the colour .299 * .4 + .587 * .6 + .114 * .2 = .4946; the clip's mean is half of that.
        ((1.0, 0.5, 1.0), (0.32365, 0.42365, 0.22365)),
        ((1.0, 1.0, 0.5), (0.4473, 0.5473, 0.3473)),
        ((1.0, 1.0, 0.0), (0.4946, 0.4946, 0.4946)),
    ],
)
def test_jitter_follows_its_formulae(factors: tuple[float, ...], expected: tuple[float, ...]) -> None:
    frame = colour(0.4, 0.6, 0.2)
    jitter_(frame, *(torch.tensor([factor]) for factor in factors))
    assert second_pixel(frame) == pytest.approx(expected, abs=1e-6)


def test_clips_are_changed_alike_in_whatever_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = random_clips(num_clips=5), random_clips(num_clips=5)
    augment(whole, ALL, rng())
    monkeypatch.setattr(augmenting, "CPU_CHUNK", 2 * parts[0].numel())
    assert torch.allclose(augment(parts, ALL, rng()), whole, atol=1e-6)


def test_channels_that_lie_last_make_no_difference() -> None:
    rows = random_clips()
    last = rows.movedim(2, -1).contiguous().movedim(-1, 2)
    assert torch.allclose(augment(last, ALL, rng()), augment(rows, ALL, rng()), atol=1e-6)


def test_strengths_bound_the_factors() -> None:
    clips = torch.zeros(500, 1, 3, 1, 1)
    levels = (augment(clips, AugmentConfig(brightness=0.2), rng()) + 1) / 2
    assert 0.4 <= levels.min() < 0.41 and 0.59 < levels.max() <= 0.6


def test_every_frame_of_a_clip_is_changed_alike_and_clips_differ() -> None:
    still = random_clips(num_clips=1, num_frames=1).expand(6, 3, 3, 8, 8).contiguous()
    changed = augment(still, ALL, rng())
    assert all(torch.equal(changed[:, frame], changed[:, 0]) for frame in (1, 2))
    assert len({tuple(clip.flatten().tolist()) for clip in changed}) == 6
    assert changed.shape == still.shape and changed.min() >= -1 and changed.max() <= 1


def test_all_off_is_the_argument_itself_and_draws_nothing() -> None:
    clips, generator = random_clips(), rng()
    assert augment(clips, AugmentConfig(), generator) is clips
    assert generator.random() == rng().random()


def test_batches_without_augmentation_are_the_windows_as_they_are(small_store: Path) -> None:
    windows = Windows(FrameStore.open(small_store), "train", 2, 1)
    batches, sampler = Batches(windows, 3, 5, CPU), BatchSampler(len(windows), 3, 5)
    for _ in range(10):
        assert torch.equal(batches.next(), to_model(windows.gather(sampler.next()), CPU))


def test_augmented_batches_are_seeded_and_resume_anywhere(small_store: Path) -> None:
    windows = Windows(FrameStore.open(small_store), "train", 2, 1)
    whole = Batches(windows, 3, 5, CPU, ALL)
    first = [whole.next() for _ in range(4)]
    state = whole.state()
    rest = [whole.next() for _ in range(4)]
    again, resumed = Batches(windows, 3, 5, CPU, ALL), Batches(windows, 3, 5, CPU, ALL)
    resumed.restore(state)
    assert all(torch.equal(batch, again.next()) for batch in first)
    assert all(torch.equal(batch, resumed.next()) for batch in rest)


def test_the_same_clip_is_changed_differently_each_epoch(small_store: Path) -> None:
    windows = Windows(FrameStore.open(small_store), "train", 2, 1)
    batches = Batches(windows, len(windows), 5, CPU, AugmentConfig(brightness=0.5))
    sums = [sorted(batches.next().sum(dim=(1, 2, 3, 4)).tolist()) for _ in range(2)]
    assert sums[0] != pytest.approx(sums[1], rel=1e-3)


@pytest.mark.parametrize("field", ["flip", "shift", "brightness", "contrast", "saturation", "min_crop"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_settings_out_of_bounds_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        AugmentConfig(**{field: value})
