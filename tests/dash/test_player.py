from pathlib import Path

import numpy as np
import pytest

from vqtool.dash.player import CACHED_PREVIEWS, FRAME_RATES, Player
from vqtool.dash.plotting.scrubber import index_at, scrubber
from vqtool.runs.previews import PreviewClip

PREVIEWS = tuple((step, Path(f"previews/step-{step:08d}")) for step in (100, 250, 400, 1000))


def clip(name: str, seed: int, num_frames: int = 3) -> PreviewClip:
    rng = np.random.default_rng(seed)
    real, made = rng.integers(0, 256, (2, num_frames, 8, 8, 3), dtype=np.uint8)
    tokens = rng.integers(0, 16, (num_frames, 2, 2))
    return PreviewClip(name, real, made, tokens, (20.0, None, 22.0)[:num_frames])


@pytest.fixture
def player() -> Player:
    """At the newest of four previews, each with clips a and b, all loaded."""
    player = Player(playing=False)
    player.set_previews("previews", PREVIEWS)
    for number, (_, path) in enumerate(PREVIEWS):
        player.loaded(path, [clip("a", number), clip("b", 10 + number)], "")
    return player


def labels(player: Player) -> list[str]:
    return [tile.label for tile in player.tiles()]


def test_steps_are_gone_to_and_the_newest_is_followed(player: Player) -> None:
    assert player.step == 1000
    for step, shown in ((250, 250), (399, 250), (5000, 1000), (1, 100)):
        player.go_to_step(step)
        assert player.step == shown
    player.set_previews("previews", (*PREVIEWS, (2000, Path("x"))))
    assert player.step == 100
    player.go_to(99)
    assert player.step == 2000
    player.set_previews("previews", PREVIEWS[:2])
    assert player.step == 250


def test_what_is_shown_has_to_be_read_and_the_rest_is_forgotten(player: Player) -> None:
    many = tuple((step, Path(str(step))) for step in range(50))
    player.set_previews("previews", many)
    player.go_to(0)
    assert player.missing() == [Path("0")] and player.clip is None
    player.loaded(Path("0"), [clip("a", 0)], "")
    player.toggle_compare()
    for step in range(1, 50):
        player.go_to(step)
        player.loaded(Path(str(step)), [clip("a", step)], "")
    assert player.missing() == [] and player.compared_clip is not None
    player.go_to(20)
    assert player.missing() == [Path("20")]
    player.go_to(50 - CACHED_PREVIEWS + 3)
    assert player.missing() == []


def test_the_same_clip_of_two_steps_is_compared(player: Player) -> None:
    player.change_clip(1)
    player.go_to_step(250)
    player.toggle_compare()
    player.go_to_step(1000)
    assert labels(player) == ["input", "A step 250", "B step 1,000", "error x4"]
    tiles = player.tiles()
    assert np.array_equal(tiles[1].picture, clip("b", 11).reconstruction[0])
    assert np.array_equal(tiles[2].picture, clip("b", 13).reconstruction[0])
    assert "PSNR A 21.00 B 21.00 dB" in player.caption()
    player.loaded(PREVIEWS[1][1], [clip("other", 0)], "")
    assert labels(player) == ["input", "reconstruction", "error x4"] and "not in A" in player.caption()
    player.toggle_compare()
    assert player.compared_step is None and "not in A" not in player.caption()


def test_tokens_are_shown_as_colours_and_as_numbers(player: Player) -> None:
    player.show_error = False
    player.next_token_view()
    assert labels(player) == ["input", "reconstruction", "codes"]
    player.next_token_view()
    assert labels(player) == ["reconstruction", "codes"]
    shown = player.clip
    assert shown is not None and player.tiles()[1].numbers is not None
    assert np.array_equal(player.tiles()[1].numbers, shown.tokens[0])
    player.codebook_sizes = (16,)
    player.next_part()
    assert labels(player) == ["reconstruction", "codes"]
    player.next_token_view()
    assert labels(player) == ["input", "reconstruction"]


def test_frames_and_clips_go_around(player: Player) -> None:
    player.advance(-1)
    assert player.frame == 2
    player.advance(1)
    assert player.frame == 0 and "‖ 1/3" in player.caption()
    player.change_clip(-1)
    assert player.clip is not None and player.clip.name == "b" and "clip 2/2 b" in player.caption()
    player.frame = 2
    player.loaded(PREVIEWS[-1][1], [clip("short", 0, 1)], "")
    assert player.tiles() and player.frame == 0 and player.clip.name == "short"


def test_rates_have_ends(player: Player) -> None:
    for change, rate in ((1, 10), (1, 20), (1, 20), (-9, 1), (1, 2)):
        player.change_rate(change)
        assert player.frame_rate == rate
    assert set(FRAME_RATES) >= {1, 2, 10, 20}


def test_worst_clips_are_another_source(player: Player) -> None:
    player.change_source()
    assert "no worst clips yet" in player.caption() and player.tiles() == []
    worst = Path("worst/step-00000400")
    player.set_previews("worst clips", ((400, worst),))
    player.loaded(worst, [clip("bad", 3)], "")
    assert player.caption().startswith("worst clips, step 400 (1/1)  PSNR 21.00 dB")
    player.change_source()
    assert player.step == 1000


def test_what_cannot_be_read_is_told(player: Player) -> None:
    player.loaded(PREVIEWS[-1][1], [], "cannot read\x1b[2J it")
    assert "cannot read\ufffd[2J it" in player.caption() and player.tiles() == [] and player.lines() == []
    assert "no preview yet" in Player().caption()


def test_a_clip_in_words(player: Player) -> None:
    assert player.lines()[1:3] == ["PSNR by frame, dB (– where a frame is exact)", "20.00  –  22.00"]
    player.next_token_view()
    shown = player.clip
    assert shown is not None
    assert [int(code) for code in " ".join(player.lines()[-2:]).split()] == shown.tokens[0].ravel().tolist()


def test_scrubber_has_a_place_for_every_preview(player: Player) -> None:
    line = scrubber(player, 60)
    assert line.startswith("100 ┴") and line.endswith("● 1,000") and line.count("┴") == 3 and len(line) == 60
    player.go_to_step(250)
    player.toggle_compare()
    player.go_to_step(400)
    line = scrubber(player, 60)
    assert line.count("┴") == 2 and line.index("A") < line.index("●")
    for index in range(4):
        player.compared_step = None
        player.go_to(index)
        column = scrubber(player, 60).index("●")
        assert index_at(player.previews, 60, column) == index
    assert scrubber(player, 10) == "" and scrubber(Player(), 60) == ""


def test_scrubber_of_very_many_previews_is_a_line(player: Player) -> None:
    player.set_previews("previews", tuple((step, Path(str(step))) for step in range(5000)))
    assert len(scrubber(player, 80)) == 80
    assert index_at(player.previews, 80, 2) == 0 and index_at(player.previews, 80, 80 - 7) >= 4900
