"""What metrics cost in time and memory, beside the usual ways of computing them.

SSIM of 32 clips of 12 frames at 64 x 64; reference: every window unfolded in memory. LPIPS of 48 frames; reference: the
network on one image after the other, its gradient recorded. FVD features of 8 and of 24 clips of 12 frames, real and
reconstructed. Frechet distance of 256 x 400 features; reference: scipy's root of the product of covariances. Every case
runs in a process of its own with one thread; extra memory is its peak above inputs, weights and a warm-up. Networks
have random weights. Memory that making the inputs has freed is used again and not counted.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from measuring import Target, arguments, report, table
from measuring.fresh import Cost, Prepare, measure_fresh
from measuring.metric_references import matrix_root_distance, two_pass_lpips, unfold_ssim
from torch import Tensor

from vqtool.core.features.i3d import I3D
from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import build_metrics
from vqtool.core.metrics.frechet import Gaussian, frechet_distance

Work = Callable[[], object]


def clips(num_clips: int) -> tuple[Tensor, Tensor]:
    """Real and noisy clips (B, 12, 3, 64, 64) on the 8-bit grid."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (num_clips, 12, 3, 64, 64), generator=generator)
    fake = real + torch.randint(-20, 21, real.shape, generator=generator)
    return real / 255, fake.clamp(0, 255) / 255


def ssim_vqtool() -> Work:
    """The metric."""
    real, fake = clips(32)
    (metric,) = build_metrics(["ssim"])
    metric.update(real[:1, :1], fake[:1, :1])
    return partial(metric.update, real, fake)


def ssim_reference() -> Work:
    """Unfolded."""
    real, fake = (side.flatten(0, 1) for side in clips(32))
    unfold_ssim(real[:1], fake[:1])
    return partial(unfold_ssim, real, fake)


def lpips_vqtool() -> Work:
    """The metric."""
    real, fake = clips(4)
    (metric,) = build_metrics(["lpips"], {"lpips": LPIPS()})
    metric.update(real[:1], fake[:1])
    return partial(metric.update, real, fake)


def lpips_reference() -> Work:
    """Two passes."""
    lpips = LPIPS()
    real, fake = (side.flatten(0, 1) * 2 - 1 for side in clips(4))
    two_pass_lpips(lpips, real[:12], fake[:12])
    return partial(two_pass_lpips, lpips, real, fake.requires_grad_())


def fvd_features(num_clips: int) -> Work:
    """The features of so many clips, four at a time."""
    real, fake = clips(num_clips)
    (metric,) = build_metrics(["fvd"], {"i3d": I3D()})
    metric.update(real[:4].flip(1), fake[:4])

    def work() -> None:
        for start in range(0, num_clips, 4):
            metric.update(real[start : start + 4], fake[start : start + 4])

    return work


def features() -> list[np.ndarray]:
    """Two sets of features."""
    generator = np.random.default_rng(0)
    return [generator.standard_normal((256, 400)) + shift for shift in (0, 0.1)]


def frechet_vqtool() -> Work:
    """Singular values of a product of factors."""
    a, b = (torch.from_numpy(side) for side in features())
    frechet_distance(Gaussian(a[:10]), Gaussian(b[:10]))
    return lambda: frechet_distance(Gaussian(a), Gaussian(b))


def frechet_reference() -> Work:
    """The root of a product of matrices."""
    a, b = features()
    matrix_root_distance(a[:, :10], b[:, :10])
    return partial(matrix_root_distance, a, b)


CASES: dict[str, Prepare] = {
    "SSIM, unfold": ssim_reference,
    "SSIM, vqtool": ssim_vqtool,
    "LPIPS, two passes": lpips_reference,
    "LPIPS, vqtool": lpips_vqtool,
    "FVD features, 8 clips": partial(fvd_features, 8),
    "FVD features, 24 clips": partial(fvd_features, 24),
    "Frechet distance, scipy": frechet_reference,
    "Frechet distance, vqtool": frechet_vqtool,
}


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__, repeats=3)
    costs: dict[str, list[Cost]] = {case: [] for case in CASES}
    for _ in range(options.repeats):
        for case, prepare in CASES.items():
            costs[case].append(measure_fresh(prepare))
    median = {case: _median(mine) for case, mine in costs.items()}
    head = ["case", "wall s", "CPU s", "extra MiB"]
    rows = [
        [case, f"{cost.wall_seconds:.3f}", f"{cost.cpu_seconds:.3f}", f"{cost.extra_mebibytes:,.0f}"]
        for case, cost in median.items()
    ]
    sections = [str(__doc__).split("\n\n")[1].strip(), table(head, rows), _note(median, options.repeats)]
    return report("metrics", sections, _targets(median), options.output)


def _median(costs: list[Cost]) -> Cost:
    fields = ("wall_seconds", "cpu_seconds", "extra_mebibytes")
    return Cost(**{field: statistics.median(getattr(cost, field) for cost in costs) for field in fields})


def _ratio(costs: dict[str, Cost], reference: str, ours: str) -> float:
    return costs[reference].cpu_seconds / costs[ours].cpu_seconds


def _note(costs: dict[str, Cost], repeats: int) -> str:
    seconds = (costs["FVD features, 24 clips"].cpu_seconds - costs["FVD features, 8 clips"].cpu_seconds) / 32
    return (
        f"Medians; repeats: {repeats}. Ratios are of CPU time. FVD features take {seconds:.2f} s of it a clip and side."
    )


def _targets(costs: dict[str, Cost]) -> list[Target]:
    growth = costs["FVD features, 24 clips"].extra_mebibytes - costs["FVD features, 8 clips"].extra_mebibytes
    lpips = 100 * costs["LPIPS, vqtool"].extra_mebibytes / costs["LPIPS, two passes"].extra_mebibytes
    frechet = _ratio(costs, "Frechet distance, scipy", "Frechet distance, vqtool")
    return [
        Target("SSIM, vqtool over unfold", 20, _ratio(costs, "SSIM, unfold", "SSIM, vqtool")),
        Target("SSIM, extra memory", 200, costs["SSIM, vqtool"].extra_mebibytes, "MiB", at_most=True),
        Target("LPIPS, extra memory of that of two passes", 60, lpips, "%", at_most=True),
        Target("FVD features, more memory for 3 x the clips", 50, growth, "MiB", at_most=True),
        Target("Frechet distance, vqtool over scipy", 1, frechet),
    ]


if __name__ == "__main__":
    sys.exit(main())
