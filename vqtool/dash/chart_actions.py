"""What the keys of the charts do."""

from vqtool.dash.panels.chart_grid import ChartGrid


class ChartActions:
    """The actions of a screen that has charts."""

    @property
    def charts(self) -> ChartGrid:
        """The charts."""
        raise NotImplementedError

    def action_enlarge(self) -> None:
        """Enlarge the selected chart, or show all again."""
        self.charts.toggle_enlarged()

    def action_select(self, across: int, down: int) -> None:
        """Select another chart."""
        self.charts.move(across, down)

    def action_page(self, change: int) -> None:
        """Turn the page of charts."""
        self.charts.turn_page(change)

    def action_zoom(self, change: int) -> None:
        """Zoom in or out."""
        self.charts.zoom(change)

    def action_reset_zoom(self) -> None:
        """Show the whole x axis."""
        self.charts.reset_zoom()

    def action_zoom_y(self, change: int) -> None:
        """Zoom the y axis of the selected chart in or out, or fit it."""
        self.charts.zoom_y(change)

    def action_pan(self, change: int) -> None:
        """Show an earlier or a later part."""
        self.charts.pan(change)

    def action_cursor(self, columns: int) -> None:
        """Move the cursor."""
        self.charts.move_cursor(columns)

    def action_hide_cursor(self) -> None:
        """No cursor."""
        self.charts.hide_cursor()

    def action_x_axis(self) -> None:
        """Switch the charts' x axis."""
        self.charts.next_x_axis()

    def action_log_x(self) -> None:
        """Switch between a linear and a logarithmic x axis."""
        self.charts.toggle_log_x()

    def action_log_y(self) -> None:
        """Switch the selected chart's y axis."""
        self.charts.toggle_log()

    def action_outliers(self) -> None:
        """Let outliers leave the picture, or show them again."""
        self.charts.toggle_outliers()

    def action_smooth(self, change: int) -> None:
        """Smooth more or less."""
        self.charts.change_smoothing(change)
