"""`vqtool runs` as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vqtool.cli.app import app
from vqtool.errors import RunError
from vqtool.runs.folder import create_run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two finished runs in ./runs; one has scores."""
    monkeypatch.chdir(tmp_path)
    for name, facts in (("first", {"best": {"psnr": [21.25, 4], "lpips": [0.4, 4]}}), ("second", {})):
        run = create_run(Path("runs"), name, "", {"total_steps": 1000})
        run.update_status(status="finished", step=1000, **facts)
        run.metrics_file.write_text('{"step": 1, "split": "train", "loss/total": 0.5}\n')
    return Path("runs")


def vqtool(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["runs", *arguments], input=answer)


def test_the_list_shows_scores_where_there_are_any() -> None:
    lines = {line.split()[0]: line.split() for line in vqtool().stdout.splitlines()}
    assert lines["run"] == ["run", "status", "step", "best", "PSNR", "best", "LPIPS", "age", "size"]
    assert lines["first"][:5] == ["first", "finished", "1,000/1,000", "21.25", "0.4"]
    assert lines["second"][3:5] == ["–", "–"]
    assert {facts["name"] for facts in json.loads(vqtool("list", "--json").stdout)} == {"first", "second"}


def test_alone_it_lists_with_the_same_options(runs: Path) -> None:
    alone, listed = (json.loads(vqtool(*name, "--json").stdout) for name in ((), ("list",)))
    assert [facts["name"] for facts in alone] == [facts["name"] for facts in listed]
    runs.rename("elsewhere")
    assert "first" in vqtool("--dir", "elsewhere").stdout
    misplaced = vqtool("--json", "export", "first")
    assert misplaced.exit_code == 2 and "after the command" in misplaced.stderr


def test_removing_asks_and_keeps_on_no(runs: Path) -> None:
    answer = vqtool("rm", "first", answer="n\n")
    assert "Remove" in answer.stderr and "kept" in answer.stderr
    assert (runs / "first").is_dir()
    assert vqtool("rm", "first", answer="y\n").exit_code == 0
    assert [path.name for path in runs.iterdir()] == ["second"]


def test_one_unknown_name_removes_nothing_and_names_the_near_ones(runs: Path) -> None:
    result = vqtool("rm", "second", "frist", "--yes")
    assert isinstance(result.exception, RunError)
    assert "did you mean first?" in str(result.exception)
    assert (runs / "second").is_dir()


def test_packing_up_prints_the_file(runs: Path) -> None:
    assert vqtool("archive", "first", "--yes").stdout.strip().endswith("first.tar.gz")
    assert sorted(path.name for path in runs.iterdir()) == ["first.tar.gz", "second"]


def test_exporting_writes_a_csv_beside_the_user() -> None:
    assert vqtool("export", "first").stdout == "first.csv\n"
    assert Path("first.csv").read_text() == "step,split,time,loss/total\n1,train,,0.5\n"
