"""What the keys of the picture, codebook and run panels do."""

from textual.screen import Screen

from vqtool.dash.panels.codebook import CodebookPanel
from vqtool.dash.panels.preview import PreviewPanel
from vqtool.dash.panels.run import RunPanel


class PictureActions(Screen[None]):
    """Actions of a screen that has these panels."""

    def watch_cursor_step(self, step: int | None) -> None:
        """The charts' cursor went to a step: so does the preview."""
        if step is not None:
            self._preview.show_step(step)

    def action_play(self) -> None:
        """Play or pause."""
        self._preview.toggle_playing()

    def action_rate(self, change: int) -> None:
        """Play faster or slower."""
        self._preview.change_rate(change)

    def action_scrub(self, change: int) -> None:
        """Show an earlier or a later preview."""
        self._preview.scrub(change)

    def action_frame(self, change: int) -> None:
        """Show another frame."""
        self._preview.step_frame(change)

    def action_clip(self, change: int) -> None:
        """Show another clip."""
        self._preview.change_clip(change)

    def action_error_map(self) -> None:
        """Show the error map or hide it."""
        self._preview.toggle_error()

    def action_compare(self) -> None:
        """Compare with this step, or end that."""
        self._preview.toggle_compare()

    def action_tokens(self) -> None:
        """Show the codes as colours, as numbers, or not."""
        self._preview.next_token_view()

    def action_next_codebook(self) -> None:
        """Show the next codebook, in the pictures and in the codebook panel."""
        self._preview.next_part()
        self.query_one(CodebookPanel).next_codebook()

    def action_code_order(self) -> None:
        """Order the codes by their numbers or by their use."""
        self.query_one(CodebookPanel).toggle_ranked()

    def action_worst(self) -> None:
        """Show the worst clips of the last evaluation, or the previews again."""
        self._preview.change_source()

    def action_next_other(self) -> None:
        """Compare the run with the next one of the folder."""
        self.query_one(RunPanel).next_other()

    @property
    def _preview(self) -> PreviewPanel:
        return self.query_one(PreviewPanel)
