"""How fast a frame store becomes a token store, beside the encoder alone.

vqtool: `StoreEncoder.run` into a new folder, from the memory-mapped frames to the checked and complete token store.
Bare: the seconds of these that the encoder's forward pass and quantizer took, a batch at a time; timed inside the run,
so that busy neighbours lengthen both. On a GPU each pass is waited for, so what overlaps there counts against vqtool.
On a CPU the tokenizer is `tiny`, whose cheap encoder leaves the rest the largest share; on a GPU it is `baseline_2d`.
Weights are random.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from measuring import Target, arguments, report, table

from vqtool.codec.encode_store import StoreEncoder
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config import PreprocessConfig
from vqtool.core.config_file import load_config
from vqtool.core.device import choose_device, describe_device
from vqtool.core.tokenizers import Tokens, build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.preprocessing.pipeline import preprocess


class TimedTokenizer(LoadedTokenizer):
    """Counts the seconds in its encoder."""

    seconds = 0.0

    def encode_clips(self, frames_BTCHW: torch.Tensor) -> Tokens:
        """As ever."""
        started = time.perf_counter()
        tokens = super().encode_clips(frames_BTCHW)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - started
        return tokens


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__, repeats=5)
    device = choose_device("auto")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = PreprocessConfig(
            input=str(options.data / "robonet_sim" / "hdf5"), output=str(folder / "store"), val=12, test=12
        )
        store = FrameStore.open(preprocess(source).path)
        config = load_config("tiny" if device.type == "cpu" else "baseline_2d")
        save_checkpoint(folder / "model", build_tokenizer(config.model).state_dict(), config)
        loaded = load_folder(folder / "model", device)
        tokenizer = TimedTokenizer(loaded.model, config, loaded.folder, loaded.precision)
        StoreEncoder(tokenizer, store, folder / "warm-up", "model").run()
        bare, whole = [], []
        for repeat in range(options.repeats):
            tokenizer.seconds = 0.0
            whole.append(StoreEncoder(tokenizer, store, folder / f"tokens-{repeat}", "model").run().seconds)
            bare.append(tokenizer.seconds)
    num_frames = sum(shard.frames for shard in store.info.shards)
    rows = [
        [
            label,
            *(f"{value:.2f}" for value in (statistics.median(seconds), min(seconds))),
            f"{num_frames / min(seconds):,.0f}",
        ]
        for label, seconds in (("bare", bare), ("vqtool", whole))
    ]
    facts = (
        f"{num_frames:,} frames of 64 x 64 pixels, {config.model.kind} tokenizer, {str(tokenizer.precision)[6:]} on "
        f"{describe_device(device)}; {options.repeats} repeats, the share is the median of theirs."
    )
    share = 100 * statistics.median(one / other for one, other in zip(bare, whole, strict=True))
    head = ["", "seconds (median)", "seconds (shortest)", "frames/s (shortest)"]
    targets = [Target("of the bare encoder's throughput", 85, share, "%")]
    return report("encode", [str(__doc__).split("\n\n")[1].strip(), table(head, rows), facts], targets, options.output)


if __name__ == "__main__":
    sys.exit(main())
