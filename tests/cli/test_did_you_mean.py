"""A word that is not known is answered with the nearest that is, wherever one may be typed."""

from pathlib import Path

import pytest
from test_commands import vqtool

from vqtool.runs.folder import create_run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with runs/first, which has the checkpoint best-psnr."""
    run = create_run(tmp_path / "runs", "first", "", {})
    (run.checkpoints / "best-psnr").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "code", "hint"),
    [
        ("trian --config tiny", 2, "Did you mean 'train'?"),
        ("runs lst", 2, "Did you mean 'list'?"),
        ("train --confg tiny", 2, "--config"),
        ("eval --checkpoint x --metrics pnsr", 2, "did you mean psnr?"),
        ("config show tinny", 1, "did you mean tiny.toml?"),
        ("config show tiny --set train.stepz=1", 1, "did you mean train.steps?"),
        ("config show tiny --set trian.steps=1", 1, "did you mean train?"),
        ("config show tiny --set model.quantizer.kind=emma", 1, "did you mean ema?"),
        ("config show tiny --set optim.schedule=cosin", 1, "did you mean cosine?"),
        ("config show tiny --set model.kind=pach", 1, "did you mean patch?"),
        ("preprocess --fit corp", 1, "did you mean crop?"),
        ("fetch-weights lpisp", 1, "did you mean lpips?"),
        ("eval --checkpoint first", 1, "did you mean runs/first?"),
        ("eval --checkpoint runs/frist", 1, "did you mean runs/first?"),
        ("eval --checkpoint runs/frist:best-psnr", 1, "did you mean runs/first?"),
        ("eval --checkpoint runs/first:best-pnsr", 1, "did you mean best-psnr?"),
        ("train --resume --run frist", 1, "did you mean first?"),
        ("dash frist", 1, "did you mean first?"),
        ("runs export frist", 1, "did you mean first?"),
    ],
)
def test_near_names_are_suggested(command: str, code: int, hint: str, project: Path) -> None:
    result = vqtool(*command.split(), folder=project)
    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.returncode == code, said
    assert hint in said


def test_what_is_near_nothing_gets_no_hint(project: Path) -> None:
    assert "did you mean" not in vqtool("eval", "--checkpoint", "zzzzzz", folder=project).stderr
