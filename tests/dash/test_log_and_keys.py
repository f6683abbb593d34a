"""Searching and following the log, and the line of keys."""

from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input, Static

from vqtool.dash.app import DashApp
from vqtool.dash.dialogs import HelpScreen
from vqtool.dash.panels.chart_grid import ChartGrid
from vqtool.dash.panels.key_bar import KeyBar
from vqtool.dash.panels.lines import LinesView
from vqtool.dash.run_screen import RunScreen
from vqtool.runs.folder import RunFolder

SIZES = [(40, 12), (80, 24), (200, 60)]
WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]


def text_of(widget: Widget) -> str:
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


def console_of(app: DashApp) -> LinesView:
    return app.screen.query_one("#console", LinesView)


def title_of(app: DashApp) -> str:
    return text_of(app.screen.query_one("#console-title", Static))


async def open_log(app: DashApp, pilot: Pilot[None], wait_until: WaitUntil) -> None:
    await wait_until(lambda: isinstance(app.screen, RunScreen) and app.screen.state.console)
    await pilot.press("4")
    await wait_until(lambda: "step 300" in text_of(console_of(app)))


@pytest.mark.parametrize("size", SIZES)
async def test_log_is_searched_backwards_and_forwards(
    recorded: RunFolder, size: tuple[int, int], wait_until: WaitUntil
) -> None:
    app = DashApp(recorded, recorded.path.parent)
    async with app.run_test(size=size) as pilot:
        await open_log(app, pilot, wait_until)
        console = console_of(app)
        await pilot.press("slash", *"STEP", "space", *"4", "enter")
        assert len(console.matches) == 1 + 5 and not app.screen.query_one(Input).display
        assert console.has_focus
        for key, line in (("", "step 48"), ("n", "step 46"), ("n", "step 44"), ("N", "step 46"), ("N", "step 48")):
            if key:
                await pilot.press(key)
            await wait_until(lambda line=line: line in text_of(console))
            assert console.current is not None
            assert console.lines[console.matches[console.current].line] == line
        await wait_until(lambda: "6 of 6" in title_of(app) or size[0] == 40)
        await pilot.press("N")
        assert console.current == 0, "around the end"
        await pilot.press("slash", *"nowhere", "enter")
        await wait_until(lambda: "'nowhere' not found" in title_of(app) or size[0] == 40)
        await pilot.press("n", "slash", "escape")
        assert console.wanted == "" and console.matches == [] and console.has_focus


async def test_matches_are_marked_where_they_are_also_over_the_end_of_a_row(
    run: RunFolder, wait_until: WaitUntil
) -> None:
    run.console_file.write_text("step 300\n" + "." * 70 + "needle[x]" + "." * 50 + " Needle[X]\n")
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_log(app, pilot, wait_until)
        console = console_of(app)
        console.search("needle[x]")
        marked = [
            segment.text
            for y in range(console.size.height)
            for segment in console.render_line(y)
            if segment.style is not None and segment.style.reverse
        ]
        assert "".join(marked) == "needle[x]Needle[X]" and len(marked) == 3


async def test_following_is_told_ended_and_taken_up_again(run: RunFolder, wait_until: WaitUntil) -> None:
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_log(app, pilot, wait_until)
        await wait_until(lambda: "following" in title_of(app))
        await pilot.press("f")
        await wait_until(lambda: "1 rows below, f follows" in title_of(app))
        with run.console_file.open("a") as stream:
            stream.write("later\n")
        await wait_until(lambda: "2 rows below" in title_of(app))
        assert "later" not in text_of(console_of(app))
        await pilot.press("f")
        await wait_until(lambda: "later" in text_of(console_of(app)) and "following" in title_of(app))
        with run.console_file.open("a") as stream:
            stream.write("much later\n")
        await wait_until(lambda: "much later" in text_of(console_of(app)))
        await pilot.press("o")
        assert app.screen.query_one("#events").has_focus
        await pilot.press("o")
        assert console_of(app).has_focus


@pytest.mark.parametrize("size", SIZES)
async def test_keys_fit_the_last_line_and_can_be_clicked(
    recorded: RunFolder, size: tuple[int, int], wait_until: WaitUntil
) -> None:
    app = DashApp(recorded, recorded.path.parent)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: isinstance(app.screen, RunScreen) and app.screen.query_one(ChartGrid).charts)
        bar = app.screen.query_one(KeyBar)
        assert (bar.region.y, bar.region.height, bar.size.width) == (size[1] - 1, 1, size[0])
        for number in "1234":
            await pilot.press(number)
            await pilot.pause()
            keys = text_of(bar).rstrip().split("  ")
            assert keys[:3] == ["? Help", "q Quit", "tab Panel"] and len("  ".join(keys)) <= size[0]
            assert len(keys) >= min(size[0] // 16, 7)
        assert any("Search" in key for key in keys)
        await pilot.press("1")
        await pilot.pause()
        text = text_of(bar)
        assert "Search" not in text
        await pilot.click(bar, offset=(text.index("Enlarge"), 0))
        assert app.screen.query_one(ChartGrid).enlarged
        await pilot.click(bar, offset=(0, 0))
        assert isinstance(app.screen, HelpScreen)
