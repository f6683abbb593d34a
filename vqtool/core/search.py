"""Better tokens than the encoder's own, looked for frame by frame: analysis by synthesis."""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from vqtool.core.config import LossConfig
from vqtool.core.device import autocast
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses.reconstruction import pixel_distances
from vqtool.core.tokenizers import Reconstruction, Tokenizer, Tokens
from vqtool.errors import ConfigError

STEP_SIZE = 0.01
"""Of Adam, on pixels in [-1, 1]."""
BETAS = (0.5, 0.99)
"""A short memory: the gradient changes whenever a token does."""
PIXELS_AT_ONCE = 1 << 17


class TokenSearch:
    """Looks for tokens whose frames have less of the loss that the tokenizer was trained with: pixels and LPIPS.

    The encoder is shown a frame that is changed by gradient through the whole tokenizer, until what its tokens decode
    to is nearer to the frame as it was; of all tokens on the way, the encoder's own among them, the best are kept. That
    is for each frame what Campos et al. 2019, "Content Adaptive Optimization for Neural Image Compression", do with
    latents: the bits stay the same, decoding too, and encoding takes as long as so many training steps.

    Args:
        model: A tokenizer that encodes and decodes every frame by itself.
        config: The weights of the loss; what needs more than single frames is left out.
        num_steps: Steps of gradient a frame, at least 1.
        precision: Of the model and the loss.
        load_lpips: Gives LPIPS where its weight is not 0.

    Raises:
        ConfigError: the tokenizer's frames depend on each other.
        WeightsError: LPIPS is needed and not there.
    """

    def __init__(
        self,
        model: Tokenizer,
        config: LossConfig,
        num_steps: int,
        precision: torch.dtype,
        load_lpips: Callable[[], LPIPS],
    ) -> None:
        if not model.frames_stand_alone:
            raise ConfigError(
                "--search is for tokenizers that encode and decode every frame by itself (no clip model, no 3D "
                "decoder): leave it out"
            )
        self._model, self._config = model.eval(), config
        self.num_steps = num_steps
        self._precision = precision
        self._device = next(model.parameters()).device
        self._lpips = load_lpips().to(self._device) if config.perceptual_weight else None

    def encode(self, frames_BTCHW: Tensor) -> Tokens:
        """Frames in [-1, 1] -> the best tokens found, (B, T, h, w)."""
        images_NCHW = frames_BTCHW.flatten(0, 1)
        parts = torch.split(images_NCHW, max(1, PIXELS_AT_ONCE // self._model.resolution**2))
        tokens_NHW = torch.cat([self._search(part_NCHW) for part_NCHW in parts])
        return Tokens(rearrange(tokens_NHW, "(b t) h w -> b t h w", t=frames_BTCHW.shape[1]))

    def reconstruct(self, frames_BTCHW: Tensor) -> Reconstruction:
        """Frames in [-1, 1] -> what the best tokens found decode to; the quantizer's loss is not counted."""
        tokens = self.encode(frames_BTCHW)
        with torch.no_grad(), autocast(self._device, self._precision):
            decoded_BTCHW = self._model.decode(tokens)
        zero = decoded_BTCHW.new_zeros(())
        return Reconstruction(decoded_BTCHW, tokens, zero, {}, zero.long())

    def _search(self, images_NCHW: Tensor) -> Tensor:
        """The best tokens (N, h, w) of images."""
        with torch.inference_mode(False), torch.enable_grad():
            real_NCHW = images_NCHW.clone()
            shown_NCHW = real_NCHW.clone().requires_grad_()
            optimizer = torch.optim.Adam([shown_NCHW], lr=STEP_SIZE, betas=BETAS)
            features = self._real_features(real_NCHW)
            tokens_NHW, loss_N = self._look(shown_NCHW, real_NCHW, features)
            best_NHW, least_N = tokens_NHW, loss_N.detach()
            for _ in range(self.num_steps):
                (shown_NCHW.grad,) = torch.autograd.grad(loss_N.sum(), shown_NCHW)
                optimizer.step()
                tokens_NHW, loss_N = self._look(shown_NCHW, real_NCHW, features)
                is_better_N = loss_N.detach() < least_N
                best_NHW = torch.where(is_better_N[:, None, None], tokens_NHW, best_NHW)
                least_N = torch.where(is_better_N, loss_N.detach(), least_N)
        return best_NHW

    def _real_features(self, real_NCHW: Tensor) -> list[Tensor]:
        if self._lpips is None:
            return []
        with torch.no_grad(), autocast(self._device, self._precision):
            return self._lpips.features(real_NCHW)

    def _look(self, shown_NCHW: Tensor, real_NCHW: Tensor, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The tokens (N, h, w) of what is shown, and the loss (N,) of what they decode to."""
        with autocast(self._device, self._precision):
            result = self._model(shown_NCHW[:, None])
            fake_NCHW = result.frames_BTCHW[:, 0]
            distances_NCHW = pixel_distances(real_NCHW, fake_NCHW, self._config.pixel_kind)
            loss_N = self._config.pixel_weight * distances_NCHW.mean(dim=(1, 2, 3))
            if self._lpips is not None:
                lpips_N = self._lpips.distances(features, self._lpips.features(fake_NCHW))
                loss_N = loss_N + self._config.perceptual_weight * lpips_N
        return result.tokens.frames_BTHW[:, 0], loss_N
