"""`torchrun` with two real processes over gloo: the same result as one, and one voice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.core.checkpoint import MODEL_FILE

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = {"seconds", "frames_per_second", "model_frames_per_second"}


def two_processes(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "vqtool"]
    # As many threads as this process has: sums over other parts may round differently.
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run([*launch, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120)


def timeless(record: object) -> object:
    """A record without its clock readings."""
    if isinstance(record, dict):
        return {name: timeless(value) for name, value in record.items() if name not in SECONDS}
    return [timeless(value) for value in record] if isinstance(record, list) else record


def test_two_processes_give_what_one_gives(publish: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ["eval", "--checkpoint", publish(0), "--split", "train", "--json", "--device", "cpu"]
    one = CliRunner().invoke(app, list(map(str, arguments)))
    two = two_processes(*arguments, "--report", tmp_path / "report")
    assert one.exit_code == two.returncode == 0, two.stderr
    expected = timeless(json.loads(one.stdout))
    assert timeless(json.loads(two.stdout)) == expected
    assert timeless(json.loads((tmp_path / "report" / "report.json").read_text())) == expected
    # Each half of the batches was done by one process, and only the first of them speaks.
    assert two.stderr.count("lpips is left out") == one.stderr.count("lpips is left out") == 1
    assert two.stderr.count("wrote ") == 1


def test_a_mistake_in_one_process_is_told_once_and_ends_all(publish: Callable[..., Path]) -> None:
    folder = publish(3)
    weights = safetensors.torch.load_file(folder / MODEL_FILE)
    weights[next(name for name in weights if name.startswith("decoder.") and name.endswith("bias"))][:] = float("nan")
    safetensors.torch.save_file(weights, folder / MODEL_FILE)
    result = two_processes("eval", "--checkpoint", folder, "--split", "train", "--device", "cpu")
    assert result.returncode != 0
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "has pixels that are NaN or infinite" in lines[0]
    assert "@0 (model)" in lines[0]
