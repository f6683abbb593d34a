"""What looking for tokens (`vqtool encode --search`) gains a tokenizer, and what it costs."""

from collections.abc import Mapping

from measuring import table
from vqtool.core.config import Config, MetricName
from vqtool.core.device import choose_device
from vqtool.core.metrics import build_metrics
from vqtool.core.tokenizers import Tokenizer
from vqtool.data.windows import Windows
from vqtool.evaluation.evaluate import Contender, Evaluation, evaluate_all, reconstructor_of
from vqtool.weights.networks import load_networks

STEPS = 60
METRICS: tuple[MetricName, ...] = ("psnr", "lpips")


def search(models: Mapping[str, tuple[Tokenizer, Config]], windows: Windows) -> dict[str, Evaluation]:
    """Each model by the tokens that a search finds, by the loss that it was trained with."""
    device = choose_device("auto")
    networks = load_networks(METRICS, device)
    rows = [
        Contender(name, reconstructor_of(model, config, device, STEPS), build_metrics(METRICS, networks))
        for name, (model, config) in models.items()
    ]
    results = evaluate_all(rows, windows, device, batch_size=8)
    return {row.name: result for row, result in zip(rows, results, strict=True)}


def search_table(own: Mapping[str, Evaluation], found: Mapping[str, Evaluation]) -> str:
    """Tokens that were looked for beside the encoders' own."""
    rows = [
        [
            f"{name}, {label}",
            f"{result.scores['psnr']:.2f}",
            f"{result.scores['lpips']:.3f}",
            f"{result.num_frames / result.reconstruct_seconds:.1f}",
        ]
        for name in found
        for label, result in (("the encoder's own", own[name]), ("looked for", found[name]))
    ]
    return table(["", "PSNR dB", "LPIPS", "frames/s"], rows)
