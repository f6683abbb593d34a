"""Starting and resuming a run: everything that can be wrong is found before a run folder is made or touched."""

import subprocess
import time
from pathlib import Path
from typing import Any

import torch

from vqtool import __version__
from vqtool.core.checkpoint import load_config_of
from vqtool.core.config import Config, LossConfig
from vqtool.core.config_file import dump_config
from vqtool.core.device import choose_device, choose_precision, describe_device
from vqtool.core.distributed import Processes
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.code_features import CodeFeatures
from vqtool.core.losses.video_features import VideoFeatureLoss
from vqtool.core.memory import keep_freed_memory
from vqtool.core.metrics import Networks
from vqtool.core.tokenizers import Tokenizer, build_tokenizer
from vqtool.core.tokenizers.frame import FrameTokenizer
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows
from vqtool.errors import ConfigError, RunError
from vqtool.runs.checkpoints import list_checkpoints
from vqtool.runs.folder import RunFolder, create_run, is_alive, process_facts
from vqtool.training.adversary import Adversary
from vqtool.training.batches import Batches
from vqtool.training.compiled import check_compile, compile_networks
from vqtool.training.evaluator import Evaluator
from vqtool.training.session import Session
from vqtool.training.tensorboard import check_tensorboard
from vqtool.training.trainer import Trainer
from vqtool.weights.networks import load_i3d, load_lpips, load_networks

ALONE = Processes()


def start_run(
    config: Config, device_name: str, config_name: str, command: str, processes: Processes = ALONE
) -> Session:
    """A new run, ready to train; every process of a job calls this.

    Raises:
        VqtoolError: settings that cannot work together, a store, weights or a device that is not there, or a run name
            that exists.
    """
    device = processes.place(choose_device(device_name))
    trainer, evaluator = build(config, device, processes)
    # Later commands read the store from the run's config, from whatever folder they are started in.
    store = str(Path(config.data.store).resolve())
    config = config.model_copy(update={"data": config.data.model_copy(update={"store": store})})

    def create() -> RunFolder | None:
        if not processes.is_main:
            return None
        name = config.run.name or automatic_name(config_name)
        facts = _facts(config, trainer, config_name, command)
        return create_run(Path(config.run.dir), name, dump_config(config), facts)

    (run, *_) = processes.together(create)
    assert run is not None  # the main process has made it
    return Session(run, config, trainer, evaluator)


def resume_run(run: RunFolder, config: Config, device_name: str, command: str, processes: Processes = ALONE) -> Session:
    """Go on with `run` from its latest whole checkpoint, under `config` (its own, with overrides).

    The number of processes may be another than before.

    Raises:
        RunError: a trainer is at work on it, or it has nothing left to do.
        VqtoolError: as in `start_run`, or a checkpoint that does not fit.
    """
    (status, *_) = processes.together(lambda: _check_idle(run) if processes.is_main else {})
    _check_same_model(run, config)
    trainer, evaluator = build(config, processes.place(choose_device(device_name)), processes)
    session = Session(run, config, trainer, evaluator)
    session.resume()
    if trainer.share_done >= 1:
        if processes.is_main and status.get("status") != "finished":
            # It was killed between its last checkpoint and its last word.
            run.update_status(status="finished", step=trainer.step, error=None)
        raise RunError(
            f"run {run.path} is finished at step {trainer.step}: give it more with --set train.steps=NUMBER"
            + (" and --set train.max_seconds=NUMBER" if config.train.max_seconds else "")
        )
    if processes.is_main:
        config_name = str(status.get("config_name", ""))
        facts = _facts(config, trainer, config_name, command) | process_facts()
        run.update_status(status="running", heartbeat=time.time(), step=trainer.step, error=None, reason=None, **facts)
    return session


def _check_idle(run: RunFolder) -> dict[str, Any]:
    """What run.json says of a run that no trainer is at work on."""
    status = run.read_status()
    if is_alive(status, time.time()):
        raise RunError(
            f"run {run.path} is in use by process {status.get('pid')} on {status.get('host')}: stop that first"
        )
    return status


def automatic_name(config_name: str) -> str:
    """Config name, date and time: `tiny-1122-154501`."""
    return f"{Path(config_name).stem}-{time.strftime('%m%d-%H%M%S')}"


