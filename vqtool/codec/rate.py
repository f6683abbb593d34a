"""A tokenizer as a coder of clips: its frames, and its bits at a fixed length or entropy-coded."""

from vqtool.codec.alphabet import grids_of
from vqtool.codec.entropy import TokenCoder
from vqtool.codec.prior import load_prior
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.frames import to_model, to_uint8
from vqtool.data import Frames


class ClipCoder:
    """Each clip by itself, uint8 (T, R, R, 3): what comes back, and bits of both kinds."""

    def __init__(self, tokenizer: LoadedTokenizer) -> None:
        self.tokenizer = tokenizer
        self._grids = grids_of(tokenizer)
        self._prior = load_prior(tokenizer)

    def code(self, frames: Frames) -> tuple[Frames, float, float]:
        """The reconstruction, bits at a fixed length a token, and bits of the entropy coder's payload."""
        tokens = self.tokenizer.encode_clips(to_model(frames[None], self.tokenizer.device))
        parts = {name: grid[0].cpu().numpy() for name, grid in tokens.parts().items()}
        coder = TokenCoder(*self._grids, self.tokenizer.layout.segment_frames, self._prior)
        num_bits = 8.0 * len(coder.encode(parts["frames"], parts.get("context")))
        fake = to_uint8(self.tokenizer.decode_clips(tokens))[0]
        return fake, self.tokenizer.model.bits(len(frames)), num_bits
