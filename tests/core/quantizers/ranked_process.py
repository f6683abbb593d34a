"""One of two processes that train the same quantizers on latents of their own."""

from pathlib import Path

import torch
import torch.distributed as dist
from quantizer_configs import CONFIGS, label
from torch import Tensor

from vqtool.core.config import EmaConfig, VqConfig
from vqtool.core.quantizers import build_quantizer
from vqtool.core.quantizers.kmeans import kmeans

NUM_RANKS = 2
REVIVED = {"codebook_size": 16, "code_dim": 4, "revive_below": 0.9, "usage_decay": 0.5}
UNREVIVED = EmaConfig(codebook_size=16, code_dim=4, revive_below=0)
RUNS = {label(config): config for config in CONFIGS} | {
    "ema revived": EmaConfig(**REVIVED),
    "vq revived": VqConfig(**REVIVED),
    "ema perturbed": EmaConfig(codebook_size=16, code_dim=4, perturb_share=0.5),
    "unrevived": UNREVIVED,
}


def latents_of(rank: int, code_dim: int, step: int, num: int = 5) -> Tensor:
    """What a process sees: every process sees something else."""
    return torch.randn(num, code_dim, 2, 2, generator=torch.Generator().manual_seed(10 * step + rank)) + rank


def run(rank: int, folder: Path) -> None:
    """Write `rank-0.pt`: for each quantizer its state and the codes revived, and the centres of k-means."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=NUM_RANKS)
    found: dict[str, object] = {}
    for name, config in RUNS.items():
        torch.manual_seed(0)
        quantizer = build_quantizer(config).train()
        torch.manual_seed(100 + rank)  # what a process draws is its own
        if not quantizer.is_initialised and config is not UNREVIVED:
            vectors = latents_of(rank, quantizer.code_dim, 99, quantizer.num_initial_vectors // 4)
            quantizer.initialise(vectors.movedim(1, -1).flatten(0, -2))
        num_revived = [int(quantizer(latents_of(rank, quantizer.code_dim, step)).num_revived) for step in range(4)]
        found[name] = (dict(quantizer.state_dict()), num_revived)
    found["k-means"] = kmeans(torch.tensor([[0.0], [1.0]]) + 10 * rank, 4, 5)
    found["k-means of few"] = kmeans(torch.tensor([[float(rank)]]), 8, 2)
    torch.save(found, folder / f"rank-{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
