"""Reconstructors on clips, measured: one loop over the clips for models and for the baselines beside them."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vqtool.core.config import Config, PixelKind
from vqtool.core.device import autocast, choose_precision
from vqtool.core.distributed import Processes
from vqtool.core.frames import to_model
from vqtool.core.metrics.base import Metric, to_8bit_grid
from vqtool.core.metrics.codebook import CodebookUsage
from vqtool.core.search import TokenSearch
from vqtool.core.tokenizers import Reconstruction, Tokenizer, Tokens
from vqtool.data.windows import Windows
from vqtool.errors import VqtoolError
from vqtool.evaluation.tally import Tally
from vqtool.weights.networks import load_lpips

Reconstruct = Callable[[Tensor], Reconstruction]
"""Frames (B, T, 3, H, W) in [-1, 1] -> their reconstruction in the same range."""
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Contender:
    """What is measured: a reconstructor with metrics of its own.

    `codebook_size` is K, to count the use of codes; 0 where there are none. `pixel_kind` is the distance whose mean is
    `Evaluation.pixel_loss`.
    """

    name: str
    reconstruct: Reconstruct
    metrics: Sequence[Metric]
    codebook_size: int = 0
    pixel_kind: PixelKind = "l1"


@dataclass(frozen=True)
class Evaluation:
    """Scores of one reconstructor on one set of clips.

    scores: mean over clips by name (`psnr`, ...), in the metric's unit.
    details: numbers beside a score (`Metric.details`), of the metrics that have any; they take time, so the main
        process alone has them.
    clip_scores: a score a clip, in the order of `clip_names`, of the metrics that score single clips.
    pixel_loss: mean distance of pixels in [-1, 1], all of the same weight. quantizer_loss and its unweighted
    quantizer_parts: as in training.
    usage: codebook usage over all tokens; None for a baseline, which has none.
    seconds: of the whole loop, with metrics and whatever else was measured beside; reconstruct_seconds: of the
    reconstructor alone, of the slowest process.
    frame_psnr: dB (clips, T), infinite for identical frames, and tokens: int32, on the CPU, in the order of the
    clips; None where they were not asked for, and of a baseline.
    moving_psnr: PSNR of the moving pixels, dB, of the reconstruction and of its context alone; None without a context.
    """

    scores: dict[str, float]
    details: dict[str, dict[str, float]]
    clip_scores: dict[str, list[float]]
    clip_names: list[str]
    num_frames: int
    pixel_loss: float
    quantizer_loss: float
    quantizer_parts: dict[str, float]
    usage: CodebookUsage | None
    seconds: float
    reconstruct_seconds: float
    frame_psnr: Tensor | None = None
    tokens: Tokens | None = None
    moving_psnr: tuple[float, ...] | None = None


def model_reconstructor(model: Tokenizer, precision: torch.dtype) -> Reconstruct:
    """The model in evaluation mode as a reconstructor, under autocast to `precision`."""
    model.eval()
    device = next(model.parameters()).device

    def reconstruct(frames_BTCHW: Tensor) -> Reconstruction:
        with autocast(device, precision):
            result: Reconstruction = model(frames_BTCHW)
        return result

    return reconstruct


def reconstructor_of(model: Tokenizer, config: Config, device: torch.device, search_steps: int = 0) -> Reconstruct:
    """A checkpoint's model as a reconstructor in its own precision; with a search from the tokens that this finds.

    Raises:
        ConfigError: a search where frames depend on each other.
        WeightsError: the search needs LPIPS, which is not fetched yet.
    """
    precision = choose_precision(config.train.precision, device)
    if search_steps:
        return TokenSearch(model, config.loss, search_steps, precision, load_lpips).reconstruct
    return model_reconstructor(model, precision)


def evaluate(
    reconstruct: Reconstruct,
    windows: Windows,
    metrics: Sequence[Metric],
    device: torch.device,
    batch_size: int,
    codebook_size: int = 0,
    advance: Advance | None = None,
) -> Evaluation:
    """Score one reconstructor on every window: `evaluate_all` of one."""
    contender = Contender("model", reconstruct, metrics, codebook_size)
    return evaluate_all([contender], windows, device, batch_size, advance)[0]


@torch.inference_mode()
def evaluate_all(
    contenders: Sequence[Contender],
    windows: Windows,
    device: torch.device,
    batch_size: int,
    advance: Advance | None = None,
    processes: Processes | None = None,
    keep_details: bool = False,
) -> list[Evaluation]:
    """Score reconstructors on every window; metrics see frames on the 8-bit grid that a user would save.

    Several processes take a run of batches each and all get the same result: that of one process to the last bit where
    each has as many threads as that one, since the batches are the same.

    Args:
        contenders: What is measured. Their metrics are reset first.
        windows: The clips.
        device: Where; of this process.
        batch_size: Clips at a time.
        advance: Called with (clips done, clips) of this process.
        processes: Those that share the work; default this one alone.
        keep_details: Keep what only a report needs: of contenders that have codes the tokens and the PSNR of each
            frame.

    Raises:
        VqtoolError: a reconstruction has pixels that are NaN or infinite; names the clip.
    """
    processes = processes or Processes()
    started = time.monotonic()

    def share() -> list[Tally]:
        return _tally_share(contenders, windows, device, batch_size, advance, processes, keep_details)

    parts = processes.together(share)
    seconds = time.monotonic() - started
    results = []
    for number, contender in enumerate(contenders):
        tally = Tally.joined([part[number] for part in parts])
        if processes.size > 1:
            for metric in contender.metrics:
                metric.merge([part[number].states[metric.name] for part in parts])
        results.append(_evaluation(contender, tally, windows, seconds, processes.is_main))
    return results


def _tally_share(
    contenders: Sequence[Contender],
    windows: Windows,
    device: torch.device,
    batch_size: int,
    advance: Advance | None,
    processes: Processes,
    keep_details: bool,
) -> list[Tally]:
    """This process's batches through all contenders."""
    batches = torch.split(torch.arange(len(windows)), batch_size)
    mine = [batches[number] for number in processes.share(len(batches))]
    total, done = sum(len(indices) for indices in mine), 0
    tallies = [
        Tally(contender.codebook_size, keep_details and contender.codebook_size > 0, contender.pixel_kind)
        for contender in contenders
    ]
    for contender in contenders:
        for metric in contender.metrics:
            metric.reset()
    for indices in mine:
        real_BTCHW = to_model(windows.select(indices.numpy()), device)
        real_grid = to_8bit_grid(real_BTCHW)
        for contender, tally in zip(contenders, tallies, strict=True):
            with tally.clock(device):
                result = contender.reconstruct(real_BTCHW)
            _check_finite(result.frames_BTCHW, contender.name, windows, indices)
            fake_grid = to_8bit_grid(result.frames_BTCHW)
            tally.add(real_BTCHW, result, real_grid, fake_grid)
            for metric in contender.metrics:
                tally.add_scores(metric.name, metric.update(real_grid, fake_grid))
        done += len(indices)
        if advance is not None:
            advance(done, total)
    if processes.size > 1:
        for contender, tally in zip(contenders, tallies, strict=True):
            tally.states = {metric.name: metric.state() for metric in contender.metrics}
    return tallies


