"""Every key that the dashboard binds, in every panel, at three sizes, on logs in every state."""

import asyncio
from collections.abc import Callable, Iterable

import pytest
from textual.binding import Binding, BindingType
from textual.widgets import Input

from vqtool.dash import keys
from vqtool.dash.app import DashApp
from vqtool.dash.dialogs import ConfirmScreen, HelpScreen
from vqtool.dash.panels.log import LogPanel
from vqtool.dash.panels.preview import PreviewPanel
from vqtool.dash.picker import PickerScreen
from vqtool.dash.run_screen import RunScreen
from vqtool.runs.folder import RunFolder

SIZES = [(40, 12), (80, 24), (200, 60)]
LEAVING = ["r", "q", "ctrl+c"]
"""Pressed last, or in a test of their own: they end what the others need."""


def keys_of(*bindings: Iterable[BindingType]) -> set[str]:
    return {key for group in bindings for item in group if isinstance(item, Binding) for key in item.key.split(",")}


SCREEN_KEYS = sorted(keys_of(keys.BINDINGS, LogPanel.BINDINGS) - set(LEAVING))
EVERYWHERE = ["s", "c", "v", "m", "D", "T", "question_mark"]
"""The same in every panel: driven in the first one."""
PANEL_KEYS = ["1", "2", "3", "4", "5", "tab", "shift+tab"]
LAST_KEYS = ["slash", "escape"]
"""What is typed after the slash is searched for."""
OWN_KEYS = [key for key in SCREEN_KEYS if key not in (*EVERYWHERE, *PANEL_KEYS, *LAST_KEYS)] + LAST_KEYS
PICKER_KEYS = sorted(keys_of(PickerScreen.BINDINGS) - set(LEAVING) - {"enter"})


def test_no_key_is_left_out() -> None:
    bound = keys_of(
        RunScreen.BINDINGS, LogPanel.BINDINGS, PickerScreen.BINDINGS, ConfirmScreen.BINDINGS, HelpScreen.BINDINGS
    )
    assert bound | {"ctrl+c"} == {*SCREEN_KEYS, *PICKER_KEYS, *LEAVING, "y", "enter"}
    assert {*OWN_KEYS, *EVERYWHERE, *PANEL_KEYS} == set(SCREEN_KEYS)
    actions = {item.action.partition("(")[0] for item in keys.BINDINGS if isinstance(item, Binding)}
    assert set(keys.PANEL_OF_ACTION) <= actions and len(SCREEN_KEYS) > 50


def test_the_help_names_every_key() -> None:
    named = " ".join(text for _, rows in keys.HELP for text, _ in rows).replace("_", " ")
    spelled = {"question_mark": "?", "plus": "+", "minus": "-", "left_parenthesis": "(", "right_parenthesis": ")"}
    spelled |= {"left_square_bracket": "[", "right_square_bracket": "]", "comma": ",", "full_stop": "."}
    spelled |= {"left_curly_bracket": "{", "right_curly_bracket": "}", "slash": "/", "escape": "esc"}
    spelled |= {"pageup": "pgup", "pagedown": "pgdn", **dict.fromkeys(("left", "right", "up", "down"), "arrows")}
    spelled |= {"shift+left": "shift+←→", "shift+right": "shift+←→", "shift+tab": "tab"}
    aliases = {"equals_sign", "underscore"}
    missing = [key for key in {*SCREEN_KEYS, *LEAVING} - aliases if spelled.get(key, key) not in named]
    assert missing == []


def empty(run: RunFolder) -> None:
    for file in (run.metrics_file, run.events_file, run.console_file):
        file.write_bytes(b"")


def truncated(run: RunFolder) -> None:
    for file in (run.metrics_file, run.events_file, run.console_file, run.status_file):
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])


def corrupt(run: RunFolder) -> None:
    for file in (run.metrics_file, run.events_file, run.console_file):
        content = bytearray(file.read_bytes())
        content[::97] = b"\xff" * len(content[::97])
        file.write_bytes(b'\x1b]0;x\x07{"step": 1e999}\n\x00\x00' + content)


def huge(run: RunFolder) -> None:
    lines = run.metrics_file.read_text().splitlines()
    names = ", ".join(f'"loss/part-{number}": {number}.5' for number in range(30))
    more = "".join(f'{{"step": {step}, "time": 1.7e9, "split": "train", {names}}}\n' for step in range(1000, 6000))
    run.metrics_file.write_text("\n".join(lines) + "\n" + more)
    run.console_file.write_text("x" * 100_000 + "\n" + "line\n" * 20_000)


def growing(run: RunFolder) -> None:
    """As recorded; the test appends to it while keys are pressed."""


@pytest.mark.parametrize("damage", [empty, growing, truncated, corrupt, huge])
async def test_every_key_in_every_panel_at_every_size(run: RunFolder, damage: Callable[[RunFolder], None]) -> None:
    damage(run)
    lines = run.metrics_file.read_bytes().splitlines(keepends=True)
    app = DashApp(run, run.path.parent)
    async with app.run_test(size=SIZES[0]) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            for panel, name in enumerate(keys.PANELS):
                screen = app.screen
                assert isinstance(screen, RunScreen)
                screen.action_panel(panel)
                await pilot.pause()
                for key in [*OWN_KEYS, *(EVERYWHERE if panel == 0 else ())]:
                    app.simulate_key(key)
                if damage is growing:
                    with run.metrics_file.open("ab") as stream:
                        stream.writelines(lines)
                await pilot.pause()
                while not isinstance(app.screen, RunScreen):
                    await pilot.press("escape")
                await pilot.press("escape")
                assert not screen.query_one(Input).has_focus
                shown = [chart for chart in screen.charts.charts if chart.display]
                for widget in (*shown, screen.query_one(PreviewPanel)):
                    strips = [widget.render_line(y) for y in range(widget.size.height)]
                    assert {strip.cell_length for strip in strips} <= {widget.size.width}
                assert app.screen.query_one(f"#{name}").outer_size.width == app.screen.size.width or screen.overview
        for key in PANEL_KEYS:
            await pilot.press(key)
        assert screen.active == 4
        await pilot.press("r")
        await asyncio.sleep(0)
        assert isinstance(app.screen, PickerScreen)


@pytest.mark.parametrize("size", SIZES)
async def test_every_key_of_the_list_of_runs(run: RunFolder, size: tuple[int, int]) -> None:
    app = DashApp(None, run.path.parent)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in PICKER_KEYS:
            await pilot.press(key)
            await pilot.press("escape")
        assert isinstance(app.screen, PickerScreen) and app.screen.marked == [run]
        await pilot.press("q")
    assert app.return_code == 0
