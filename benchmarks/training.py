"""How fast one training step is, beside a plain loop over the same network, and how near to the machine's matmul rate.

Plain: the same network, losses and batch in the default memory layout; on a CPU fp32, on a GPU fp16 autocast with a
gradient scaler; Adam, and losses read at every step. vqtool: `Trainer.train_step`. Both take their data from a frame
store and alternate in one process. FLOPs are counted by torch, forward and backward; the matmul rate is measured here.
Waiting for data is also measured with the augmentation of `clip.toml`.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import Target, arguments, report, table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config import Config, PreprocessConfig
from vqtool.core.config_file import dump_config, load_config
from vqtool.core.device import choose_device, describe_device
from vqtool.core.losses import TokenizerLoss
from vqtool.core.tokenizers import Tokenizer, build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows
from vqtool.preprocessing.pipeline import preprocess
from vqtool.runs.folder import create_run
from vqtool.training.batches import Batches
from vqtool.training.run_log import RunLog
from vqtool.training.system import SystemUse
from vqtool.training.trainer import Trainer
from vqtool.weights.networks import load_lpips

CPU_BATCH = 8
"""Frames: the full batch of 120 takes minutes a step on two cores."""
WARM_UP = 2
CLIP_STEPS, LOG_LINES = 20, 20
MATMUL_SIZE = {"cpu": 2048, "cuda": 8192}


def batches_for(config: Config, store: FrameStore, device: torch.device) -> Batches:
    """Random training clips."""
    windows = Windows(store, "train", config.data.clip_frames, config.data.stride)
    return Batches(windows, config.train.batch_size, config.train.seed, device, config.data.augment)


def build(config: Config) -> tuple[Tokenizer, TokenizerLoss]:
    """The network, its codes placed at random, and the loss."""
    torch.manual_seed(0)
    model = build_tokenizer(config.model)
    model.quantizer.initialise(torch.randn(model.quantizer.num_initial_vectors, model.quantizer.code_dim))
    return model, TokenizerLoss(config.loss, load_lpips() if config.loss.perceptual_weight else None)


def plain_step(config: Config, batches: Batches) -> Callable[[], object]:
    """One step of the plain loop."""
    device = batches.device
    model, loss = (part.to(device) for part in build(config))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.optim.lr, betas=config.optim.betas)
    fp16 = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=fp16)

    def step() -> float:
        optimizer.zero_grad()
        for _ in range(config.train.accumulate):
            frames_BTCHW = batches.next().contiguous()
            with torch.autocast(device.type, dtype=torch.float16, enabled=fp16):
                total: Tensor = loss(frames_BTCHW, model(frames_BTCHW)).total / config.train.accumulate
            torch.autograd.backward(scaler.scale(total))
        scaler.step(optimizer)
        scaler.update()
        return float(total.detach())

    return step


def augmented_wait(store: FrameStore, device: torch.device) -> float:
    """The share of steps of `clip.toml` that waits for data, percent."""
    config = load_config("clip")
    trainer = Trainer(*build(config), batches_for(config, store, device), config.optim, config.train)
    for _ in range(WARM_UP):
        trainer.train_step()
    results = [trainer.train_step() for _ in range(CLIP_STEPS)]
    return 100 * sum(result.data_seconds for result in results) / sum(result.seconds for result in results)


def keeping(trainer: Trainer, config: Config, folder: Path) -> tuple[float, float]:
    """Seconds that a checkpoint takes, and a line of the log with its event of revived codes (median)."""
    saving = seconds(
        lambda: save_checkpoint(
            folder / "step", trainer.average.model.state_dict(), config, {"trainer": trainer.state()}
        ),
        trainer.device,
    )
    run = create_run(folder, "run", dump_config(config), {})
    result = trainer.train_step()
    with RunLog(run, SystemUse(trainer.device)) as log:
        lines = [seconds(lambda: log.step(result, trainer.usage, 1), trainer.device) for _ in range(LOG_LINES)]
    return saving, statistics.median(lines)


def count_flops(config: Config, batches: Batches) -> float:
    """Floating-point operations of one optimiser step."""
    model, loss = (part.to(batches.device) for part in build(config))
    frames_BTCHW = batches.next()
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(loss(frames_BTCHW, model(frames_BTCHW)).total)
    return float(counter.get_total_flops()) * config.train.accumulate


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the best of several square matrix products."""
    size = MATMUL_SIZE[device.type]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b, device) for _ in range(10))


def seconds(function: Callable[[], object], device: torch.device) -> float:
    """Wall seconds until the device is done."""
    started = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__, repeats=5)
    device = choose_device("auto")
    overrides = [] if device.type == "cuda" else [f"train.batch_size={CPU_BATCH}", "train.accumulate=1"]
    config = load_config("baseline_2d", overrides)
    with tempfile.TemporaryDirectory() as folder:
        source = PreprocessConfig(
            input=str(options.data / "robonet_sim" / "hdf5"), output=f"{folder}/store", val=12, test=12
        )
        store = FrameStore.open(preprocess(source).path)
        trainer = Trainer(*build(config), batches_for(config, store, device), config.optim, config.train)
        plain = plain_step(config, batches_for(config, store, device))
        for _ in range(WARM_UP):
            trainer.train_step(), plain()
        ours, theirs, waits = [], [], []
        for _ in range(options.repeats):
            theirs.append(seconds(plain, device))
            ours.append(seconds(lambda: waits.append(trainer.train_step().data_seconds), device))
        flops = count_flops(config, batches_for(config, store, device))
        saving, logging = keeping(trainer, config, Path(folder))
        wait = augmented_wait(store, device)
    rate = matmul_rate(device, trainer.precision)
    step, plain_seconds = sorted(ours)[len(ours) // 2], sorted(theirs)[len(theirs) // 2]
    train = config.train
    num_frames = train.batch_size * train.accumulate * config.data.clip_frames
    rows = [
        _row(name, value, num_frames, flops, rate) for name, value in (("plain loop", plain_seconds), ("vqtool", step))
    ]
    head = ["", "seconds a step", "frames/s", "TFLOP/s", "share of the matmul rate"]
    facts = (
        f"baseline_2d, {num_frames} frames a step, {flops / num_frames / 1e9:.1f} GFLOP a frame, on "
        f"{describe_device(device)}, {str(trainer.precision).removeprefix('torch.')}; matmul rate {rate / 1e12:.3g} "
        f"TFLOP/s. Medians of {options.repeats} alternating steps. A checkpoint takes {saving:.2f} s, a log line "
        f"{logging * 1e3:.2f} ms."
    )
    targets = [
        Target("vqtool over the plain loop", 2.0, plain_seconds / step),
        Target("waiting for data", 2, 100 * sum(waits) / sum(ours), "%", at_most=True),
        Target("waiting for data, augmented as in clip.toml", 2, wait, "%", at_most=True),
        Target(
            f"a checkpoint every {train.checkpoint_every} steps, a line of the log every {train.log_every}",
            3,
            100 * (saving / train.checkpoint_every + logging / train.log_every) / step,
            "%",
            at_most=True,
        ),
    ]
    sections = [str(__doc__).split("\n\n")[1].strip(), table(head, rows), facts]
    return report("training", sections, targets, options.output)


def _row(name: str, step: float, num_frames: int, flops: float, rate: float) -> list[str]:
    achieved = flops / step
    return [name, f"{step:.3f}", f"{num_frames / step:.2f}", f"{achieved / 1e12:.3f}", f"{achieved / rate:.0%}"]


if __name__ == "__main__":
    sys.exit(main())
