"""I3D with the published weights gives the published distances."""

import pytest
import torch

from vqtool.core.features.i3d import I3D

pytestmark = pytest.mark.network

BLACK_TO_WHITE = {10: 570.07, 16: 153.11}
"""Squared distance between the features of an all-black and an all-white clip of so many frames."""


@pytest.mark.parametrize("num_frames", BLACK_TO_WHITE)
def test_constant_clips_are_as_far_apart_as_published(published_i3d: I3D, num_frames: int) -> None:
    clips = torch.stack([torch.full((num_frames, 3, 64, 64), value) for value in (-1.0, 1.0)])
    black, white = published_i3d(clips)
    assert (black - white).square().sum().item() == pytest.approx(BLACK_TO_WHITE[num_frames], rel=0.005)
