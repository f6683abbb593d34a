"""The small screens on top: a question, and the keys."""

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class ConfirmScreen(ModalScreen[bool]):
    """A question with yes and no; the answer is the screen's result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]
    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; }
    ConfirmScreen > Vertical {
        width: auto; max-width: 90%; height: auto; padding: 1 2; background: $panel; border: round $primary;
    }
    ConfirmScreen Static { width: auto; max-width: 100%; height: auto; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question and the keys that answer it."""
        with Vertical():
            yield Static(self._question, markup=False)
            yield Static("y yes   n no", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)


class HelpScreen(ModalScreen[None]):
    """The keys of a screen, in groups."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "close", "Close")]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 68; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; background: $panel;
        border: round $primary;
    }
    HelpScreen Static { height: auto; }
    """

    def __init__(self, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """With groups of (title, (keys, what they do) ...)."""
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """The table of keys."""
        table = Table.grid(padding=(0, 2))
        for title, keys in self._groups:
            table.add_row(Text(title, style="bold"), "")
            for key, meaning in keys:
                table.add_row(Text(f"  {key}"), Text(meaning))
        with VerticalScroll():
            yield Static(table, markup=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss()
