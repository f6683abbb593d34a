"""What a frame has that its context has not, by a few tokens a frame."""

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from vqtool.core.config import ClipConfig
from vqtool.core.networks.linear_path import LinearPath
from vqtool.core.networks.patch import PatchDecoder, PatchEncoder, silence
from vqtool.core.networks.pyramid import Pyramid
from vqtool.core.quantizers import build_quantizer
from vqtool.core.tokenizers.frame import as_images


class Changes(nn.Module):
    """Frames against their context: what moved, and how the context is to be painted over.

    The encoder sees a frame, the decoded context, and how the frame differs from the true one: that is motion alone,
    without the context's own errors. The decoder sees tokens and the decoded context.
    """

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.quantize = build_quantizer(config.quantizer)
        dim, widths, num_blocks = self.quantize.code_dim, config.widths, config.num_res_blocks
        self.encoder = PatchEncoder(9, config.patch_size, widths, num_blocks, dim, normalised=not config.linear_path)
        self.pyramid = Pyramid(config.patch_size, widths)
        self.decoder = PatchDecoder(dim, config.patch_size, widths, num_blocks, 4)
        # Untrained, it changes nothing.
        silence(self.decoder.conv_out)
        self.linear: LinearPath | None = None
        if config.linear_path:
            self.linear = LinearPath(3, config.patch_size << (len(widths) - 1), dim)
            silence(self.encoder.conv_out)

    def latents(self, frames_BTCHW: Tensor, picture_BCHW: Tensor, decoded_BCHW: Tensor) -> Tensor:
        """What the quantizer sees: float32 (B x T, D, h, w), of frames, their context's picture, and that decoded."""
        decoded_BTCHW = decoded_BCHW[:, None].expand_as(frames_BTCHW)
        moved_BTCHW = frames_BTCHW - picture_BCHW[:, None]
        latents_NCHW: Tensor = self.encoder(as_images(torch.cat([frames_BTCHW, decoded_BTCHW, moved_BTCHW], dim=2)))
        if self.linear is not None:
            latents_NCHW = latents_NCHW + self.linear.encode(as_images(moved_BTCHW))
        return latents_NCHW.float()

    def paint(self, codes_NCHW: Tensor, decoded_BCHW: Tensor) -> Tensor:
        """Codes (B x T, D, h, w) and the decoded context that each clip's frames share -> frames (B, T, 3, R, R).

        frame = context + gate x change, gate in (0, 1), and the linear path's change where there is one; float32.
        """
        num_frames = len(codes_NCHW) // len(decoded_BCHW)
        hints = [
            repeat(hint, "b c h w -> (b t) c h w", t=num_frames).contiguous(memory_format=torch.channels_last)
            for hint in self.pyramid(decoded_BCHW.contiguous(memory_format=torch.channels_last))
        ]
        painted_NCHW = self.decoder(codes_NCHW, hints).float()
        painted_BTCHW = rearrange(painted_NCHW, "(b t) c h w -> b t c h w", b=len(decoded_BCHW))
        change_BTCHW, gate_BTCHW = painted_BTCHW.split([3, 1], dim=2)
        frames_BTCHW: Tensor = decoded_BCHW[:, None] + torch.sigmoid(gate_BTCHW) * change_BTCHW
        if self.linear is not None:
            linear_NCHW = self.linear.decode(codes_NCHW).float()
            frames_BTCHW = frames_BTCHW + rearrange(linear_NCHW, "(b t) c h w -> b t c h w", t=num_frames)
        return frames_BTCHW