def build(config: Config, device: torch.device, processes: Processes = ALONE) -> tuple[Trainer, Evaluator]:
    """Everything a run needs, built in an order that finds mistakes early.

    Raises:
        VqtoolError: settings that cannot work together, or a store or weights that are not there.
    """
    if config.train.tensorboard:
        check_tensorboard()
    if config.train.compile:
        check_compile(device, config.loss)
    if config.train.batch_size % processes.size:
        raise ConfigError(
            f"train.batch_size={config.train.batch_size} is that of all {processes.size} processes together and cannot "
            f"be shared equally: set a multiple of {processes.size}"
        )
    if device.type == "cpu":
        keep_freed_memory()
    store = FrameStore.open(Path(config.data.store))
    if store.info.size != config.model.resolution:
        raise ConfigError(
            f"the store {store.path} has frames of {store.info.size} pixels, the model of {config.model.resolution}: "
            f"set model.resolution={store.info.size}, or preprocess again with --size {config.model.resolution}"
        )
    windows = Windows(store, "train", config.data.clip_frames, config.data.stride)
    networks = load_networks(config.eval.metrics, device)
    lpips = _perceptual(config.loss, networks)
    features = _video_features(config.loss, networks, processes)
    torch.manual_seed(config.train.seed)
    model = build_tokenizer(config.model)
    loss = TokenizerLoss(config.loss, lpips, features, _code_features(config, model, lpips))
    batches = Batches(windows, config.train.batch_size, config.train.seed, device, config.data.augment, processes)
    precision = choose_precision(config.train.precision, device)
    evaluator = Evaluator(store, config.eval, config.loss, networks, precision, processes)
    adversary = None
    if config.loss.adversarial_weight > 0:
        adversary = Adversary(config.loss, config.optim, model.resolution, device, precision, processes)
    trainer = Trainer(model, loss, batches, config.optim, config.train, processes, adversary)
    if config.train.compile:
        compile_networks(trainer.model)
    return trainer, evaluator


def _perceptual(config: LossConfig, networks: Networks) -> LPIPS | None:
    """The network of the perceptual loss, the metric's own where there is one."""
    if config.perceptual_weight == 0:
        return None
    lpips = networks.get("lpips")
    return lpips if isinstance(lpips, LPIPS) else load_lpips()


def _video_features(config: LossConfig, networks: Networks, processes: Processes) -> VideoFeatureLoss | None:
    """The loss on I3D's logits, with the metric's own network where there is one."""
    if not config.has_video_features:
        return None
    return VideoFeatureLoss(networks["i3d"] if "i3d" in networks else load_i3d(), processes=processes)


def _code_features(config: Config, model: Tokenizer, lpips: LPIPS | None) -> CodeFeatures | None:
    """What tells the features of a frame from its codes, where the loss asks for it."""
    if config.loss.feature_weight == 0 or lpips is None:
        return None
    if not isinstance(model, FrameTokenizer):
        raise ConfigError(
            "loss.feature_weight needs frames with codes of their own, and those of "
            f'model.kind = "{config.model.kind}" share some: set loss.feature_weight=0'
        )
    return CodeFeatures(model.quantize.code_dim, [len(head) for head in lpips.heads])


def _check_same_model(run: RunFolder, config: Config) -> None:
    checkpoints = list_checkpoints(run)
    if checkpoints and load_config_of(checkpoints[-1][1]).model != config.model:
        raise ConfigError(
            f"run {run.path} has a checkpoint of another model: [model] cannot change on --resume; "
            "leave its settings as they were, or start another --run"
        )


def _facts(config: Config, trainer: Trainer, config_name: str, command: str) -> dict[str, Any]:
    """What run.json says about how this run was made."""
    return {
        "config_name": config_name,
        "command": command,
        "total_steps": config.train.steps,
        "max_seconds": config.train.max_seconds,
        "device": describe_device(trainer.device),
        "precision": str(trainer.precision).removeprefix("torch."),
        "codebook_sizes": trainer.model.codebook_sizes,
        "segment_frames": trainer.model.segment_frames,
        "num_parameters": sum(p.numel() for p in trainer.model.parameters()),
        "versions": {"vqtool": __version__, "torch": torch.__version__},
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """The revision of the folder the command was started in, where it is a git repository."""
    try:
        result = subprocess.run(
            # A repository's own settings may name a program to run for every look at its files.
            ["git", "-c", "core.fsmonitor=false", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
