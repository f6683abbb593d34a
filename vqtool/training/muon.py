"""Muon: steps of orthogonalised momentum for the matrices between hidden layers, AdamW for everything else."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import OptimConfig
from vqtool.core.quantizers import Quantizer
from vqtool.errors import ConfigError
from vqtool.training.adamw import adamw, axes_in_memory

MIN_WIDTH = 64
"""Channels on both sides of a matrix between hidden layers: those to and from pixels and codes are narrower."""
BLOCK_ROWS = MIN_WIDTH
"""Output channels that are made orthogonal at once; no more, so that no block has more rows than columns."""
MOMENTUM = 0.95
STEP_SIZE = 0.2
"""Root mean square of a step at learning rate 1: about AdamW's."""
QUINTIC = (3.4445, -4.7750, 2.0315)
NUM_ITERATIONS = 5
SMALLEST_NORM = 1e-7
MATRICES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


class MuonAdamW:
    """`Muon` over the hidden matrices of a model and AdamW over its other parameters, used like torch's optimizers.

    Raises:
        ConfigError: the model has no hidden matrix that is wide enough.
    """

    def __init__(self, model: nn.Module, config: OptimConfig) -> None:
        matrices = list(hidden_matrices(model))
        if not matrices:
            raise ConfigError(
                f'optim.kind = "muon" works on layers of at least {MIN_WIDTH} channels on both sides, and this model '
                'trains none: set optim.kind = "adamw", or more model.channels'
            )
        chosen = set(map(id, matrices))
        self._optimizers = (
            Muon(matrices, config.lr, config.weight_decay),
            adamw((p for p in model.parameters() if id(p) not in chosen), config),
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of both."""
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def step(self) -> None:
        """Apply the gradient."""
        for optimizer in self._optimizers:
            optimizer.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Both states."""
        muon, others = self._optimizers
        return {"muon": muon.state_dict(), "adamw": others.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`.

        Raises:
            KeyError, ValueError: it is that of another optimizer or of another model.
        """
        for optimizer, name in zip(self._optimizers, ("muon", "adamw"), strict=True):
            optimizer.load_state_dict(state[name])


def hidden_matrices(model: nn.Module) -> Iterator[Tensor]:
    """Weights that are trained, of convolutions and linear layers wide enough on both sides, outside quantizers."""
    if isinstance(model, Quantizer):
        return
    if isinstance(model, MATRICES) and model.weight.requires_grad and min(model.weight.shape[:2]) >= MIN_WIDTH:
        yield model.weight
    for child in model.children():
        yield from hidden_matrices(child)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal (Jordan et al. 2024, "Muon: An optimizer for hidden layers").

    A convolution is the matrix of its output channels. Rows are cut into blocks that are made orthogonal by themselves,
    as in Khaled et al. 2025, "MuonBP", algorithm 1 without its full steps. Steps have the size of AdamW's, so that both
    share a learning rate (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4). torch has a Muon for matrices
    alone, one at a time; given the blocks it takes more than twice the time of this on a CPU.
    """

    def __init__(self, matrices: list[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply the gradient."""
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            if not matrices:
                continue
            if group["weight_decay"]:
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
            pairs: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for matrix in matrices:
                for block, direction in zip(_blocks(matrix), _blocks(self._direction(matrix)), strict=True):
                    pairs.setdefault(block.shape, []).append((block, direction))
            stacks = [torch.stack([direction for _, direction in alike]) for alike in pairs.values()]
            for alike, steps_NRX in zip(pairs.values(), orthogonalised(stacks), strict=True):
                length = group["lr"] * STEP_SIZE * math.sqrt(max(steps_NRX.shape[1:]))
                torch._foreach_add_([block for block, _ in alike], list(steps_NRX.unbind()), alpha=-length)

    def _direction(self, matrix: Tensor) -> Tensor:
        """Nesterov's momentum of the gradient, lying in memory as the matrix does."""
        gradient = matrix.grad
        assert gradient is not None
        if gradient.stride() != matrix.stride():
            gradient = torch.empty_like(matrix).copy_(gradient)
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        momentum: Tensor = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)


def _blocks(tensor: Tensor) -> list[Tensor]:
    """Views of a tensor (O, ...) as matrices of at most `BLOCK_ROWS` rows each, columns in the order of memory."""
    columns = [axis for axis in axes_in_memory(tensor) if axis]
    rows_OX = tensor.permute(0, *columns).view(len(tensor), -1)
    return list(rows_OX.tensor_split(math.ceil(len(tensor) / BLOCK_ROWS)))


def orthogonalised(stacks: Sequence[Tensor]) -> list[Tensor]:
    """U V^T of each matrix U S V^T in stacks (N, R, X), R <= X and `BLOCK_ROWS`, up to singular values of 0.7 to 1.2.

    Newton-Schulz iterations X <- (a + b G + c G^2) X with G = X X^T, after Jordan et al. 2024. All their factors are
    polynomials of the first G, so they are multiplied up without X, which is wide: G <- P G P (Zhang et al. 2026,
    "Gram Newton-Schulz"; in fp32 it needs none of their restarts). A matrix of zeros stays.
    """
    grams = [matrices_NRX @ matrices_NRX.mT for matrices_NRX in stacks]
    # Rows of zeros change nothing, and all matrices can go on together.
    padded_NBB = torch.cat([F.pad(gram_NRR, (0, BLOCK_ROWS - gram_NRR.shape[1]) * 2) for gram_NRR in grams])
    factors = torch.split(_inverse_roots(padded_NBB), [len(gram_NRR) for gram_NRR in grams])
    return [
        factor_NBB[:, : gram_NRR.shape[1], : gram_NRR.shape[1]] @ matrices_NRX
        for factor_NBB, gram_NRR, matrices_NRX in zip(factors, grams, stacks, strict=True)
    ]


def _inverse_roots(gram_NBB: Tensor) -> Tensor:
    """About G^(-1/2) of each G."""
    a, b, c = QUINTIC
    identity_BB = torch.eye(gram_NBB.shape[-1], device=gram_NBB.device)
    square_norm_N11 = gram_NBB.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None].clamp(min=SMALLEST_NORM**2)
    gram_NBB = gram_NBB / square_norm_N11
    product_NBB = identity_BB / square_norm_N11.sqrt()
    for _ in range(NUM_ITERATIONS):
        factor_NBB = a * identity_BB + b * gram_NBB + c * gram_NBB @ gram_NBB
        product_NBB = factor_NBB @ product_NBB
        gram_NBB = factor_NBB @ gram_NBB @ factor_NBB
    return product_NBB
