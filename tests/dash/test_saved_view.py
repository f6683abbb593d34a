"""How a run was looked at is there again the next time."""

import json
from pathlib import Path

import pytest

from vqtool.dash.saved_view import MAX_VIEWS, SavedView, load_view, save_view
from vqtool.runs.folder import RunFolder

VIEW = SavedView(
    panel=2,
    metric="loss/pixel",
    enlarged=True,
    x_kind="seconds",
    log_x=True,
    clip_outliers=True,
    decay=0.97,
    extent=(1.0, 30.0),
    window=(2.0, 3.5),
    log_y=("loss/pixel", "métrique"),
    y_windows={"loss/total": (-1.0, 0.25)},
)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_view_comes_back_and_belongs_to_one_folder(tmp_path: Path, state_folder: Path) -> None:
    run, namesake = RunFolder(tmp_path / "a" / "run"), RunFolder(tmp_path / "b" / "run")
    assert load_view(run) == SavedView()
    save_view(run, VIEW)
    assert load_view(run) == VIEW and load_view(namesake) == SavedView()
    assert load_view(RunFolder(tmp_path / "b" / ".." / "a" / "run")) == VIEW
    save_view(run, SavedView())
    assert load_view(run) == SavedView() and len(files(state_folder)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"x_kind": "money"},
        {"window": [3, 1]},
        {"extent": None},
        {"decay": "x"},
        {"y_windows": [1]},
        {"panel": None},
        {"log_y": 3},
        {"y_windows": {"a": [0, 1e999]}},
    ],
)
def test_damaged_view_is_the_usual_one(tmp_path: Path, state_folder: Path, change: dict[str, object]) -> None:
    run = RunFolder(tmp_path / "run")
    save_view(run, VIEW)
    [file] = files(state_folder)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert load_view(run) == SavedView()


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"\xff{}", b"[" * 100_000, b'{"window"'])
def test_file_of_anything_else_is_the_usual_view(tmp_path: Path, state_folder: Path, content: bytes) -> None:
    run = RunFolder(tmp_path / "run")
    save_view(run, VIEW)
    files(state_folder)[0].write_bytes(content)
    assert load_view(run) == SavedView()


def test_place_that_cannot_be_written_is_done_without(tmp_path: Path, state_folder: Path) -> None:
    state_folder.parent.mkdir(parents=True)
    state_folder.write_text("a file in the way")
    save_view(RunFolder(tmp_path / "run"), VIEW)
    assert load_view(RunFolder(tmp_path / "run")) == SavedView()


def test_only_the_runs_looked_at_last_are_kept(tmp_path: Path, state_folder: Path) -> None:
    for number in range(MAX_VIEWS + 3):
        save_view(RunFolder(tmp_path / str(number)), VIEW)
    assert len(files(state_folder)) == MAX_VIEWS
    assert load_view(RunFolder(tmp_path / str(MAX_VIEWS + 2))) == VIEW
