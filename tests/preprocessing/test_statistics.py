"""Mean and standard deviation from integer sums equal numpy's in float64."""

import numpy as np

from vqtool.preprocessing.statistics import ChannelSums, channel_sums


def test_sums_of_parts_give_the_mean_and_std_of_the_whole() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    frames[..., 1] //= 5
    total = channel_sums(frames[:7]) + channel_sums(frames[7:8]) + channel_sums(frames[8:]) + ChannelSums()
    pixels = frames.reshape(-1, 3) / 255
    np.testing.assert_allclose(total.mean(), pixels.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(total.std(), pixels.std(axis=0), rtol=1e-12)
    assert total.num_pixels == 30 * 16 * 16


def test_sums_are_exact_where_floats_and_32_bits_would_not_be() -> None:
    frames = np.full((1200, 64, 4, 3), 255, dtype=np.uint8)
    sums = channel_sums(frames)
    assert sums.sums == (255 * 1200 * 64 * 4,) * 3
    assert sums.squares == (255**2 * 1200 * 64 * 4,) * 3
    many = sum([sums] * 1000, start=ChannelSums())
    assert many.squares[0] == 1000 * 255**2 * 1200 * 64 * 4
    assert many.mean() == (1.0, 1.0, 1.0) and many.std() == (0.0, 0.0, 0.0)
