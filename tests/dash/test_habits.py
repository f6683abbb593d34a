"""Alarms that ring and go, the palette, themes, and the list of runs filtered and sorted."""

import time
from collections.abc import Awaitable, Callable

import pytest
from textual.widgets import OptionList

from vqtool.dash.app import DashApp
from vqtool.dash.panels.lines import LinesView
from vqtool.dash.panels.status import StatusBar
from vqtool.dash.picker import PickerScreen
from vqtool.dash.run_screen import RunScreen
from vqtool.runs.folder import RunFolder, create_run
from vqtool.runs.jsonl import JsonlWriter

WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]


def app_of(run: RunFolder) -> DashApp:
    return DashApp(run, run.path.parent)


def screen_of(app: DashApp) -> RunScreen:
    assert isinstance(app.screen, RunScreen)
    return app.screen


def is_loaded(app: DashApp) -> bool:
    return bool(screen_of(app).charts.charts)


async def test_alarms_are_dismissed_listed_and_rung(
    live: RunFolder, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(DashApp, "bell", lambda app: rung.append(1))

    def spike(evidence: str) -> None:
        with JsonlWriter(live.events_file) as log:
            event = {"step": 310, "time": time.time(), "kind": "alarm", "alarm": "spike", "evidence": evidence}
            log.write(event)
        live.update_status(heartbeat=time.time())

    spike("before it was opened")
    app = app_of(live)
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_until(lambda: is_loaded(app))
        bar = app.screen.query_one(StatusBar)
        await wait_until(lambda: bar.alarm_lines)
        assert not rung
        await pilot.press("D")
        assert not bar.alarm_lines
        spike("while it was open")
        await wait_until(lambda: any("while it was open" in line for line in bar.alarm_lines))
        assert len(rung) == 1
        await pilot.press("D", "5")
        assert not bar.alarm_lines
        await wait_until(lambda: "while it was open" in "\n".join(app.screen.query_one("#overview", LinesView).lines))


async def test_the_palette_does_what_keys_do_and_themes_are_kept(run: RunFolder, wait_until: WaitUntil) -> None:
    app = app_of(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: is_loaded(app))
        offered = {command.title: command for command in app.get_system_commands(app.screen)}
        assert {"Log y", "Outliers", "Runs", "Stop", "Dismiss alarms", "Quit"} <= offered.keys()
        assert "Play" not in offered, "of the panel that is seen"
        await offered["Log y"].callback()
        await wait_until(lambda: screen_of(app).charts.charts[0].log_y)
        seen = [app.theme]
        for _ in range(4):
            await pilot.press("T")
            seen.append(app.theme)
        assert seen[4] == seen[0] and len(set(seen)) == 4
        await pilot.press("T", "T")
        chosen = app.theme
    assert chosen == "colour-blind-dark" and app_of(run).theme == chosen


async def test_picker_filters_and_sorts(run: RunFolder, wait_until: WaitUntil) -> None:
    best = create_run(run.path.parent, "alpha", "", {})
    best.update_status(status="stopped", step=7, best={"psnr": [31.5, 7]})
    run.update_status(best={"psnr": [20.0, 100]})
    create_run(run.path.parent, "zeta", "", {}).update_status(best={"psnr": "x"})
    app = DashApp(None, run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        picker = app.screen
        assert isinstance(picker, PickerScreen)
        orders = {}
        for _ in range(4):
            orders[picker.order] = [item.name for item in picker.runs]
            await pilot.press("s")
        assert orders["last active"] == ["zeta", "recorded", "alpha"]
        assert orders["name"] == ["alpha", "recorded", "zeta"]
        assert orders["step"] == ["recorded", "alpha", "zeta"]
        assert orders["best PSNR"] == ["alpha", "recorded", "zeta"]
        assert "31.5 dB" in str(picker.query_one(OptionList).get_option_at_index(2).prompt)
        await pilot.press("slash", *"STOP")
        assert [item.name for item in picker.runs] == ["alpha"]
        await pilot.press("enter", "space")
        assert [item.name for item in picker.marked] == ["alpha"]
        await pilot.press("escape")
        assert len(picker.runs) == 3 and [item.name for item in picker.marked] == ["alpha"]
        await pilot.press("slash", *"nothing", "enter", "enter", "space")
        assert picker.runs == [] and app.screen is picker
