"""The dashboard as an application."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from vqtool.dash.images import ImageMode
from vqtool.dash.picker import PickerScreen
from vqtool.dash.run_screen import RunScreen
from vqtool.runs.folder import RunFolder


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
        self._first_screen = PickerScreen(runs_dir) if run is None else RunScreen(run, images, others=others)

    def on_mount(self) -> None:
        """Show the first screen."""
        self.push_screen(self._first_screen)

    def on_run_screen_runs_wanted(self, message: RunScreen.RunsWanted) -> None:
        """From a run to the list of runs."""
        self.switch_screen(PickerScreen(message.runs_dir))

    def on_picker_screen_chosen(self, message: PickerScreen.Chosen) -> None:
        """From the list of runs to a run, with those marked beside it."""
        self.switch_screen(RunScreen(message.run, self._images, others=message.others))
