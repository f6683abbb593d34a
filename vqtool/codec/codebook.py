"""The code behind each token."""

import numpy as np
import torch
from numpy.typing import NDArray

from vqtool.core.quantizers import Quantizer
from vqtool.core.tokenizers import Tokenizer


@torch.no_grad()
def codebook_of(model: Tokenizer) -> NDArray[np.float32]:
    """The codes of a tokenizer, float32 (K, D): row k is what token k stands for.

    Codes of several quantizers follow one another as the tokens do; where they differ in width, D is the widest and
    the others end in zeros.
    """
    quantizers = outermost_quantizers(model)
    sizes = tuple(size for quantizer in quantizers for size in quantizer.codebook_sizes)
    if sizes != model.codebook_sizes:
        raise ValueError(f"the quantizers have codebooks of {sizes}, the tokenizer names {model.codebook_sizes}")
    parts = [quantizer.codes_KD.float().cpu().numpy() for quantizer in quantizers]
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])


def outermost_quantizers(model: Tokenizer) -> list[Quantizer]:
    """The quantizers that are not a part of another one, in the order that tokens count through them."""
    found: dict[str, Quantizer] = {}
    for name, module in model.named_modules():
        if isinstance(module, Quantizer) and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    return list(found.values())
