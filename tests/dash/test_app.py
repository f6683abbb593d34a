import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from textual.events import Resize
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import OptionList

from vqtool.dash import keys
from vqtool.dash.app import DashApp
from vqtool.dash.dialogs import ConfirmScreen, HelpScreen
from vqtool.dash.panels.chart import Chart
from vqtool.dash.panels.chart_grid import ChartGrid
from vqtool.dash.panels.codebook import CodebookPanel
from vqtool.dash.panels.lines import LinesView
from vqtool.dash.panels.preview import PreviewPanel
from vqtool.dash.panels.status import StatusBar
from vqtool.dash.picker import PickerScreen
from vqtool.dash.run_screen import RunScreen
from vqtool.runs.control import take_requests
from vqtool.runs.folder import RunFolder, create_run
from vqtool.runs.jsonl import JsonlWriter

WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]


def app_of(run: RunFolder) -> DashApp:
    return DashApp(run, run.path.parent)


def screen_of(app: DashApp) -> RunScreen:
    assert isinstance(app.screen, RunScreen)
    return app.screen


def is_loaded(app: DashApp) -> bool:
    """Whether the run is read and drawn."""
    return isinstance(app.screen, RunScreen) and len(app.screen.query_one(ChartGrid).charts) == 15


def text_of(widget: Widget) -> str:
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


def shown_charts(app: DashApp) -> list[Chart]:
    return [chart for chart in app.screen.query_one(ChartGrid).charts if chart.display]


async def test_tabs_and_help_are_a_key_away(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(40, 12)) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press("shift+tab")
        assert screen_of(app).active == 4
        await pilot.press("tab")
        assert screen_of(app).active == 0
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert is_loaded(app)


