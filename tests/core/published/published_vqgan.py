"""A VQGAN in its published layout, with random weights, and its reconstruction in plain calls of torch.nn.functional.

Written from Esser et al. 2021 (section 3, tables 7 and 8) and the names of the published checkpoints, not from the code
under test: 32 groups everywhere, swish, stride-2 convolutions over frames padded right and below, attention after each
block at its resolutions, one block more a level in the decoder.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Size:
    """The settings of a `ddconfig` and its codebook."""

    ch: int = 32
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 1
    attn_resolutions: tuple[int, ...] = (16,)
    z_channels: int = 24
    resolution: int = 64
    embed_dim: int = 8
    n_embed: int = 64

    def ddconfig(self) -> dict[str, object]:
        names = ("ch", "num_res_blocks", "z_channels", "resolution")
        lists = {"ch_mult": list(self.ch_mult), "attn_resolutions": list(self.attn_resolutions)}
        return {name: getattr(self, name) for name in names} | lists | {"double_z": False, "dropout": 0.0}


def state_dict(size: Size, seed: int = 0) -> State:
    """Random weights, scaled so that every layer matters."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in _shapes(size):
        noise = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            noise = noise / (shape[1] * shape[2] * shape[3]) ** 0.5
        elif name.endswith("weight") and len(shape) == 1:
            noise = 1 + noise / 4
        elif name.endswith("bias"):
            noise = noise / 4
        state[name] = noise
    return state


def _conv(name: str, into: int, out: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, into, kernel, kernel)
    yield f"{name}.bias", (out,)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _block(name: str, into: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (*_norm(f"{name}.norm1", into), *_conv(f"{name}.conv1", into, out, 3))
    yield from (*_norm(f"{name}.norm2", out), *_conv(f"{name}.conv2", out, out, 3))
    if into != out:
        yield from _conv(f"{name}.nin_shortcut", into, out, 1)


def _attention(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _norm(f"{name}.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from _conv(f"{name}.{part}", width, width, 1)


def _middle(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (*_block(f"{name}.block_1", width, width), *_attention(f"{name}.attn_1", width))
    yield from _block(f"{name}.block_2", width, width)


def _level(name: str, into: int, out: int, blocks: int, attention: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    for number in range(blocks):
        yield from _block(f"{name}.block.{number}", into if number == 0 else out, out)
        if attention:
            yield from _attention(f"{name}.attn.{number}", out)


def _shapes(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    widths = [size.ch * m for m in size.ch_mult]
    top, last = widths[-1], len(widths) - 1
    yield from _conv("encoder.conv_in", 3, size.ch, 3)
    for n, width in enumerate(widths):
        attention = size.resolution // 2**n in size.attn_resolutions
        yield from _level(f"encoder.down.{n}", [size.ch, *widths][n], width, size.num_res_blocks, attention)
        if n != last:
            yield from _conv(f"encoder.down.{n}.downsample.conv", width, width, 3)
        into = widths[min(n + 1, last)]
        yield from _level(f"decoder.up.{n}", into, width, size.num_res_blocks + 1, attention)
        if n != 0:
            yield from _conv(f"decoder.up.{n}.upsample.conv", width, width, 3)
    yield from (*_middle("encoder.mid", top), *_norm("encoder.norm_out", top))
    yield from _conv("encoder.conv_out", top, size.z_channels, 3)
    yield "quantize.embedding.weight", (size.n_embed, size.embed_dim)
    yield from _conv("quant_conv", size.z_channels, size.embed_dim, 1)
    yield from _conv("post_quant_conv", size.embed_dim, size.z_channels, 1)
    yield from (*_conv("decoder.conv_in", size.z_channels, top, 3), *_middle("decoder.mid", top))
    yield from (*_norm("decoder.norm_out", widths[0]), *_conv("decoder.conv_out", widths[0], 3, 3))


class Recomputed:
    """Encoding and decoding, step by step."""

    def __init__(self, state: State, size: Size) -> None:
        self.state = state
        self.size = size

    def conv(self, name: str, x: Tensor, **options: int) -> Tensor:
        return F.conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], **options)

    def normalized(self, name: str, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        groups = x.reshape(n, 32, -1)
        centred = groups - groups.mean(2, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(2, keepdim=True) + 1e-6)
        weight, bias = (self.state[f"{name}.{part}"].view(1, c, 1, 1) for part in ("weight", "bias"))
        return scaled.reshape(n, c, h, w) * weight + bias

    def active(self, name: str, x: Tensor) -> Tensor:
        x = self.normalized(name, x)
        return x * torch.sigmoid(x)

    def block(self, name: str, x: Tensor) -> Tensor:
        h = self.conv(f"{name}.conv1", self.active(f"{name}.norm1", x), padding=1)
        h = self.conv(f"{name}.conv2", self.active(f"{name}.norm2", h), padding=1)
        return h + (self.conv(f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in self.state else x)

    def attention(self, name: str, x: Tensor) -> Tensor:
        h = self.normalized(f"{name}.norm", x)
        q, k, v = (self.conv(f"{name}.{part}", h).flatten(2) for part in "qkv")
        weights = torch.softmax(torch.einsum("nci,ncj->nij", q, k) / q.shape[1] ** 0.5, dim=2)
        return x + self.conv(f"{name}.proj_out", torch.einsum("nij,ncj->nci", weights, v).reshape(x.shape))

    def level(self, name: str, x: Tensor, blocks: int) -> Tensor:
        for number in range(blocks):
            x = self.block(f"{name}.block.{number}", x)
            if x.shape[-1] in self.size.attn_resolutions:
                x = self.attention(f"{name}.attn.{number}", x)
        return x

    def middle(self, name: str, x: Tensor) -> Tensor:
        x = self.attention(f"{name}.attn_1", self.block(f"{name}.block_1", x))
        return self.block(f"{name}.block_2", x)

    def latents(self, x: Tensor) -> Tensor:
        x = self.conv("encoder.conv_in", x, padding=1)
        for n in range(len(self.size.ch_mult)):
            x = self.level(f"encoder.down.{n}", x, self.size.num_res_blocks)
            if n != len(self.size.ch_mult) - 1:
                x = self.conv(f"encoder.down.{n}.downsample.conv", F.pad(x, (0, 1, 0, 1)), stride=2)
        x = self.active("encoder.norm_out", self.middle("encoder.mid", x))
        return self.conv("quant_conv", self.conv("encoder.conv_out", x, padding=1))

    def tokens(self, images: Tensor) -> Tensor:
        vectors = self.latents(images).movedim(1, -1)
        return (
            torch.cdist(vectors.flatten(0, 2), self.state["quantize.embedding.weight"])
            .argmin(1)
            .view(vectors.shape[:3])
        )

    def images(self, tokens: Tensor) -> Tensor:
        x = self.state["quantize.embedding.weight"][tokens].movedim(-1, 1)
        x = self.conv("decoder.conv_in", self.conv("post_quant_conv", x), padding=1)
        x = self.middle("decoder.mid", x)
        for n in reversed(range(len(self.size.ch_mult))):
            x = self.level(f"decoder.up.{n}", x, self.size.num_res_blocks + 1)
            if n != 0:
                doubled = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
                x = self.conv(f"decoder.up.{n}.upsample.conv", doubled, padding=1)
        return self.conv("decoder.conv_out", self.active("decoder.norm_out", x), padding=1)
