"""How the newest evaluation used the codebook: figures, ranked bars, and a map of the codes."""

import numpy as np
from rich.text import Text
from textual.widget import Widget

from vqtool.dash.plotting.bars import DEAD, code_map, perplexity, rank_bars
from vqtool.dash.reader import CodebookUsage
from vqtool.dash.text import percent, short_number

NOTHING = "no codebook usage yet: every evaluation writes it (train.eval_every)"
MIN_ROWS_FOR_MAP = 12


class CodebookPanel(Widget):
    """Usage counts of the codes."""

    DEFAULT_CSS = """
    CodebookPanel { width: 1fr; height: 1fr; padding: 0 1; text-wrap: nowrap; text-overflow: clip; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._usage: CodebookUsage | None = None

    def show(self, usage: CodebookUsage | None) -> None:
        """Draw these counts from now on."""
        if usage is not self._usage:
            self._usage = usage
            self.refresh()

    def render(self) -> Text:
        """The panel as text."""
        if self._usage is None:
            return Text(NOTHING)
        return Text("\n".join(self._lines(self._usage, *self.size)), end="")

    def _lines(self, usage: CodebookUsage, columns: int, rows: int) -> list[str]:
        counts, room = usage.counts, rows - 3
        lines = [*figures(usage)]
        mapped = code_map(counts, columns - columns % 32 if columns > 32 else columns)
        bars = room if room < MIN_ROWS_FOR_MAP else max(6, room - len(mapped) - 2)
        lines += rank_bars(counts, bars, columns)
        lines.append(f"codes from the most to the least used, logarithmic; the most: {short_number(counts.max())}")
        left = rows - len(lines)
        if left > 2:
            lines += ["", f"each code in the codebook's order ({DEAD} never used)", *mapped[: left - 2]]
        return lines


def figures(usage: CodebookUsage) -> list[str]:
    """Two lines of figures on the usage."""
    counts, total = usage.counts, float(usage.counts.sum())
    used = int(np.count_nonzero(counts))
    effective = perplexity(counts)
    bits = np.log2(effective) if effective else 0.0
    top = float(np.sort(counts)[::-1][:10].sum()) / total if total else 0.0
    share = percent(used / len(counts))
    return [
        f"step {usage.step:,}  used {used:,}/{len(counts):,} ({share})  dead {len(counts) - used:,}",
        f"perplexity {short_number(effective)} ({bits:.2f} bits a token)  ten most used: {percent(top)} of tokens",
    ]
