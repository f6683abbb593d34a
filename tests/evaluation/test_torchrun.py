"""Two real processes over gloo, told of each other as torchrun does: the same result as one, and one voice."""

import json
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
from forks import Child, Forks, free_port, two_processes, vqtool

from vqtool.core.checkpoint import CHECKSUMS_FILE, MODEL_FILE

SECONDS = {"seconds", "frames_per_second", "model_frames_per_second"}


def evaluate(forks: Forks, folder: Path, num_processes: int, *arguments: str) -> list[tuple[int, str, str]]:
    """For each process of a job its exit code, results and messages."""
    forks.load("vqtool.cli.app", "vqtool.cli.eval_tables", "vqtool.evaluation.write_report")
    port, pids = free_port(), []
    for rank in range(num_processes):
        files = folder / f"out-{rank}", folder / f"messages-{rank}"
        variables = two_processes(rank, port) if num_processes == 2 else {}
        pids.append(forks.start(Child(vqtool, ("eval", *arguments), *files, variables)))
    codes = [forks.wait(pid) for pid in pids]
    kinds = ("out", "messages")
    texts = [[(folder / f"{kind}-{rank}").read_text() for kind in kinds] for rank in range(num_processes)]
    return [(code, *text) for code, text in zip(codes, texts, strict=True)]


def timeless(record: object) -> object:
    """A record without its clock readings."""
    if isinstance(record, dict):
        return {name: timeless(value) for name, value in record.items() if name not in SECONDS}
    return [timeless(value) for value in record] if isinstance(record, list) else record


def test_two_processes_give_what_one_gives(publish: Callable[..., Path], tmp_path: Path, forks: Forks) -> None:
    arguments = ["--checkpoint", str(publish(0)), "--split", "train", "--json", "--device", "cpu"]
    [(code, results, messages_of_one)] = evaluate(forks, tmp_path, 1, *arguments)
    assert code == 0, messages_of_one
    expected = timeless(json.loads(results))
    report = ("--report", str(tmp_path / "report"))
    (code, results, messages), other = evaluate(forks, tmp_path, 2, *arguments, *report)
    assert code == 0, messages
    assert timeless(json.loads(results)) == expected
    assert timeless(json.loads((tmp_path / "report" / "report.json").read_text())) == expected
    # Each half of the batches was done by one process, and only the first of them speaks.
    assert messages.count("lpips is left out") == messages_of_one.count("lpips is left out") == 1
    assert messages.count("wrote ") == 1
    assert other == (0, "", "")


def test_a_mistake_in_one_process_is_told_once_and_ends_all(
    publish: Callable[..., Path], tmp_path: Path, forks: Forks
) -> None:
    folder = publish(3)
    weights = safetensors.torch.load_file(folder / MODEL_FILE)
    weights[next(name for name in weights if name.startswith("decoder.") and name.endswith("bias"))][:] = float("nan")
    safetensors.torch.save_file(weights, folder / MODEL_FILE)
    (folder / CHECKSUMS_FILE).unlink()
    main, other = evaluate(forks, tmp_path, 2, "--checkpoint", str(folder), "--split", "train", "--device", "cpu")
    assert main[:2] == other[:2] == (1, "")
    lines = [line for line in main[2].splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "has pixels that are NaN or infinite" in lines[0]
    assert "@0 (model)" in lines[0]
    assert "error: " not in other[2]
