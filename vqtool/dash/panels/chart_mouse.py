"""What the mouse does on a chart: it points, zooms, drags and chooses."""

from textual import events
from textual.message import Message
from textual.widget import Widget

from vqtool.dash.plotting.plot import Plot

WHEEL_ZOOM = 0.8
WHEEL_PAN = 0.1


class MouseChart(Widget):
    """A widget with a title line above a plot; gestures become messages, places are x values of the plot."""

    class Chosen(Message):
        """The chart was clicked; on its title or not."""

        def __init__(self, chart: "MouseChart", on_title: bool) -> None:
            super().__init__()
            self.chart = chart
            self.on_title = on_title

    class Pointed(Message):
        """The mouse is at `x` (None: it left); `chosen` where it was clicked there."""

        def __init__(self, x: float | None, chosen: bool = False) -> None:
            super().__init__()
            self.x = x
            self.chosen = chosen

    class Zoomed(Message):
        """The window is to be `factor` times as wide, around `x`."""

        def __init__(self, factor: float, x: float) -> None:
            super().__init__()
            self.factor = factor
            self.x = x

    class Panned(Message):
        """The window is to move by a share of its width."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    class ResetWanted(Message):
        """The whole x axis is to be seen again."""

    _drag_x: int | None = None
    _dragged = False

    @property
    def plot(self) -> Plot | None:
        """The plot as drawn last."""
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in at the pointer; with shift or ctrl, pan to the left."""
        self._wheel(event, WHEEL_ZOOM, -WHEEL_PAN)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out at the pointer; with shift or ctrl, pan to the right."""
        self._wheel(event, 1 / WHEEL_ZOOM, WHEEL_PAN)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag."""
        self._drag_x, self._dragged = event.x, False
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the picture while the button is down, else point."""
        if self.plot is None:
            return
        if self._drag_x is None:
            self.post_message(self.Pointed(self.plot.x_at(event.x)))
        elif event.x != self._drag_x:
            width = max(1, self.plot.codes.shape[1] - self.plot.left)
            self.post_message(self.Panned((self._drag_x - event.x) / width))
            self._drag_x, self._dragged = event.x, True

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End dragging."""
        self._drag_x = None
        self.release_mouse()

    def on_leave(self, event: events.Leave) -> None:
        """Point no longer."""
        self.post_message(self.Pointed(None))

    def on_click(self, event: events.Click) -> None:
        """Choose the chart and put the cursor there; twice, show the whole x axis again."""
        event.stop()
        if self._dragged:
            return
        if event.chain == 2 and event.y > 0:
            self.post_message(self.ResetWanted())
            return
        self.post_message(self.Chosen(self, event.y == 0))
        if event.y > 0 and self.plot is not None:
            self.post_message(self.Pointed(self.plot.x_at(event.x), chosen=True))

    def _wheel(self, event: events.MouseEvent, factor: float, share: float) -> None:
        event.stop()
        event.prevent_default()
        if event.shift or event.ctrl:
            self.post_message(self.Panned(share))
        elif self.plot is not None:
            self.post_message(self.Zoomed(factor, self.plot.x_at(event.x)))
