"""Every `--json` prints what docs/json.md says: each field has a row, each row a field, and the types agree."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_tree import leaves
from json_schema import problems, tables
from test_commands import TRAIN, vqtool

TABLES = tables()


@pytest.fixture(scope="module")
def project(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/first, as `vqtool train` makes it, and a token store of its tokens."""
    folder = tmp_path_factory.mktemp("json")
    trained = vqtool(*TRAIN, "--data", small_store, "--set", 'eval.metrics=["psnr"]', folder=folder)
    assert trained.returncode == 0, trained.stderr
    return folder


def output(folder: Path, *arguments: str | Path, code: int = 0) -> Any:
    result = vqtool(*arguments, "--json", folder=folder)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def test_every_command_with_json_has_a_table() -> None:
    with_json = {name for name, command in leaves() if any("--json" in option.opts for option in command.params)}
    documented = {name.partition(" --")[0] for name in TABLES}
    assert documented == with_json
    assert all(TABLES.values())


def test_a_field_that_is_missing_new_or_of_another_type_is_found() -> None:
    """The comparison itself, on an output that differs in each of these ways."""
    rows = {("name",): "text", ("list", "[]", "size"): "whole number", ("gone",): "number or null"}
    right = {"name": "a", "list": [{"size": 1}], "gone": None}
    assert problems(right, rows) == [] == problems(right | {"list": []}, rows)
    for wrong in ({"name": 1}, {"list": [{"size": 1.5}]}, {"list": [{"size": True}]}, {"new": 1}, {"gone": "x"}):
        assert len(problems(right | wrong, rows)) == 1, wrong
    assert len(problems({"name": "a", "list": []}, rows)) == 1


def test_preprocess_and_data_info(small_robonet: Path, small_store: Path, tmp_path: Path) -> None:
    arguments = ("--input", small_robonet, "--output", "store", "--size", "8", "--val", "1", "--test", "1")
    made = output(tmp_path, "preprocess", *arguments, "--workers", "1")
    assert made["skipped"], "the trajectory of 8 frames is too short"
    assert problems(made, TABLES["preprocess"]) == []
    assert problems(output(tmp_path, "data", "info", "store"), TABLES["data info"]) == []


def test_runs_and_dash(project: Path) -> None:
    assert problems(output(project, "runs", "list"), TABLES["runs list"]) == []
    assert problems(output(project, "dash"), TABLES["dash"]) == []


def test_eval_of_one_checkpoint_and_of_two(project: Path) -> None:
    arguments = ("eval", "--checkpoint", "runs/first", "--metrics", "psnr", "--split", "train")
    assert problems(output(project, *arguments), TABLES["eval"]) == []
    rows = {path: kind for path, kind in TABLES["eval"].items() if path[0] not in ONE_CHECKPOINT}
    assert problems(output(project, *arguments, "--checkpoint", "runs/first:best-psnr"), rows) == []


ONE_CHECKPOINT = {
    "checkpoint", "search_steps", "tokens_per_frame", "bits_per_frame", "entropy_bits_per_frame", "bits_per_pixel",
    "entropy_bits_per_pixel", "codebook", "model_frames_per_second",
}  # fmt: skip


def test_encode_tokens_info_and_publish(project: Path, small_store: Path) -> None:
    arguments = ("encode", "--checkpoint", "runs/first", "--data", small_store, "--output", "tokens")
    assert problems(output(project, *arguments), TABLES["encode --data"]) == []
    assert problems(output(project, "tokens", "info", "tokens"), TABLES["tokens info"]) == []
    assert problems(output(project, "publish", "runs/first", "published"), TABLES["publish"]) == []


def test_bench_rd(project: Path) -> None:
    arguments = ("bench", "rd", "--checkpoint", "runs/first", "--clips", "1", "--clip-frames", "2")
    assert problems(output(project, *arguments), TABLES["bench rd"]) == []


def test_weights_and_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path))
    assert problems(output(tmp_path, "fetch-weights", "--list"), TABLES["fetch-weights --list"]) == []
    assert problems(output(tmp_path, "doctor"), TABLES["doctor"]) == []
