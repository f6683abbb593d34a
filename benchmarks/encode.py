"""How fast a frame store becomes a token store, beside the encoder alone.

Bare: the encoder's forward pass and the quantizer on batches that lie ready as floats on the device, as often as the
store has batches; nothing is read or written. vqtool: `StoreEncoder.run` into a new folder, from the memory-mapped
frames to the checked and complete token store. On a CPU the tokenizer is `tiny`, whose cheap encoder leaves the rest
the largest share; on a GPU it is `baseline_2d`. Weights are random.
"""

import sys
import tempfile
from itertools import count
from pathlib import Path

import torch
from measuring import Target, arguments, interleave, report, table

from vqtool.codec.encode_store import StoreEncoder
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config import PreprocessConfig
from vqtool.core.config_file import load_config
from vqtool.core.device import choose_device, describe_device
from vqtool.core.frames import to_model
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.preprocessing.pipeline import preprocess


def bare_pass(tokenizer: LoadedTokenizer, store: FrameStore, encoder: StoreEncoder) -> None:
    """Every batch through the encoder; all of one length are the same frames."""
    ready: dict[int, torch.Tensor] = {}
    for (piece,) in encoder.batches:
        if piece.length not in ready:
            frames = store.shard(piece.shard)[piece.row : piece.row + piece.length]
            ready[piece.length] = to_model(frames[None], tokenizer.device)
    for (piece,) in encoder.batches:
        tokens = tokenizer.encode_clips(ready[piece.length])
    # Waits for a GPU.
    tokens.stored()


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__, repeats=5)
    device = choose_device("auto")
    with tempfile.TemporaryDirectory() as folder:
        source = PreprocessConfig(
            input=str(options.data / "robonet_sim" / "hdf5"), output=f"{folder}/store", val=12, test=12
        )
        store = FrameStore.open(preprocess(source).path)
        config = load_config("tiny" if device.type == "cpu" else "baseline_2d")
        save_checkpoint(Path(folder) / "model", build_tokenizer(config.model).state_dict(), config)
        tokenizer = load_folder(Path(folder) / "model", device)
        numbers = count()
        encoder = StoreEncoder(tokenizer, store, Path(folder) / "unused", "model")
        cases = {
            "bare": lambda: bare_pass(tokenizer, store, encoder),
            "vqtool": lambda: StoreEncoder(tokenizer, store, Path(folder) / f"tokens-{next(numbers)}", "model").run(),
        }
        bare_pass(tokenizer, store, encoder)
        timings = interleave(cases, options.repeats)
    frames = sum(shard.frames for shard in store.info.shards)
    rows = [
        [name, f"{timing.wall_seconds:.2f}", f"{frames / timing.wall_seconds:,.0f}",
         f"{timing.best_wall_seconds:.2f}", f"{frames / timing.best_wall_seconds:,.0f}"]
        for name, timing in timings.items()
    ]  # fmt: skip
    head = ["", "seconds (median)", "frames/s", "seconds (shortest)", "frames/s"]
    facts = (
        f"{frames:,} frames of 64 x 64 pixels, {config.model.kind} tokenizer, {str(tokenizer.precision)[6:]} on "
        f"{describe_device(device)}; {options.repeats} alternating repeats, compared by the shortest."
    )
    share = 100 * timings["bare"].best_wall_seconds / timings["vqtool"].best_wall_seconds
    targets = [Target("of the bare encoder's throughput", 85, share, "%")]
    return report("encode", [str(__doc__).split("\n\n")[1].strip(), table(head, rows), facts], targets, options.output)


if __name__ == "__main__":
    sys.exit(main())
