"""Which charts come first."""

FIRST_METRICS = (
    "loss/total",
    "metric/psnr",
    "codebook/perplexity",
    "metric/lpips",
    "loss/pixel",
    "metric/ssim",
    "codebook/used",
    "loss/perceptual",
    "loss/commitment",
    "loss/codebook",
    "codebook/dead",
    "optim/lr",
    "optim/grad_norm",
    "speed/frames_per_second",
    "speed/data_wait_fraction",
)


def metric_rank(metric: str) -> tuple[int, str]:
    """For sorting: the metrics most looked at first, the others by name."""
    return FIRST_METRICS.index(metric) if metric in FIRST_METRICS else len(FIRST_METRICS), metric
