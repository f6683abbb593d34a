"""`torchrun` with two real processes over gloo: the same result as one, and one voice."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.core.checkpoint import CHECKSUMS_FILE, MODEL_FILE

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = {"seconds", "frames_per_second", "model_frames_per_second"}


def environment(**variables: str) -> dict[str, str]:
    """As many threads as this process has: sums over other parts may round differently."""
    return os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(REPOSITORY)} | variables


def timeless(record: object) -> object:
    """A record without its clock readings."""
    if isinstance(record, dict):
        return {name: timeless(value) for name, value in record.items() if name not in SECONDS}
    return [timeless(value) for value in record] if isinstance(record, list) else record


def test_two_processes_give_what_one_gives(publish: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ["eval", "--checkpoint", publish(0), "--split", "train", "--json", "--device", "cpu"]
    one = CliRunner().invoke(app, list(map(str, arguments)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "vqtool"]
    command = [*launch, *map(str, arguments), "--report", str(tmp_path / "report")]
    two = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
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
    (folder / CHECKSUMS_FILE).unlink()
    command = [sys.executable, "-m", "vqtool", "eval", "--checkpoint", str(folder), "--split", "train"]
    processes = []
    with socket.create_server(("localhost", 0)) as server:
        port = str(server.getsockname()[1])
    for rank in "01":
        variables = {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen([*command, "--device", "cpu"], env=environment(**variables), **pipes))
    (main_out, main_err), (other_out, other_err) = (process.communicate(timeout=120) for process in processes)
    assert [process.returncode for process in processes] == [1, 1]
    assert main_out == other_out == ""
    lines = [line for line in main_err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "has pixels that are NaN or infinite" in lines[0]
    assert "@0 (model)" in lines[0]
    assert "error: " not in other_err
