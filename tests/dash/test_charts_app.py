"""The charts as a user drives them: keys, mouse, several runs, logs in any condition."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import OptionList, Static

from vqtool.dash.app import DashApp
from vqtool.dash.panels.chart import Chart
from vqtool.dash.panels.chart_grid import ChartGrid
from vqtool.dash.panels.status import StatusBar, TabBar
from vqtool.dash.picker import PickerScreen
from vqtool.dash.run_screen import RunScreen
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder
from vqtool.runs.jsonl import JsonlWriter

START = 1_700_000_000.0
SIZES = [(40, 12), (80, 24), (200, 60)]
WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]


def grid_of(app: DashApp) -> ChartGrid:
    return app.screen.query_one(ChartGrid)


def chart_of(app: DashApp, metric: str) -> Chart:
    return next(chart for chart in app.screen.query_one(ChartGrid).charts if chart.metric == metric)


def is_drawn(app: DashApp, metric: str = "loss/total") -> bool:
    charts = {chart.metric: chart for chart in app.screen.query_one(ChartGrid).charts}
    return isinstance(app.screen, RunScreen) and metric in charts and charts[metric].plot is not None


def text_of(widget: Widget) -> str:
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


def title_of(app: DashApp, metric: str) -> str:
    return chart_of(app, metric).render_line(0).text


def copy_run(run: RunFolder, name: str) -> RunFolder:
    return RunFolder(shutil.copytree(run.path, run.path.parent / name))


@pytest.mark.parametrize("size", SIZES)
async def test_keys_zoom_pan_and_reset(recorded: RunFolder, size: tuple[int, int], wait_until: WaitUntil) -> None:
    app = DashApp(recorded, recorded.path.parent)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: is_drawn(app))
        grid = grid_of(app)
        assert grid.view.shown == (2.0, 300.0)
        await pilot.press("plus")
        low, high = grid.view.shown
        assert (low + high) / 2 == pytest.approx(151.0) and high - low == pytest.approx(0.6 * 298)
        await pilot.press("shift+right")
        assert grid.view.shown[0] > low
        await pilot.press("left_parenthesis", "left_parenthesis")
        assert grid.view.shown[0] < low
        await pilot.press("minus", "minus")
        assert grid.view.window is None
        await pilot.press("equals_sign", "plus", "plus", "0")
        assert grid.view.window is None
        await pilot.press("plus", "x")
        assert grid.view.shown == pytest.approx(((low - 2) / 10, (high - 2) / 10))
        await pilot.press("x", "x")
        assert grid.view.shown == pytest.approx((low, high))


@pytest.mark.parametrize("size", SIZES)
async def test_cursor_reads_all_charts_at_one_step(
    recorded: RunFolder, size: tuple[int, int], wait_until: WaitUntil
) -> None:
    app = DashApp(recorded, recorded.path.parent)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: is_drawn(app))
        screen, grid = app.screen, grid_of(app)
        assert isinstance(screen, RunScreen)
        await pilot.press("h")
        await wait_until(lambda: screen.cursor_step == 300)
        await pilot.press("H", "H")
        await pilot.pause()
        step = screen.cursor_step
        assert step is not None and step < 290 and step % 2 == 0 and grid.view.cursor == step
        await pilot.press("l")
        await wait_until(lambda: screen.cursor_step is not None and screen.cursor_step > step)
        grid.point_at_step(102)
        assert f"{0.4 + 4 * np.exp(-102 / 60):.4g}" in title_of(app, "loss/total")
        if size[0] > 40:
            assert " 16" in title_of(app, "metric/psnr")
            await wait_until(lambda: "at 102" in text_of(app.screen.query_one(TabBar)))
        await pilot.press("x", "x")
        assert grid.view.cursor == pytest.approx(1_700_000_010.2)
        await pilot.press("escape")
        await wait_until(lambda: screen.cursor_step is None)
        assert grid.view.cursor is None and "0.427" in title_of(app, "loss/total")


async def test_keys_of_axes_change_what_is_drawn(run: RunFolder, wait_until: WaitUntil) -> None:
    with JsonlWriter(run.metrics_file) as metrics:
        metrics.write({"step": 301, "time": 1.0, "split": "train", "loss/total": 1e9})
        metrics.write({"step": 302, "time": 1.0, "split": "train", "loss/total": -1.0})
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_drawn(app))
        await pilot.press("enter")
        await wait_until(lambda: chart_of(app, "loss/total").size.width > 70)
        await pilot.press("i")
        assert "1 outlier ▲▼" in title_of(app, "loss/total") and "▲" in text_of(chart_of(app, "loss/total"))
        await pilot.press("i", "y")
        await pilot.pause()
        text_of(chart_of(app, "loss/total"))
        assert "log, 1 not positive" in title_of(app, "loss/total")
        await pilot.press("X")
        await pilot.pause()
        assert grid_of(app).view.log_x
        assert text_of(chart_of(app, "loss/total")).splitlines()[-1].split() == ["10", "100"]


async def wheel(pilot: Pilot[None], kind: type[MouseScrollUp | MouseScrollDown], chart: Chart, x: int) -> None:
    await pilot._post_mouse_events([kind], chart, (x, 4))
    await pilot.pause()


async def test_mouse_zooms_drags_points_and_resets(recorded: RunFolder, wait_until: WaitUntil) -> None:
    app = DashApp(recorded, recorded.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_drawn(app))
        grid, chart = grid_of(app), chart_of(app, "metric/psnr")
        await wait_until(lambda: chart.plot is not None)
        assert chart.plot is not None
        there = chart.plot.x_at(25)
        await wheel(pilot, MouseScrollUp, chart, 25)
        await wheel(pilot, MouseScrollUp, chart, 25)
        text_of(chart)
        low, high = grid.view.shown
        assert high - low == pytest.approx(0.64 * 298) and chart.plot.x_at(25) == pytest.approx(there)
        await pilot.mouse_down(chart, offset=(25, 4))
        await pilot.hover(chart, offset=(20, 4))
        await pilot.hover(chart, offset=(10, 4))
        await pilot.mouse_up(chart, offset=(10, 4))
        assert grid.view.shown[0] > low and grid.view.cursor is None
        await pilot.hover(chart, offset=(15, 4))
        assert grid.view.hover is not None and grid.view.pointer == grid.view.hover
        assert text_of(chart).splitlines()[4][15] == "│"
        await wheel(pilot, MouseScrollDown, chart, 15)
        await pilot.click(chart, offset=(15, 4))
        await wait_until(lambda: grid.view.cursor is not None)
        assert chart.is_selected
        await pilot.click(chart, offset=(15, 4), times=2)
        await wait_until(lambda: grid.view.window is None)
        await pilot.hover(StatusBar)
        await wait_until(lambda: grid.view.hover is None)


async def test_runs_are_overlaid_with_letters_and_names(run: RunFolder, wait_until: WaitUntil) -> None:
    other = copy_run(run, "[red]other")
    (other.metrics_file).write_text('{"step": 1, "time": 5.0, "split": "train", "loss/total": 7.5, "only/here": 1.0}\n')
    app = DashApp(run, run.path.parent, others=[other])
    async with app.run_test(size=(120, 24)) as pilot:
        await wait_until(
            lambda: (
                is_drawn(app) and any(chart.metric == "only/here" for chart in app.screen.query_one(ChartGrid).charts)
            )
        )
        await pilot.press("enter")
        await wait_until(lambda: "B─ train 7.5" in title_of(app, "loss/total"))
        assert "A─ train" in title_of(app, "loss/total") and "A◆ val" in title_of(app, "loss/total")
        await wait_until(lambda: "A recorded  B [red]other" in text_of(app.screen.query_one("#runs", Static)))
        assert "A" in "\n".join(text_of(chart_of(app, "loss/total")).splitlines()[1:])
        for key in ("x", "X", "plus", "h", "x", "x", "i", "a", "0"):
            await pilot.press(key)
        with JsonlWriter(other.metrics_file) as metrics:
            metrics.write({"step": 2, "time": 6.0, "split": "train", "loss/total": 8.5})
        await pilot.press("escape")
        await wait_until(lambda: "B─ train 8.5" in title_of(app, "loss/total"))


async def test_marked_runs_of_the_picker_are_overlaid(run: RunFolder, wait_until: WaitUntil) -> None:
    copy_run(run, "other")
    app = DashApp(None, run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: isinstance(app.screen, PickerScreen) and len(app.screen.runs) == 2)
        picker = app.screen
        assert isinstance(picker, PickerScreen)
        await pilot.press("space")
        assert str(picker.query_one(OptionList).get_option_at_index(0).prompt).startswith("◉")
        await pilot.press("space")
        assert picker.marked == []
        await pilot.press("space", "down", "enter")
        await wait_until(lambda: is_drawn(app))
        assert isinstance(app.screen, RunScreen)
        assert {state.run.name for state in app.screen.others} == {picker.marked[0].name} != {app.screen.state.run.name}


@pytest.mark.parametrize("size", SIZES)
async def test_logs_in_any_condition(run: RunFolder, size: tuple[int, int], wait_until: WaitUntil) -> None:
    run.metrics_file.write_bytes(b"")
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "recorded" in app.screen.query_one(StatusBar).lines[0])
        assert grid_of(app).query_one("#no-metrics").display

        async def drive() -> None:
            for key in ("plus", "h", "H", "x", "X", "x", "y", "x", "i", "shift+left", "enter", "enter", "0", "escape"):
                app.simulate_key(key)
            await pilot.pause()

        await drive()
        with JsonlWriter(run.metrics_file) as metrics:
            metrics.write({"step": 0, "time": None, "split": "train", "loss/total": None})
        await wait_until(lambda: is_drawn(app))
        await drive()
        with run.metrics_file.open("ab") as stream:
            stream.write(b'{"step": 5, "split": "train", "loss/total": 3.25, "time": 1e300}\n\xff\x00{\n{"step"')
        await wait_until(lambda: "3.25" in title_of(app, "loss/total"))
        await drive()
        run.metrics_file.write_bytes(b'{"step": 7, "split": "val", "loss/total": 4.5}\n')
        await wait_until(lambda: "4.5" in title_of(app, "loss/total") and "3.25" not in title_of(app, "loss/total"))
        await drive()


async def test_long_log_shows_its_end_first_and_all_of_it_soon(run: RunFolder, wait_until: WaitUntil) -> None:
    with run.metrics_file.open("a") as stream:
        stream.writelines(
            f'{{"step": {step}, "time": {step}.0, "split": "train", "loss/total": 2.5}}\n'
            for step in range(302, 30_000)
        )
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=(80, 24)):
        await wait_until(lambda: is_drawn(app))
        await wait_until(lambda: grid_of(app).view.extent == (2.0, 29_999.0))
        assert "loading" not in text_of(app.screen.query_one(TabBar))


def test_name_of_the_folder_is_all_that_a_run_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vqtool.cli.watch import _named_run

    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "runs" / "tiny" / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert _named_run(Path("tiny")) == Path("runs/tiny")
    assert _named_run(Path("tmp/other")) == Path("tmp/other")
    with pytest.raises(RunError, match="no run 'tinny' in runs; did you mean tiny"):
        _named_run(Path("tinny"))


@pytest.mark.parametrize("size", SIZES)
async def test_events_are_marked_and_named_at_the_cursor(
    run: RunFolder, size: tuple[int, int], wait_until: WaitUntil
) -> None:
    with JsonlWriter(run.events_file) as log:
        log.write({"step": 150, "time": START + 15, "kind": "checkpoint", "path": "step-00000150"})
        log.write({"step": 250, "time": START + 25, "kind": "alarm", "alarm": "spike"})
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: is_drawn(app) and len(grid_of(app).view.signs.x) == 5)
        grid = grid_of(app)
        plot = chart_of(app, "loss/total").plot
        assert plot is not None and "!" in plot.rows()[0]
        for step, name in ((150, "checkpoint"), (250, "alarm spike"), (200, "evaluation")):
            grid.point_at_step(step)
            assert grid.note.split(", ")[1] == name
        grid.point_at_step(20)
        assert "page" in grid.note.split(", ")[1]
        await pilot.press("x")
        assert grid.view.signs.x.max() == pytest.approx(29.8)


@pytest.mark.parametrize("size", SIZES)
async def test_y_axis_zooms_and_fits(recorded: RunFolder, size: tuple[int, int], wait_until: WaitUntil) -> None:
    app = DashApp(recorded, recorded.path.parent)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: is_drawn(app))
        grid = grid_of(app)
        chart = grid.charts[grid.selected]
        assert chart.plot is not None
        low, high = chart.plot.y_range
        await pilot.press("z", "z")
        assert chart.y_window is not None
        assert chart.y_window[1] - chart.y_window[0] == pytest.approx(0.36 * (high - low))
        last = float(chart._curve(chart._lines[0]).y[-1])
        share = (last - low) / (high - low)
        assert (last - chart.y_window[0]) / (0.36 * (high - low)) == pytest.approx(share)
        await wait_until(lambda: chart.plot is not None and chart.plot.y_range == chart.y_window)
        await pilot.press("Z")
        assert chart.y_window[1] - chart.y_window[0] == pytest.approx(0.6 * (high - low))
        await pilot.press("f")
        assert chart.y_window is None
        for _ in range(2):
            chart.zoom_y(1)  # no time to redraw between
        assert chart.y_window[1] - chart.y_window[0] == pytest.approx(0.36 * (high - low))
        await pilot.press("z", "y")
        assert chart.y_window is None and chart.log_y
        grid.point_at_step(2)
        for _ in range(60):
            await pilot.press("z")
        assert chart.y_window is not None and chart.y_window[0] < chart.y_window[1]
        other = grid.charts[grid.selected + 1]
        assert other.y_window is None


async def test_view_is_there_again_at_the_next_start(recorded: RunFolder, wait_until: WaitUntil) -> None:
    async def look(*presses: str) -> RunScreen:
        app = DashApp(recorded, recorded.path.parent)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = app.screen
            assert isinstance(screen, RunScreen)
            await wait_until(
                lambda: (
                    screen.charts.charts
                    and (screen.active or any(c.plot for c in app.screen.query_one(ChartGrid).charts))
                )
            )
            await pilot.press(*presses)
        return screen

    first = await look("right", "y", "z", "plus", "x", "i", "A", "enter", "1", "2", "1")
    again = await look()
    assert again.charts.selected == first.charts.selected == 1
    assert again.charts.view.window == first.charts.view.window and first.charts.view.window is not None
    assert (again.charts.view.x_kind, again.charts.view.clip_outliers) == ("seconds", True)
    assert again.charts.view.decay == first.charts.view.decay == 0.0
    assert again.charts.enlarged and again.charts.charts[1].log_y and not again.charts.charts[0].log_y
    assert again.charts.charts[1].y_window == first.charts.charts[1].y_window is not None
    await look("enter", "0", "2")
    assert (await look("1")).charts.view.window is None
