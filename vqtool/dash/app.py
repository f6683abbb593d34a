"""The dashboard as an application."""

import asyncio
import signal
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from vqtool.dash.images import ImageMode
from vqtool.dash.picker import PickerScreen
from vqtool.dash.run_screen import RunScreen
from vqtool.dash.themes import SAFE_DARK, SAFE_LIGHT, load_theme, next_theme, save_theme
from vqtool.runs.folder import RunFolder

ENDING_SIGNALS = (signal.SIGHUP, signal.SIGTERM)


class DashApp(App[None]):
    """Shows one run, or first a list of runs to choose from."""

    TITLE = "vqtool dash"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Quit", show=False, priority=True)]

    def __init__(
        self, run: RunFolder | None, runs_dir: Path, images: ImageMode = "blocks", *, others: Sequence[RunFolder] = ()
    ) -> None:
        """Show `run` and the curves of `others` beside its own, or where it is None the runs in `runs_dir`.

        `images` is how pictures are drawn.
        """
        super().__init__()
        self._images = images
        for theme in (SAFE_DARK, SAFE_LIGHT):
            self.register_theme(theme)
        chosen = load_theme()
        if chosen in self.available_themes:
            self.theme = chosen
        self._first_screen = PickerScreen(runs_dir) if run is None else RunScreen(run, images, others=others)

    def on_mount(self) -> None:
        """Show the first screen; a closed terminal and a kill end the program as its key does."""
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        if not self.is_headless:
            for number in ENDING_SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._end, number)
        self.push_screen(self._first_screen)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: Textual's commands, and what the keys of the screen do now."""
        yield from super().get_system_commands(screen)
        offered = set()
        for node, binding, enabled, _ in screen.active_bindings.values():
            own = any(binding.action == item.action for item in screen.BINDINGS if isinstance(item, Binding))
            if enabled and own and binding.description and binding.action not in offered:
                offered.add(binding.action)
                key = self.get_key_display(replace(binding, key_display=None))
                yield SystemCommand(binding.description, f"key {key}", partial(self.run_action, binding.action, node))

    def action_next_theme(self) -> None:
        """Other colours."""
        self.theme = next_theme(self.theme)

    def on_run_screen_runs_wanted(self, message: RunScreen.RunsWanted) -> None:
        """From a run to the list of runs."""
        self.switch_screen(PickerScreen(message.runs_dir))

    def on_picker_screen_chosen(self, message: PickerScreen.Chosen) -> None:
        """From the list of runs to a run, with those marked beside it."""
        self.switch_screen(RunScreen(message.run, self._images, others=message.others))

    def _keep_theme(self, theme: Theme) -> None:
        save_theme(theme.name)

    def _end(self, number: int) -> None:
        """Keep the view at once, for there may be no terminal left to leave in order."""
        for screen in self.screen_stack:
            if isinstance(screen, RunScreen):
                screen.keep_view()
        self.exit(return_code=128 + number)