def _evaluation(contender: Contender, tally: Tally, windows: Windows, seconds: float, with_details: bool) -> Evaluation:
    """What the whole tally says; the contender's metrics have seen all clips."""
    detailed = contender.metrics if with_details else ()
    losses = {name: math.fsum(sums) / len(windows) for name, sums in tally.loss_sums.items()}
    return Evaluation(
        scores={metric.name: metric.compute() for metric in contender.metrics},
        details={metric.name: found for metric in detailed if (found := metric.details())},
        clip_scores=tally.clip_scores,
        clip_names=[window_name(windows, index) for index in range(len(windows))],
        num_frames=len(windows) * windows.clip_frames,
        pixel_loss=losses.pop("pixel"),
        quantizer_loss=losses.pop("quantizer"),
        quantizer_parts=losses,
        usage=tally.usage,
        seconds=seconds,
        reconstruct_seconds=tally.seconds,
        frame_psnr=torch.cat(tally.frame_psnr) if tally.frame_psnr else None,
        moving_psnr=tuple(torch.cat(tally.moving_psnr, dim=1).mean(dim=1).tolist()) if tally.moving_psnr else None,
        tokens=Tokens.joined(tally.tokens) if tally.tokens else None,
    )


def _check_finite(frames_BTCHW: Tensor, name: str, windows: Windows, indices: Tensor) -> None:
    # The 8-bit grid would hide infinity behind its clamp; the smallest and largest value find NaN too.
    if all(math.isfinite(float(extreme)) for extreme in torch.aminmax(frames_BTCHW)):
        return
    bad_B = ~frames_BTCHW.isfinite().flatten(1).all(dim=1)
    clip = window_name(windows, int(indices[bad_B.cpu()][0]))
    raise VqtoolError(
        f"the reconstruction of clip {clip} ({name}) has pixels that are NaN or infinite: the model diverged or its "
        "checkpoint is damaged; evaluate an earlier checkpoint"
    )


def window_name(windows: Windows, index: int) -> str:
    """`clip@start`: names one window in reports and previews."""
    return f"{windows.clip_of(index).clip}@{windows.start_of(index)}"
