"""The last line: the keys that work now, as many as fit."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

SEPARATOR = "  "
FIRST_KEYS = ("question_mark", "q", "tab")


class KeyBar(Widget):
    """Keys with what they do; a click does it too. What does not fit, the help tells.

    After those that always matter come the keys of the panel in use, then the screen's, in the order of their bindings.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key"}
    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; background: $footer-background; color: $footer-foreground; text-wrap: nowrap; }
    KeyBar .key-bar--key { color: $footer-key-foreground; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: Sequence[Binding] = ()
        self._owners: dict[str, DOMNode] = {}

    def on_mount(self) -> None:
        """Follow what the screen can do."""
        self.screen.bindings_updated_signal.subscribe(self, self._update)
        self._update(self.screen)

    def render(self) -> Text:
        """The line as text."""
        text, style = Text(end="", no_wrap=True), self.get_component_rich_style("key-bar--key")
        for binding in self._fitting():
            text.append(SEPARATOR if text else "")
            text.append(self._key(binding), style)
            text.append(f" {binding.description}")
        return text

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        event.stop()
        end = 0
        for binding in self._fitting():
            end += self._width(binding)
            if event.x < end:
                await self.app.run_action(binding.action, self._owners[binding.action])
                return
            end += len(SEPARATOR)

    def _update(self, screen: Screen[object]) -> None:
        shown = [item for item in screen.active_bindings.values() if item.enabled and item.binding.show]
        first = [item for item in shown if item.binding.key in FIRST_KEYS]
        ordered = sorted(first, key=lambda item: FIRST_KEYS.index(item.binding.key))
        ordered += [item for item in shown if item not in first and item.node is not screen]
        ordered += [item for item in shown if item not in ordered]
        self._keys = list({item.binding.action: item.binding for item in ordered}.values())
        self._owners = {item.binding.action: item.node for item in ordered}
        self.refresh()

    def _fitting(self) -> list[Binding]:
        """The bindings in their order, without those for which there is no room."""
        fitting: list[Binding] = []
        room = self.size.width + len(SEPARATOR)
        for binding in self._keys:
            width = self._width(binding) + len(SEPARATOR)
            if width <= room:
                fitting.append(binding)
                room -= width
        return fitting

    def _key(self, binding: Binding) -> str:
        return self.app.get_key_display(binding)

    def _width(self, binding: Binding) -> int:
        return cell_len(self._key(binding)) + 1 + cell_len(binding.description)
