"""Videos through a tokenizer whose frames share a context."""

import numpy as np
import torch

from vqtool.core.config import ClipConfig, EmaConfig
from vqtool.core.frames import to_model, to_uint8
from vqtool.core.tokenizers import build_tokenizer
from vqtool.evaluation.evaluate import model_reconstructor
from vqtool.evaluation.reconstruct import FRAMES_AT_ONCE, reconstruct_frames


@torch.inference_mode()
def test_a_long_video_is_cut_between_segments() -> None:
    """So what is shown is what its tokens give: 80 frames are 16 segments of 5, which 64 frames would cut."""
    torch.manual_seed(0)
    model = build_tokenizer(
        ClipConfig(
            resolution=16, patch_size=2, segment_frames=5, context_channels=8, channels=8, channel_multipliers=(1, 2),
            context_quantizer=EmaConfig(codebook_size=16, code_dim=4), quantizer=EmaConfig(codebook_size=8, code_dim=4),
        )
    ).eval()  # fmt: skip
    frames = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), dtype=np.uint8)
    assert FRAMES_AT_ONCE % 5
    tokens = model.encode(to_model(frames[None], torch.device("cpu")))
    assert tokens.context_BSHW is not None and tokens.context_BSHW.shape[1] == 16
    expected = to_uint8(model.decode(tokens))[0]
    # Other numbers of frames at once round otherwise.
    difference = np.abs(
        reconstruct_frames(model, frames, model_reconstructor(model, torch.float32)).astype(int) - expected
    )
    assert difference.max() <= 1
