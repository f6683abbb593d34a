"""A linear path from patches of pixels to latents and back, started at the principal components of real patches.

No other linear code of as many numbers is as near to the pixels (Hotelling 1933), so networks beside it only have to
learn what is better than linear. Shortcuts past the encoder and the decoder of a strong compressor are those of Chen et
al. 2024, "Deep Compression Autoencoder for Efficient High-Resolution Diffusion Models", section 3.1; theirs have no
weights.
"""

from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Tensor, nn

from vqtool.core.ranks import num_ranks, of_all_ranks, of_first_rank

NUM_PICTURES = 1024
"""Pictures that the components are estimated from, over all processes at least."""
PATCHES_OF_A_PICTURE = 64
"""Of each of them, at most."""
SPARE, POWER = 16, 4
"""More directions than are wanted, and power iterations: what makes a random projection exact enough."""


class LinearPath(nn.Module):
    """Pictures (N, C, R, R) <-> latents (N, D, R / p, R / p) by one matrix each way, p = `patch_size`.

    Latents of the pictures that it was fitted to have mean 0 and, over all D of them, mean square 1; the first are the
    components of most variance. Both matrices go on learning.
    """

    fitted: Tensor

    def __init__(self, num_channels: int, patch_size: int, latent_dim: int) -> None:
        super().__init__()
        self.fold, self.unfold = nn.PixelUnshuffle(patch_size), nn.PixelShuffle(patch_size)
        self.to_latents = nn.Conv2d(num_channels * patch_size**2, latent_dim, 1)
        self.to_patches = nn.Conv2d(latent_dim, num_channels * patch_size**2, 1)
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def encode(self, pictures_NCHW: Tensor) -> Tensor:
        """Pictures to latents."""
        latents_NDhw: Tensor = self.to_latents(self.fold(pictures_NCHW))
        return latents_NDhw

    def decode(self, latents_NDhw: Tensor) -> Tensor:
        """Latents to pictures."""
        pictures_NCHW: Tensor = self.unfold(self.to_patches(latents_NDhw))
        return pictures_NCHW

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Go to the principal components of the patches of at least `NUM_PICTURES` pictures from batches (N, C, R, R).

        They are found by a random projection and power iterations (Halko et al. 2011, "Finding structure with
        randomness", algorithm 4.4), so that patches may be large. In a distributed run every process brings its own
        pictures and all get the same. Where patches have fewer numbers than latents, the rest of the latents is 0.
        """
        patches_NP = self._gather(batches)
        mean_P = patches_NP.mean(dim=0)
        dim, latent_dim = min(self.to_latents.out_channels, *patches_NP.shape), self.to_latents.out_channels
        _, strengths, axes_PQ = torch.svd_lowrank(patches_NP - mean_P, min(dim + SPARE, *patches_NP.shape), POWER)
        scale = (strengths[:dim].square().sum() / (len(patches_NP) * latent_dim)).clamp(min=1e-12).rsqrt()
        axes_DP = of_first_rank(axes_PQ[:, :dim].T.contiguous())  # drawn by chance: each process has others
        for parameter in self.parameters():
            parameter.zero_()
        self.to_latents.weight[:dim, :, 0, 0] = scale * axes_DP
        self.to_patches.weight[:, :dim, 0, 0] = axes_DP.T / scale
        _bias(self.to_latents)[:dim] = -scale * axes_DP @ mean_P
        _bias(self.to_patches).copy_(mean_P)
        self.fitted.fill_(True)

    def _gather(self, batches: Iterable[Tensor]) -> Tensor:
        """Patches (N, P) of the pictures of all processes, a few of each, in the order that one process has them."""
        gathered, num_pictures = [], 0
        for pictures_NCHW in batches:
            patches_NLP = rearrange(self.fold(pictures_NCHW.float()), "n p h w -> n (h w) p")
            places_L = torch.randperm(patches_NLP.shape[1])[:PATCHES_OF_A_PICTURE].to(patches_NLP.device)
            gathered.append(of_all_ranks(patches_NLP[:, places_L].flatten(0, 1)))
            num_pictures += len(pictures_NCHW)
            if num_pictures * num_ranks() >= NUM_PICTURES:
                break
        return torch.cat(gathered)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
