"""What a trainer notices about its own run, from the numbers it logs: each fault once, when it begins."""

import statistics
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WINDOW = 50
"""Logged lines that the present is compared with."""
MIN_LINES = 20
"""Fewer do not say what is usual."""
SPIKE_FACTOR = 3.0
BLOW_UP_FACTOR = 10.0
STALL_FACTOR, STALL_SECONDS = 20.0, 10.0
STARVED_SHARE = 0.5
STARVED_LINES = 5
COLLAPSE_SHARE = 0.05


@dataclass(frozen=True)
class Alarm:
    """A fault that has just begun: `kind` is one word, `evidence` what was seen, with numbers."""

    kind: str
    evidence: str


class AlarmWatch:
    """Follows the lines of the train split (names as in metrics.jsonl); losses are compared with their running median.

    A fault is told once and again only after a line without it.
    """

    def __init__(self, codebook_size: int) -> None:
        self._codebook_size = codebook_size
        self._recent: dict[str, deque[float]] = {}
        self._losses: set[str] = set()
        self._num_starved = 0
        self._present: set[str] = set()

    def update(self, numbers: Mapping[str, float], seconds: float, quantized: bool) -> list[Alarm]:
        """The faults that begin with this line; `seconds` is how long its step took."""
        losses = {name for name in numbers if name.startswith("loss/")}
        if losses != self._losses:
            # A sum of other parts is on another scale: LPIPS with a late start, say.
            self._losses = losses
            self._recent.pop("total", None)
        found = list(self._find(numbers, seconds, quantized))
        fresh = [alarm for alarm in found if alarm.kind not in self._present]
        self._present = {alarm.kind for alarm in found}
        for name, value in (("total", numbers["loss/total"]), ("seconds", seconds), *_commitment(numbers)):
            self._recent.setdefault(name, deque(maxlen=WINDOW)).append(value)
        return fresh

    def judge(self, scores: Mapping[str, float]) -> Alarm | None:
        """The fault that an evaluation late in a stage shows: what moves is no better than the still context."""
        moving, context = scores.get("metric/psnr_moving"), scores.get("metric/psnr_moving_context")
        if moving is None or context is None or moving > context:
            return None
        return Alarm("still", f"moving pixels {moving:.2f} dB, the context alone has {context:.2f} dB")

    def _find(self, numbers: Mapping[str, float], seconds: float, quantized: bool) -> Iterator[Alarm]:
        usual, total = self._usual("total"), numbers["loss/total"]
        if usual is not None and total > SPIKE_FACTOR * usual:
            yield Alarm("spike", f"loss/total {total:.4g}, the median of the last lines is {usual:.4g}")
        usual = self._usual("commitment")
        for _, value in _commitment(numbers):
            if usual is not None and value > BLOW_UP_FACTOR * usual:
                yield Alarm("commitment", f"loss/commitment {value:.4g}, the median of the last lines is {usual:.4g}")
        usual = self._usual("seconds")
        if usual is not None and seconds > max(STALL_FACTOR * usual, STALL_SECONDS):
            yield Alarm("stall", f"a step took {seconds:.0f} s, the median is {usual:.2g} s")
        yield from self._starvation(numbers["speed/data_wait_fraction"])
        used = numbers["codebook/used"]
        if quantized and self._usual("total") is not None and used < COLLAPSE_SHARE * self._codebook_size:
            yield Alarm("collapse", f"{used:.0f} of {self._codebook_size} codes used in the last 100 steps")

    def _starvation(self, share: float) -> Iterator[Alarm]:
        self._num_starved = self._num_starved + 1 if share > STARVED_SHARE else 0
        if self._num_starved >= STARVED_LINES:
            yield Alarm("starvation", f"{share:.0%} of a step is spent waiting for data")

    def _usual(self, name: str) -> float | None:
        values = self._recent.get(name, ())
        return statistics.median(values) if len(values) >= MIN_LINES else None


def _commitment(numbers: Mapping[str, float]) -> list[tuple[str, float]]:
    """The commitment loss, where it is there and above nothing: before quantization it is 0."""
    value = numbers.get("loss/commitment", 0.0)
    return [("commitment", value)] if value > 0 else []
