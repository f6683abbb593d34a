"""Names of checkpoints: they always resolve, and pruning keeps what they name."""

from pathlib import Path

import pytest

from vqtool.errors import CheckpointError
from vqtool.runs.checkpoints import drop_old_checkpoints, find_checkpoint, list_checkpoints, point_at, pointed_step
from vqtool.runs.folder import RunFolder, create_run, step_name


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = create_run(tmp_path / "my runs", "a", "", {})
    for step in (1, 2, 3, 4):
        (run.checkpoints / step_name(step)).mkdir()
    point_at(run, "best-psnr", 2)
    point_at(run, "latest", 4)
    return run


def test_pruning_keeps_the_last_and_the_named(run: RunFolder) -> None:
    assert drop_old_checkpoints(run, keep_last=1) == [1, 3]
    assert [step for step, _ in list_checkpoints(run)] == [2, 4]
    assert not list(run.checkpoints.glob(".*"))


def test_a_name_moves_in_one_step(run: RunFolder) -> None:
    point_at(run, "best-psnr", 3)
    assert pointed_step(run, "best-psnr") == 3
    assert pointed_step(run, "best-ssim") is None


def test_what_a_user_may_call_a_checkpoint(run: RunFolder) -> None:
    for name, step in [
        ("", 4),
        (":latest", 4),
        (":best-psnr", 2),
        (":step-00000003", 3),
        ("/checkpoints/best-psnr", 2),
    ]:
        assert find_checkpoint(f"{run.path}{name}").name == step_name(step)


def test_a_half_written_checkpoint_is_not_the_latest(run: RunFolder) -> None:
    (run.checkpoints / ".step-00000009.123-4.tmp").mkdir()
    assert find_checkpoint(str(run.path)).name == step_name(4)


@pytest.mark.parametrize("name", ["nowhere", "nowhere:latest", ":latest"])
def test_an_unknown_run_says_what_was_expected(name: str) -> None:
    with pytest.raises(CheckpointError, match="expected a run folder"):
        find_checkpoint(name)


@pytest.mark.parametrize("which", ["best-fvd", "..", "../../a", ""])
def test_an_unknown_checkpoint_lists_the_known(run: RunFolder, which: str) -> None:
    with pytest.raises(CheckpointError, match=r"it has: best-psnr, latest, step-00000001"):
        find_checkpoint(f"{run.path}:{which}")


def test_a_run_without_checkpoints_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        find_checkpoint(str(create_run(tmp_path, "b", "", {}).path))
