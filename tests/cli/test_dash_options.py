from pathlib import Path

import pytest
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.runs.folder import create_run


def invoke(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["dash", *arguments], env=environment)
    return result.exit_code, result.output


@pytest.mark.parametrize("option", ["--once", "--json"])
def test_a_replay_is_watched(tmp_path: Path, option: str) -> None:
    run = create_run(tmp_path, "run", "", {})
    code, output = invoke(str(run.path), "--replay", option)
    assert code == 2 and "--replay is watched" in output


@pytest.mark.parametrize("arguments", [("--speed", "0"), ("--images", "ascii"), ("--speed", "fast")])
def test_impossible_options_are_usage_errors(tmp_path: Path, arguments: tuple[str, str]) -> None:
    run = create_run(tmp_path, "run", "", {})
    assert invoke(str(run.path), *arguments)[0] == 2