async def test_absurd_sizes_are_survived(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        for panel in range(5):
            screen_of(app).action_panel(panel)
            for size in map(Size._make, [(1, 1), (2, 2), (10, 3), (300, 5), (40, 4), (200, 60)]):
                app.post_message(Resize(size, size))
                await wait_until(lambda size=size: app.screen.size == size)
        await pilot.pause()
        assert is_loaded(app)


async def test_layouts_by_size(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(200, 60)) as pilot:
        await wait_until(lambda: is_loaded(app))
        assert screen_of(app).overview
        assert [name for name in keys.PANELS if not app.screen.query_one(f"#{name}").display] == ["run"]
        assert len(shown_charts(app)) == 15
        await pilot.press("2")
        assert [name for name in keys.PANELS if app.screen.query_one(f"#{name}").display] == ["preview"]
        await pilot.press("1")
        await pilot.resize_terminal(80, 24)
        await wait_until(lambda: len(shown_charts(app)) == 4)
        assert [name for name in keys.PANELS if app.screen.query_one(f"#{name}").display] == ["charts"]
        await pilot.resize_terminal(40, 12)
        await wait_until(lambda: len(shown_charts(app)) == 1)


async def test_status_line_tells_the_facts(live: RunFolder, wait_until: WaitUntil) -> None:
    live.update_status(heartbeat=time.time(), started=time.time() - 65)
    app = app_of(live)
    async with app.run_test(size=(200, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        text = " ".join(app.screen.query_one(StatusBar).lines)
        for fact in ("● running recorded", "step 300/600", "━━━━━╌╌╌╌╌ 50%", "ETA ", "PSNR 18 dB", "codes 48/64"):
            assert fact in text
        for fact in ("130.5 frames/s", "heartbeat ", "elapsed 1m 0", "cpu fp32"):
            assert fact in text
        await pilot.resize_terminal(40, 12)
        await wait_until(lambda: len(app.screen.query_one(StatusBar).lines) == 2)
        assert app.screen.query_one(StatusBar).lines[0].startswith("● running recorded  step 300/600")


async def test_new_lines_appear(live: RunFolder, log_step, keep_preview, wait_until: WaitUntil) -> None:
    app = app_of(live)
    async with app.run_test(size=(200, 60)):
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        log_step(live, 400)
        keep_preview(live, 400)
        with live.console_file.open("a") as console:
            console.write("a new line\n")
        await wait_until(lambda: "step 400/600" in app.screen.query_one(StatusBar).lines[0])
        await wait_until(lambda: "a new line" in text_of(app.screen.query_one("#console", LinesView)))
        await wait_until(lambda: "step 400 evaluation" in text_of(app.screen.query_one("#events", LinesView)))
        await wait_until(lambda: preview.step == 400 and preview.clip is not None)
        psnr = next(chart for chart in app.screen.query_one(ChartGrid).charts if chart.metric == "metric/psnr")
        assert "◆ val 19" in text_of(psnr)


async def test_charts_can_be_selected_turned_enlarged_and_scaled(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        grid = app.screen.query_one(ChartGrid)
        assert [chart.metric for chart in shown_charts(app)][:2] == ["loss/total", "metric/psnr"]
        await wait_until(lambda: grid.charts[0].size.width)
        assert "▶loss/total" in text_of(grid.charts[0])
        await pilot.press("right", "down")
        assert grid.selected == 3 and grid.charts[3].is_selected and not grid.charts[0].is_selected
        await pilot.press("pagedown")
        assert grid.selected == 4 and grid.charts[4] in shown_charts(app) and grid.charts[0] not in shown_charts(app)
        await pilot.press("pageup", "enter")
        await wait_until(lambda: shown_charts(app) == [grid.charts[0]] and grid.charts[0].size.width > 70)
        assert "log" not in text_of(grid.charts[0])
        await pilot.press("y")
        assert "loss/total log" in text_of(grid.charts[0])
        await pilot.press("x")
        assert "20s" in text_of(grid.charts[0])
        assert grid.view.decay == 0.6
        await pilot.press("A", "A")
        assert grid.view.decay == 0.0
        await pilot.press("a", "a")
        assert grid.view.decay == 0.9
        await pilot.press("enter")
        assert len(shown_charts(app)) == 4


async def test_mouse_selects_enlarges_and_changes_panels(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        grid = app.screen.query_one(ChartGrid)
        await wait_until(lambda: grid.charts[1].size.width > 0)
        await pilot.click(grid.charts[1])
        assert grid.selected == 1
        await pilot.click(grid.charts[1], offset=(5, 0))
        assert grid.enlarged
        await pilot.click("TabBar", offset=(14, 0))
        assert screen_of(app).active == 1


async def test_preview_plays_scrubs_and_says_what_it_shows(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    app.animation_level = "full"
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2")
        await wait_until(lambda: preview.clip is not None)
        first = preview.frame
        await wait_until(lambda: preview.frame != first)
        await pilot.press("space")
        stopped = preview.frame
        assert "‖" in preview.caption()
        await pilot.press("full_stop")
        assert preview.frame == (stopped + 1) % 4
        await pilot.press("comma")
        assert preview.frame == stopped
        assert "step 300 (3/3)  PSNR 22.00 dB" in preview.caption() and "clip 1/2 clip-0" in preview.caption()
        await pilot.press("n")
        assert preview.clip is not None and preview.clip.name == "clip-1"
        await pilot.press("p", "left_square_bracket")
        await wait_until(lambda: preview.step == 200 and preview.clip is not None)
        await pilot.press(*["left_square_bracket"] * 5)
        await wait_until(lambda: preview.step == 100 and preview.clip is not None)
        await pilot.press(*["right_square_bracket"] * 5)
        assert preview.step == 300
        assert "error x4" in text_of(preview)
        await pilot.press("e")
        assert "error" not in text_of(preview)
        assert "▀" in text_of(preview)


async def test_nothing_moves_by_itself_where_the_user_wants_that(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    app.animation_level = "none"
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2")
        await wait_until(lambda: preview.clip is not None)
        assert "‖" in preview.caption()
        first = preview.frame
        await pilot.press("space")
        await wait_until(lambda: preview.frame != first)


async def test_chosen_preview_stays_when_a_newer_one_comes(
    live: RunFolder, keep_preview: Callable[[RunFolder, int], Path], wait_until: WaitUntil
) -> None:
    app = app_of(live)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2", "left_square_bracket")
        keep_preview(live, 400)
        await wait_until(lambda: "/4)" in preview.caption())
        assert preview.step == 200
        await pilot.press("right_square_bracket", "right_square_bracket")
        keep_preview(live, 500)
        await wait_until(lambda: preview.step == 500)


async def test_pictures_are_quantised_colours_of_the_frame(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(100, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2", "space")
        await wait_until(lambda: preview.clip is not None and "▀" in text_of(preview))
        [first, *_] = preview.render_line(2)
        assert preview.clip is not None and first.style is not None
        corner = preview.clip.real[preview.frame][0, 0]
        colour = first.style.color
        assert colour is not None and colour.triplet is not None
        assert np.abs(np.array(colour.triplet) - corner).max() <= 8


async def test_without_colours_pictures_are_characters(
    run: RunFolder, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        await pilot.press("2")
        await wait_until(lambda: preview.clip is not None)
        text = text_of(preview)
        assert "PSNR" in text and "input" in text and "reconstruction" in text
        assert "▀" not in text and set("=+*") & set(text.splitlines()[5])


async def test_damaged_preview_says_so(run: RunFolder, wait_until: WaitUntil) -> None:
    (run.previews / "step-00000300" / "clip-00.png").write_bytes(b"no picture")
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        preview = app.screen.query_one(PreviewPanel)
        await wait_until(lambda: "cannot read preview" in preview.caption())
        await pilot.press("2", "left_square_bracket")
        await wait_until(lambda: "PSNR 22.00 dB" in preview.caption())


async def test_codebook_panel_shows_figures_bars_and_map(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press("3")
        await pilot.pause()
        text = text_of(app.screen.query_one(CodebookPanel))
        assert "step 300  used 48/64 (75%)  dead 16" in text
        assert "█" in text and "·" * 16 in text


async def test_log_stays_at_its_end_unless_scrolled(live: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(live)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press("4")
        console = app.screen.query_one("#console", LinesView)
        await wait_until(lambda: "step 300" in text_of(console))
        await pilot.press("home")
        await wait_until(lambda: text_of(console).startswith("step 2 "))
        with live.console_file.open("a") as stream:
            stream.write("later\n")
        await wait_until(lambda: "later" in console.lines)
        assert text_of(console).startswith("step 2 ")


async def test_long_lines_are_wrapped(live: RunFolder, wait_until: WaitUntil) -> None:
    live.console_file.write_text("0123456789" * 20 + "\n北京\n")
    app = app_of(live)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press("4")
        console = app.screen.query_one("#console", LinesView)
        await wait_until(lambda: "北京" in text_of(console))
        lines = [line.strip() for line in text_of(console).splitlines()]
        assert "".join(lines[:3]) == "0123456789" * 20 and lines[3] == "北京"


async def test_request_reaches_a_living_trainer_once_confirmed(live: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(live)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press("s")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("n")
        assert take_requests(live) == []
        for key, request in (("s", "stop"), ("c", "checkpoint"), ("v", "preview"), ("m", "evaluate")):
            await pilot.press(key)
            await pilot.press("y")
            await pilot.pause()
            assert take_requests(live) == [request]
        with JsonlWriter(live.events_file) as events:
            events.write({"step": 310, "time": time.time(), "kind": "request", "request": "[b]stop"})
        await wait_until(lambda: any("request=[b]stop" in note.message for note in app._notifications))


async def test_request_to_an_ended_run_says_that_nobody_listens(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press("s")
        assert isinstance(app.screen, RunScreen)
        assert any("No trainer is at work" in note.message for note in app._notifications)
        assert take_requests(run) == []


async def test_alarms_are_shown(run: RunFolder, wait_until: WaitUntil) -> None:
    run.update_status(status="failed", error="out of memory")
    app = app_of(run)
    async with app.run_test(size=(80, 24)):
        await wait_until(lambda: is_loaded(app))
        bar = app.screen.query_one(StatusBar)
        await wait_until(lambda: bar.alarm_lines)
        assert bar.lines[0].startswith("✖ failed")
        assert bar.alarm_lines[0].startswith("! the run failed: out of memory")


async def test_run_that_vanishes_or_is_empty_is_no_crash(tmp_path: Path, wait_until: WaitUntil) -> None:
    run = create_run(tmp_path, "new", "", {})
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        bar = app.screen.query_one(StatusBar)
        await wait_until(lambda: "new" in bar.lines[0])
        for key in "12345":
            app.simulate_key(key)
        await pilot.pause()
        run.status_file.unlink()
        await wait_until(lambda: any("cannot read" in line for line in bar.alarm_lines))


async def test_picker_lists_runs_and_opens_one(run: RunFolder, wait_until: WaitUntil) -> None:
    other = create_run(run.path.parent, "other", "", {"total_steps": 10})
    (run.path.parent / "broken").mkdir()
    (run.path.parent / "broken" / "run.json").write_text("{")
    app = DashApp(None, run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        picker = app.screen
        assert isinstance(picker, PickerScreen)
        assert [item.name for item in picker.runs] == ["broken", "other", "recorded"]
        options = picker.query_one(OptionList)
        assert str(options.get_option_at_index(1).prompt).split() == [
            "●",
            "running",
            "other",
            "step",
            "0/10",
            "(0%)",
            "0s",
            "ago",
        ]
        await pilot.press("down")
        other.update_status(step=5)
        await pilot.press("r")
        assert picker.runs[0].name == "other"
        assert options.highlighted == 0
        await pilot.press("down", "down", "enter")
        await wait_until(lambda: is_loaded(app))
        assert screen_of(app).state.run.name == "recorded"
        await pilot.press("r")
        await wait_until(lambda: isinstance(app.screen, PickerScreen))


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit(run: RunFolder, key: str, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        await pilot.press(key)
    assert app.return_code == 0
    assert not app.is_running


async def test_hostile_names_are_shown_as_they_are(run: RunFolder, wait_until: WaitUntil) -> None:
    run.update_status(name="[red]name[/red]", error="[/]")
    with JsonlWriter(run.metrics_file) as metrics, JsonlWriter(run.events_file) as events:
        metrics.write({"step": 302, "time": 1.0, "split": "[b]", "loss/[blink]\x1b[5m\u202e": 1.0})
        events.write({"step": 302, "time": 1e300, "kind": "[link=x]", "text": "\x1b]0;t\x07"})
    index = run.previews / "step-00000300" / "preview.json"
    record = json.loads(index.read_text())
    record["clips"][0]["clip"] = "[on red]\x1b[2Jclip"
    index.write_text(json.dumps(record))
    app = app_of(run)
    async with app.run_test(size=(200, 60)):
        await wait_until(lambda: len(app.screen.query_one(ChartGrid).charts) == 16)
        preview = app.screen.query_one(PreviewPanel)
        await wait_until(lambda: preview.clip is not None)
        assert "[red]name[/red]" in app.screen.query_one(StatusBar).lines[0]
        assert "[on red]\ufffd[2Jclip" in preview.caption()
        hostile = next(chart for chart in app.screen.query_one(ChartGrid).charts if "blink" in chart.metric)
        shown_events = app.screen.query_one("#events", LinesView)
        await wait_until(lambda: "[link=x]" in text_of(shown_events))
        texts = [text_of(hostile), text_of(shown_events)]
        assert "loss/[blink]\ufffd[5m\ufffd" in texts[0] and "[link=x] text=\ufffd]0;t\ufffd" in texts[1]
        assert all(character.isprintable() or character == "\n" for text in texts for character in text)
