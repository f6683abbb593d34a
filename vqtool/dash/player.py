"""What the pictures show and how they play: source, step, clip, frame and view. No terminal, no reading of files."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vqtool.core.text import clean
from vqtool.dash.plotting.picture import ERROR_GAIN, error_map
from vqtool.dash.plotting.scene import Tile
from vqtool.dash.plotting.token_map import TokenPart, code_colours, overlay, token_parts
from vqtool.dash.reader import StepPaths
from vqtool.runs.previews import PreviewClip

Source = Literal["previews", "worst clips"]
TokenView = Literal["off", "overlay", "indices"]
SOURCES: tuple[Source, ...] = ("previews", "worst clips")
TOKEN_VIEWS: tuple[TokenView, ...] = ("off", "overlay", "indices")
FRAME_RATES = (1, 2, 5, 10, 20)
CACHED_PREVIEWS = 12
NOTHING = {
    "previews": "no preview yet: the trainer keeps one every train.preview_every steps",
    "worst clips": "no worst clips yet: the trainer keeps those of its last evaluation (w: previews)",
}


@dataclass
class Player:
    """The state of the player; `tiles` and `caption` are what it shows.

    Attributes:
        frame: Number of the frame shown.
        clip_index: Number of the clip shown; taken modulo the number of clips.
        compared_step: The step whose reconstruction (A) is shown beside the present one (B), or None.
        codebook_sizes: Codes of each codebook, in the order that tokens count through them; empty where unknown.
        segment_frames: Frames that share a context; 0 where unknown or none.
    """

    playing: bool = True
    show_error: bool = True
    token_view: TokenView = "off"
    frame: int = 0
    clip_index: int = 0
    compared_step: int | None = None
    codebook_sizes: Sequence[int] = ()
    segment_frames: int = 0
    source: Source = "previews"
    _lists: dict[Source, StepPaths] = field(default_factory=lambda: dict.fromkeys(SOURCES, ()))
    _part: int = 0
    _rate: int = FRAME_RATES.index(5)
    _index: int = -1
    _follow: bool = True
    _cache: OrderedDict[Path, tuple[list[PreviewClip], str]] = field(default_factory=OrderedDict)

    @property
    def previews(self) -> StepPaths:
        """What can be shown of the present source, ascending by step."""
        return self._lists[self.source]

    @property
    def index(self) -> int:
        """The place of the preview shown among them."""
        return self._index

    @property
    def step(self) -> int | None:
        """The step of the preview shown."""
        return self.previews[self._index][0] if self.previews else None

    @property
    def frame_rate(self) -> int:
        """Frames a second."""
        return FRAME_RATES[self._rate]

    @property
    def clips(self) -> list[PreviewClip]:
        """The clips of the preview shown; empty while it is not loaded."""
        return self._cached(self.previews[self._index][1])[0] if self.previews else []

    @property
    def clip(self) -> PreviewClip | None:
        """The clip shown, or None while it is not loaded."""
        clips = self.clips
        return clips[self.clip_index % len(clips)] if clips else None

    @property
    def compared_clip(self) -> PreviewClip | None:
        """The same clip at the compared step, or None where there is none."""
        path = dict(self.previews).get(-1 if self.compared_step is None else self.compared_step)
        clip = self.clip
        clips = [] if path is None or clip is None else self._cached(path)[0]
        return next((other for other in clips if clip and other.name == clip.name), None)

    def set_previews(self, source: Source, previews: StepPaths) -> None:
        """Take the list of a source; the newest is shown unless an earlier one was chosen."""
        chosen = self.step
        self._lists[source] = previews
        if source == self.source:
            steps = [step for step, _ in previews]
            self._index = len(steps) - 1 if self._follow or chosen not in steps else steps.index(chosen)

    def loaded(self, path: Path, clips: list[PreviewClip], error: str) -> None:
        """Take what was read of a preview."""
        self._cache[path] = clips, error
        wanted = set(self._needed())
        while len(self._cache) > CACHED_PREVIEWS:
            oldest = next((key for key in self._cache if key not in wanted), None)
            if oldest is None:
                return
            del self._cache[oldest]

    def missing(self) -> list[Path]:
        """What has to be read for what is shown."""
        return [path for path in self._needed() if path not in self._cache]

    def scrub(self, change: int) -> None:
        """Go so many previews back or on; the newest is followed again once reached."""
        self.go_to(self._index + change)

    def go_to(self, index: int) -> None:
        """Go to a preview by its place."""
        if self.previews:
            self._index = max(0, min(index, len(self.previews) - 1))
            self._follow = self._index == len(self.previews) - 1

    def go_to_step(self, step: int) -> None:
        """Go to the last preview at or before `step`, or the first one."""
        self.go_to(sum(known <= step for known, _ in self.previews) - 1)

    def change_clip(self, change: int) -> None:
        """Go to another clip, around the end."""
        if self.clips:
            self.clip_index = (self.clip_index + change) % len(self.clips)
            self.frame = 0

    def change_source(self) -> None:
        """Go from the previews to the worst clips, or back."""
        self.source = SOURCES[1 - SOURCES.index(self.source)]
        self._index, self._follow, self.clip_index, self.frame = len(self.previews) - 1, True, 0, 0
        self.compared_step = None

    def change_rate(self, change: int) -> None:
        """Play faster or slower."""
        self._rate = max(0, min(self._rate + change, len(FRAME_RATES) - 1))

    def toggle_compare(self) -> None:
        """Keep the present step as A and show it beside the steps gone to from now on; or end that."""
        self.compared_step = self.step if self.compared_step is None else None

    def next_token_view(self) -> None:
        """No tokens, their colours over the picture, their numbers."""
        self.token_view = TOKEN_VIEWS[(TOKEN_VIEWS.index(self.token_view) + 1) % len(TOKEN_VIEWS)]

    def next_part(self) -> None:
        """The tokens of the next codebook."""
        self._part += 1

    def advance(self, change: int) -> None:
        """Go so many frames on, around the end."""
        if self.clip is not None:
            self.frame = (self.frame + change) % len(self.clip.real)

    def tiles(self) -> list[Tile]:
        """The pictures of the present frame; with numbers of codes only what they paint, for they need room."""
        clip = self.clip
        if clip is None:
            return []
        frame = self.frame = self.frame % len(clip.real)
        real, made, before = clip.real[frame], clip.reconstruction[frame], self.compared_clip
        tokens = self._token_tile(clip)
        if before is not None and frame < len(before.real):
            tiles = [
                Tile(f"A step {self.compared_step:,}", before.reconstruction[frame]),
                Tile(f"B step {self.step:,}", made),
            ]
        else:
            tiles = [Tile("reconstruction", made)]
        if tokens is not None and tokens.numbers is not None:
            return [tiles[-1], tokens]
        error = [Tile(f"error x{ERROR_GAIN}", error_map(real, made))] if self.show_error else []
        return [Tile("input", real), *tiles, *error, *([] if tokens is None else [tokens])]

    def _token_tile(self, clip: PreviewClip) -> Tile | None:
        part = self._shown_part(clip)
        if part is None or self.token_view == "off" or self.frame >= len(part.grids):
            return None
        grid = part.grids[self.frame]
        if self.token_view == "indices":
            return Tile(part.name, code_colours(grid), grid)
        return Tile(part.name, overlay(clip.reconstruction[self.frame], grid))

    def lines(self) -> list[str]:
        """The clip in words, for terminals without pictures: PSNR by frame, and the codes of the present frame."""
        clip = self.clip
        if clip is None:
            return []
        numbers = [f"{'–' if value is None else format(value, '.2f')}" for value in clip.psnr_db]
        lines = ["", "PSNR by frame, dB (– where a frame is exact)"]
        lines += ["  ".join(numbers[start : start + 8]) for start in range(0, len(numbers), 8)]
        part = self._shown_part(clip)
        if part is not None and self.token_view != "off" and self.frame < len(part.grids):
            lines += ["", f"{part.name} of frame {self.frame + 1}"]
            lines += [" ".join(f"{code:>5}" for code in row) for row in part.grids[self.frame].tolist()]
        return lines

    def caption(self) -> str:
        """What is shown, as text: step, clip, PSNR and frame, the most telling first."""
        if not self.previews:
            return NOTHING[self.source]
        worst = "worst clips, " if self.source == "worst clips" else ""
        clip, place = self.clip, f"{worst}step {self.step:,} ({self._index + 1}/{len(self.previews)})"
        if clip is None:
            error = self._cached(self.previews[self._index][1])[1]
            return f"{place}  {clean(error) or 'loading'}"
        sign = "▶" if self.playing else "‖"
        number = f"{self.clip_index % len(self.clips) + 1}/{len(self.clips)}"
        rate = f" {self.frame_rate}/s" if self.playing else ""
        return (
            f"{place}  {self._psnr(clip)}  {sign} {self.frame + 1}/{len(clip.real)}{rate}  "
            f"clip {number} {clean(clip.name, 80)}"
        )

    def _psnr(self, clip: PreviewClip) -> str:
        text = f"PSNR {_mean_psnr(clip)} dB"
        if self.compared_step is None:
            return text
        before = self.compared_clip
        if before is None:
            return f"{text}, not in A"
        return f"PSNR A {_mean_psnr(before)} B {_mean_psnr(clip)} dB"

    def _shown_part(self, clip: PreviewClip) -> TokenPart | None:
        parts = token_parts(clip.tokens, clip.context_tokens, self.codebook_sizes, self.segment_frames)
        return parts[self._part % len(parts)] if parts else None

    def _needed(self) -> list[Path]:
        paths = dict(self.previews)
        steps = [self.step, self.compared_step]
        return [paths[step] for step in steps if step is not None and step in paths]

    def _cached(self, path: Path) -> tuple[list[PreviewClip], str]:
        return self._cache.get(path, ([], ""))


def _mean_psnr(clip: PreviewClip) -> str:
    """The mean over the frames that differ from their input."""
    known = [value for value in clip.psnr_db if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else "–"
