"""Pictures, codebook and run panel, driven by their keys."""

import json
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from rich.color import ColorSystem
from textual.app import App, ComposeResult
from textual.widget import Widget

from vqtool.dash.app import DashApp
from vqtool.dash.images import ImageMode
from vqtool.dash.panels import strips
from vqtool.dash.panels.chart_grid import ChartGrid
from vqtool.dash.panels.codebook import CodebookPanel, figures
from vqtool.dash.panels.preview import PreviewPanel
from vqtool.dash.panels.run import RunPanel
from vqtool.dash.reader import CodebookUsage
from vqtool.dash.run_screen import RunScreen
from vqtool.runs.folder import RunFolder, create_run, step_folders
from vqtool.runs.previews import read_array, read_preview, write_worst

SIZES = [(40, 12), (80, 24), (200, 60)]
PICTURE_KEYS = [
    *("space", "space", "full_stop", "comma", "n", "p", "e", "e", "t", "t", "t", "k"),
    *("b", "left_square_bracket", "right_square_bracket", "b", "w", "w"),
]
RATE_KEYS = ["left_curly_bracket", "right_curly_bracket"]
CODES = 64
WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]


def app_of(run: RunFolder, images: ImageMode = "blocks") -> DashApp:
    return DashApp(run, run.path.parent, images)


def is_read(app: DashApp) -> bool:
    return isinstance(app.screen, RunScreen) and len(app.screen.query_one(ChartGrid).charts) == 15


def text_of(widget: Widget) -> str:
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


def check_widths(widget: Widget) -> None:
    assert {widget.render_line(y).cell_length for y in range(widget.size.height)} <= {widget.size.width}


