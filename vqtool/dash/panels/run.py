"""The run panel: the overview as lines that scroll."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from vqtool.dash.overview import Comparison, compare, overview_lines
from vqtool.dash.panels.lines import LinesView
from vqtool.dash.state import RunState
from vqtool.dash.summary import Summary


class RunPanel(Vertical):
    """Facts, machine, config; `next_other` compares with another run of the folder."""

    class Compared(Message):
        """Configs were read."""

        def __init__(self, comparison: Comparison) -> None:
            super().__init__()
            self.comparison = comparison

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._comparison = Comparison({})
        self._other: int | None = None
        self._key: object = None
        self._state: RunState | None = None
        self._summary: Summary | None = None
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        """One view."""
        yield LinesView("reading the run", at_end=False, id="overview")

    def show(self, state: RunState, summary: Summary) -> None:
        """Show these facts; the config is read again where a trainer took over."""
        self._state, self._summary = state, summary
        key = state.status.get("pid"), state.status.get("started"), state.status.get("command")
        if key != self._key:
            self._key = key
            self._read()
        self._fill()

    def next_other(self) -> None:
        """Compare with the next run of the folder."""
        self._other = 0 if self._other is None else self._other + 1
        self._read()

    def on_run_panel_compared(self, message: Compared) -> None:
        """Take in what was read."""
        message.stop()
        self._comparison = message.comparison
        self._fill()

    def _read(self) -> None:
        if self._state is not None:
            run, other = self._state.run, self._other
            self.run_worker(
                lambda: self.post_message(self.Compared(compare(run, other))), group="run", exclusive=True, thread=True
            )

    def _fill(self) -> None:
        if self._state is None or self._summary is None:
            return
        lines = list(overview_lines(self._state, self._summary, self._comparison))
        if lines != self._lines:
            self._lines = lines
            self.query_one(LinesView).show(lines)
