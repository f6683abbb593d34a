"""A caption keeps the frames as they are and its words inside."""

import numpy as np
import pytest

from vqtool.evaluation.captions import add_caption

PARTS = ["1,146.7 bits/frame", "PSNR 20.84 dB"]


def frames(width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 20, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("width", [600, 200, 100])
def test_the_words_lie_below_unchanged_frames_with_a_margin(width: int) -> None:
    given = frames(width)
    captioned = add_caption(given, PARTS)
    np.testing.assert_array_equal(captioned[:, :20], given)
    band = captioned[:, 20:]
    assert band.shape[1] % 2 == 0 and (band == band[:1]).all()
    dark = (band[0] < 128).any(axis=-1)
    assert dark.any()
    assert not dark[:, -1].any() and not dark[0].any() and not dark[-1].any()


def test_words_are_large_on_wide_frames_and_on_two_lines_on_narrow_ones() -> None:
    def rows(width: int) -> list[bool]:
        return (add_caption(frames(width), PARTS)[0, 20:] < 128).any(axis=(1, 2)).tolist()

    def num_lines(inked: list[bool]) -> int:
        return sum(now and not before for before, now in zip([False, *inked], inked, strict=False))

    assert [num_lines(rows(width)) for width in (600, 200, 110)] == [1, 1, 2]
    assert sum(rows(600)) > 1.5 * sum(rows(200))


def test_tiny_frames_and_single_pictures_get_one_too() -> None:
    assert add_caption(frames(8), PARTS).shape[2] == 8
    picture = frames(300)[0]
    np.testing.assert_array_equal(add_caption(picture, PARTS), add_caption(picture[None], PARTS)[0])