@pytest.mark.parametrize(
    ("images", "size"),
    [*(("blocks", size) for size in SIZES), *((name, (80, 24)) for name in ("shades", "kitty", "sixel", "none"))],
)
async def test_every_picture_key_works(
    run: RunFolder, size: tuple[int, int], images: ImageMode, wait_until: WaitUntil
) -> None:
    write_worst(run, 300, read_preview(run.previews / "step-00000300"))
    run.update_status(codebook_sizes=[64], segment_frames=0)
    app = app_of(run, images)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: is_read(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2")
        await wait_until(lambda: preview.clip is not None)
        for key in PICTURE_KEYS + RATE_KEYS:
            await pilot.press(key)
            check_widths(preview)
        assert "PSNR" in text_of(preview)
        assert ("▀" in text_of(preview)) == (images == "blocks")
        assert ("\U0010eeee" in text_of(preview)) == (images == "kitty")


async def test_comparing_tokens_and_worst_clips(run: RunFolder, wait_until: WaitUntil) -> None:
    write_worst(run, 300, read_preview(run.previews / "step-00000300")[1:])
    app = app_of(run)
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_until(lambda: is_read(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2", "space")
        await wait_until(lambda: preview.clip is not None)
        await pilot.press("left_square_bracket", "b", "right_square_bracket")
        await wait_until(lambda: "A step 200" in text_of(preview) and "B step 300" in text_of(preview))
        assert "PSNR A 22.00 B 22.00 dB" in text_of(preview)
        await pilot.press("b", "t", "t")
        shown = preview.clip
        assert shown is not None
        for code in shown.tokens[preview.frame].ravel():
            assert str(code) in text_of(preview)
        await pilot.press("w")
        await wait_until(lambda: "worst clips, step 300 (1/1)" in text_of(preview))
        await wait_until(lambda: preview.clip is not None and preview.clip.name == "clip-1")


async def test_scrubber_goes_where_it_is_clicked_and_tells(run: RunFolder, wait_until: WaitUntil) -> None:
    told: dict[int, int] = {}
    app = app_of(run)
    app.animation_level = "full"
    async with app.run_test(size=(80, 24), message_hook=lambda m: _note(m, told)) as pilot:
        await wait_until(lambda: is_read(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2")
        await wait_until(lambda: preview.clip is not None and preview.size.height > 0)
        line = text_of(preview).splitlines()[-1]
        assert line.startswith("100 ┴") and line.rstrip().endswith("● 300")
        await pilot.click(preview, offset=(1 + line.rindex("┴"), preview.size.height - 1))
        assert preview.step == 200 and [*told.values()] == [200]
        preview.show_step(150)
        assert preview.step == 100
        await pilot.pause()
        assert [*told.values()] == [200], "what was asked from outside is not told back"
        await pilot.click(preview, offset=(10, 5))
        assert not preview.player.playing


def _note(message: object, told: dict[int, int]) -> None:
    """Textual shows a message to its hook once a widget that it passes."""
    if isinstance(message, PreviewPanel.StepShown):
        told[id(message)] = message.step


DAMAGES: list[Callable[[Path], object]] = [
    lambda folder: (folder / "clip-00.png").write_bytes(b""),
    lambda folder: (folder / "clip-00.png").write_bytes((folder / "clip-00.png").read_bytes()[:60]),
    lambda folder: (folder / "preview.json").write_bytes(b'{"version": 1, "clips": [{}]}'),
    lambda folder: (folder / "preview.json").write_bytes(b'{"version": 1, "clips": []}'),
    lambda folder: (folder / "clip-01.tokens.npy").write_bytes(b"\x93NUMPY"),
    lambda folder: np.save(folder / "clip-00.tokens.npy", np.array(7)),
    lambda folder: np.save(folder / "clip-00.tokens.npy", np.full((1, 1, 1), -5)),
    lambda folder: np.save(folder / "clip-00.context.npy", np.zeros((0, 2, 2), int)),
]


async def test_damaged_previews_are_survived(run: RunFolder, wait_until: WaitUntil) -> None:
    for number, damage in enumerate(DAMAGES):
        damage(shutil.copytree(run.previews / "step-00000300", run.previews / f"step-{1000 + number:08d}"))
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_read(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2", "t", "t")
        preview.show_step(1000)
        for number in range(len(DAMAGES)):
            await wait_until(lambda: not preview.player.missing())
            assert preview.step == 1000 + number
            assert ("cannot read preview" in text_of(preview)) == (number in (0, 1, 2, 4))
            check_widths(preview)
            await pilot.press("full_stop", "right_square_bracket")
        shutil.rmtree(run.previews)
        await wait_until(lambda: "no preview yet" in text_of(preview))


async def test_codebook_panel_has_ages_revivals_and_a_map(run: RunFolder, wait_until: WaitUntil) -> None:
    counts = np.load(run.codebook / "step-00000200.npy")
    counts[60], counts[0] = 5, 0
    np.save(run.codebook / "step-00000200.npy", counts)
    run.update_status(codebook_sizes=[32, 32])
    app = app_of(run)
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: is_read(app))
        panel = app.screen.query_one(CodebookPanel)
        await pilot.press("3")
        await wait_until(lambda: "↑" in text_of(panel))
        text = text_of(panel)
        assert "step 300  used 48/64 (75%)  dead 16  all 2 codebooks" in text
        assert "revived 17  dead codes: 15 never used, 1 for 100 steps" in text
        assert "by codebook  1: 32/32 ppl" in text and "2: 16/32 ppl" in text
        marks = next(line for line in text.splitlines() if line.strip().startswith("↑"))
        assert marks.split() == ["↑17", "↑17"]
        assert "▀" * 90 in text and "by number" in text
        await pilot.press("u")
        assert "by use" in text_of(panel)
        await pilot.press("k", "k")
        assert "step 300  used 16/32 (50%)  dead 16  codebook 2/2" in text_of(panel)
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            check_widths(panel)


async def test_codebook_panel_skips_damaged_counts(run: RunFolder, wait_until: WaitUntil) -> None:
    (run.codebook / "step-00000100.npy").write_bytes(b"no array")
    np.save(run.codebook / "step-00000150.npy", np.ones(7, int))
    app = app_of(run)
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: is_read(app))
        panel = app.screen.query_one(CodebookPanel)
        await pilot.press("3")
        await wait_until(lambda: "revived 16  dead codes: 16 never used" in text_of(panel))


async def test_run_panel_shows_config_and_differences(run: RunFolder, wait_until: WaitUntil) -> None:
    run.config_file.write_text('[train]\nbatch_size = 8\nnote = "[red]\\u001b[2J"\n')
    other = create_run(run.path.parent, "other", "[train]\nbatch_size = 4\n", {})
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_read(app))
        panel = app.screen.query_one(RunPanel)
        await pilot.press("5")
        lines = panel.query_one("#overview")
        await wait_until(lambda: "train.batch_size = 8" in "\n".join(lines.lines))
        text = "\n".join(lines.lines)
        assert "finished" in text and "130.5 frames/s" in text and "train.note = '[red]\\x1b[2J'" in text
        assert text_of(lines).startswith("run ")
        await pilot.press("d")
        await wait_until(lambda: "train.batch_size: 8   there 4" in "\n".join(lines.lines))
        assert f"differs from {other.name} in 2 settings" in "\n".join(lines.lines)
        await pilot.press("end")
        await wait_until(lambda: "train.note" in text_of(lines))
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert {lines.render_line(y).cell_length for y in range(height)} <= {lines.scrollable_content_region.width}


def screen_cells(app: DashApp) -> list[list[tuple[object, ...]]]:
    """What Textual would paint: character and colours of every cell."""
    return [
        [
            (character, *(colour and colour.triplet for colour in (style.color, style.bgcolor)))
            for text, style, _ in strip
            if style is not None
            for character in text
        ]
        for strip in app.screen._compositor.render_strips()
    ]


def paint(cells: list[list[tuple[object, ...]]], text: str) -> None:
    """Do what a terminal does with text of half blocks and digits in 24-bit colours."""
    row, column, colours = 0, 0, (None, None)
    pattern = r"\x1b\[(\d+);(\d+)H|\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m|\x1b\[0m|([^\x1b])"
    assert "".join(match[0] for match in re.finditer(pattern, text)) == text
    for match in re.finditer(pattern, text):
        if match[1]:
            row, column = int(match[1]) - 1, int(match[2]) - 1
        elif match[3]:
            numbers = [int(number) for number in match.groups()[2:8]]
            colours = tuple(numbers[:3]), tuple(numbers[3:])
        elif match[9]:
            cells[row][column] = (match[9], *colours)
            column += 1


@pytest.mark.parametrize("tokens", [False, True])
async def test_what_is_painted_directly_is_what_the_screen_holds(
    run: RunFolder, tokens: bool, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(PreviewPanel, "_write", lambda self, text: sent.append(text))
    app = app_of(run)
    app.console._color_system = ColorSystem.TRUECOLOR
    monkeypatch.setattr(strips, "_pair_styles", {})  # a style remembers what it became in other tests' colours
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: is_read(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2", "space", *("tt" if tokens else ""))
        await wait_until(lambda: preview.clip is not None and "▀" in text_of(preview))
        before = screen_cells(app)
        sent.clear()
        await pilot.press("full_stop")
        after = screen_cells(app)
        paint(before, "".join(sent))
        top = preview.content_region.y
        assert sent
        assert before[top + 1 :] == after[top + 1 :]
        assert before[top] != after[top], "the caption is Textual's"


async def test_images_go_to_the_terminal_once_and_are_taken_back(
    run: RunFolder, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(PreviewPanel, "_write", lambda self, text: sent.append(text))
    app = app_of(run, "kitty")
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: is_read(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2", "space")
        await wait_until(lambda: preview.clip is not None and "\U0010eeee" in text_of(preview))
        for _ in range(4):
            await pilot.press("full_stop")
        pictures = "".join(sent).count("a=t,")
        assert pictures == 4 * 3
        for _ in range(4):
            await pilot.press("comma")
        assert "".join(sent).count("a=t,") == pictures
    assert "".join(sent).count("a=d,d=I,") >= pictures


def test_status_says_which_codebooks_there_are(run: RunFolder) -> None:
    from vqtool.dash.state import RunState

    state = RunState(run)
    for value, expected in (([4, 8], (4, 8)), ([], ()), (["4"], ()), ([0], ()), ({"a": 1}, ()), (None, ())):
        state.status = json.loads(json.dumps({"codebook_sizes": value, "segment_frames": value}))
        assert state.codebook_sizes == expected and state.segment_frames == 0
    state.status = {"segment_frames": 12}
    assert state.segment_frames == 12


@pytest.mark.parametrize("size", [(38, 8), (42, 10), (78, 8), (30, 5), (20, 3)])
async def test_a_narrow_codebook_panel_cuts_no_line(run: RunFolder, size: tuple[int, int]) -> None:
    columns, rows = size
    panel = CodebookPanel(id="codebook")
    paths = tuple(step_folders(run.codebook))

    class Alone(App[None]):
        def compose(self) -> ComposeResult:
            yield panel

    async with Alone().run_test(size=(columns + 2, rows)) as pilot:
        panel.show(CodebookUsage(300, read_array(paths[-1][1])), paths)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        text = [panel.render_line(y).text.rstrip() for y in range(rows)]
        assert panel.size == size and text[0].startswith("step 300")
    titles = ["codes by number; dark is dead, ↑ revived", "codes by use, logarithmic; most: 48", "by use; most: 48"]
    titles.append("use of the codes by number (downwards) over steps; dark is dead, ↑ revived")
    revived = f"revived 16  dead codes: {CODES - 48} never used"
    known = "  ".join([*figures(CodebookUsage(300, read_array(paths[-1][1]))), revived, *titles])
    words = [line for line in text if line and not re.fullmatch(r"[\s▀▁-█↑\d]*", line)]
    for part in (part for line in words for part in line.split("  ")):
        assert re.search(rf"(?<!\S){re.escape(part)}(?![^\s,])", known), part
    assert len(words) >= 2 and (rows != 10 or any("▀" in line for line in text))
