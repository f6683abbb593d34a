"""Whether this machine can train: Python, torch, device, bf16 and disk space. Never raises."""

import platform
import shutil
import sys
from pathlib import Path

from vqtool.core.finding import Finding

LITTLE_BYTES = 5 * 10**9
"""Less free space than this is noted: a training state of `baseline.toml` alone is more than 1 GB."""
NO_BYTES = 100 * 10**6
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def check_python() -> Finding:
    """The Python that runs this."""
    return Finding("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def check_torch() -> Finding:
    """Whether torch loads and computes."""
    try:
        import torch

        product = float((torch.ones(2, 2) @ torch.ones(2, 2)).sum())
    except Exception as error:  # a broken installation fails in any way it likes
        return Finding("torch", "broken", f"does not load: {error}", "install it again: pip install --upgrade torch")
    if product != 8:
        return Finding("torch", "broken", f"computes 2x2 ones wrongly ({product})", "install it again")
    return Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")


def check_device(driver: Path = NVIDIA_DRIVER) -> Finding:
    """What `--device auto` takes; `driver` exists where an NVIDIA driver is loaded."""
    try:
        import torch

        from vqtool.core.device import choose_device, describe_device

        device = choose_device("auto")
        torch.ones(8, 8, device=device).sum().item()
    except Exception as error:  # as above; a driver too old is a RuntimeError
        return Finding("device", "broken", f"does not compute: {error}", "update the driver, or give --device cpu")
    if device.type != "cpu":
        num_gpus = torch.cuda.device_count()
        remedy = f"to use all: torchrun --nproc_per_node={num_gpus} -m -- vqtool train ..." if num_gpus > 1 else ""
        return Finding("device", "ok", f"{num_gpus} x {describe_device(device)}", remedy)
    if not driver.is_file():
        return Finding(
            "device", "note", f"{describe_device(device)}, no GPU", "tiny.toml, best.toml and clip.toml train on a CPU"
        )
    cause = "torch finds no GPU" if torch.version.cuda else "torch is a build for CPUs"
    remedy = "check nvidia-smi" if torch.version.cuda else "install a torch with CUDA (pytorch.org, Get started)"
    return Finding("device", "note", f"there is an NVIDIA driver, but {cause}", remedy)


def check_bf16() -> Finding:
    """Whether `train.precision = "auto"` trains in bfloat16 here."""
    try:
        import torch

        from vqtool.core.device import choose_device, choose_precision

        fast = choose_precision("auto", choose_device("auto")) is torch.bfloat16
    except Exception as error:
        return Finding("bf16", "broken", f"unknown: {error}", "see torch and device above")
    if fast:
        return Finding("bf16", "ok", "used by train.precision = auto")
    return Finding("bf16", "note", "no matrix units for it: auto trains in fp32", "nothing: fp32 works, more slowly")


def check_disk(name: str, folder: Path) -> Finding:
    """Whether there is room on the disk of `folder`, or of its nearest parent that exists."""
    place = folder.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding(name, "broken", f"{place}: {error.strerror}", "give another folder")
    detail = f"{free / 1e9:,.1f} GB free in {place}"
    if free < NO_BYTES:
        return Finding(name, "broken", detail, "free some space, or write elsewhere")
    if free < LITTLE_BYTES:
        return Finding(name, "note", detail, "little for checkpoints: vqtool runs shows the sizes of runs")
    return Finding(name, "ok", detail)
