"""`torchrun` with two real processes over gloo: the token store of one, to the last byte."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.data.store import FrameStore

REPOSITORY = Path(__file__).resolve().parents[2]


def test_two_processes_write_what_one_writes(
    checkpoint: Callable[..., Path], frame_store: FrameStore, tmp_path: Path
) -> None:
    arguments = ["encode", "--checkpoint", checkpoint(), "--data", frame_store.path, "--batch-frames", "8", "--json"]
    one, two = ([*map(str, arguments), "--device", "cpu", "--output", str(tmp_path / name)] for name in ("one", "two"))
    alone = CliRunner().invoke(app, one)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "vqtool"]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(REPOSITORY)}
    both = subprocess.run([*launch, *two], capture_output=True, text=True, env=environment, timeout=120)
    assert alone.exit_code == both.returncode == 0, both.stderr
    contents = [{f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert contents[0] == contents[1]
    # Only the first process speaks, and what it encoded itself is a part.
    assert json.loads(both.stdout)["frames"] == json.loads(alone.stdout)["frames"] == 50
    assert "/50 frames" in alone.stderr
    assert "/50 frames" not in both.stderr and "/24 frames" in both.stderr
