"""CONTRIBUTING.md says what is true: its map names every folder, and its recipes work as they are written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
GUIDE = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (A .+?)\n(.*?)(?=^###? )", GUIDE, flags=re.MULTILINE | re.DOTALL))
STEP = re.compile(r"^```(python|diff) (\S+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def apply(recipe: str, folder: Path) -> None:
    """Do what a recipe says: write its files, make its changes."""
    for kind, file, text in STEP.findall(recipe):
        path = folder / file
        if kind == "python":
            assert not path.exists()
            path.write_text(text)
            continue
        before, after = ("\n".join(line[1:] for line in text.splitlines() if line[0] == sign) for sign in "-+")
        content = "\n" + path.read_text()
        assert content.count("\n" + before) == 1, f"{file} does not have {before!r} once"
        path.write_text(content.replace("\n" + before, "\n" + after)[1:])


def run(folder: Path, *arguments: str) -> str:
    """What Python prints, with the package in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "100"}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code with all that the recipes add."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("vqtool", "configs", "tests"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "files"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    for recipe in RECIPES.values():
        apply(recipe, folder)
    return folder


def test_the_map_names_every_folder_of_the_package_and_no_other() -> None:
    block = GUIDE[GUIDE.index("    vqtool/\n") : GUIDE.index("A layer imports")]
    named, parents = set(), {4: ""}
    for spaces, name in re.findall(r"^( +)(\w+)/", block, flags=re.MULTILINE):
        folder = f"{parents[len(spaces)]}{name}/"
        parents[len(spaces) + 2] = folder
        named.add(folder)
    packages = {path.parent.relative_to(REPOSITORY).as_posix() + "/" for path in REPOSITORY.glob("vqtool/**/*.py")}
    assert named == packages


def test_there_is_a_recipe_for_each_thing_that_people_add() -> None:
    assert list(RECIPES) == ["A metric", "A quantizer", "A source of videos", "A command", "A panel"]
    assert all(
        kind in {step for step, *_ in STEP.findall(recipe)}
        for recipe in RECIPES.values()
        for kind in ("python", "diff")
    )


def test_the_metric_and_the_quantizer_are_found_by_the_contract_tests(added: Path) -> None:
    tests = [
        f"tests/core/{name}" for name in ("metrics/test_metric_contract.py", "quantizers/test_quantizer_contract.py")
    ]
    report = run(
        added,
        "-m",
        "pytest",
        "-vv",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        "contrast or (frozen and not grouped and not rotation)",
        *tests,
    )
    assert report.count("[contrast") >= 3
    assert report.count("[frozen]") >= 5 and "residual of frozen" in report


def test_the_source_and_the_command_are_there(added: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        np.save(tmp_path / "in" / f"{number}.npy", rng.integers(256, size=(5, 20, 24, 3), dtype=np.uint8))
    source = ["--source", "arrays", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "store")]
    settings = ["--size", "16", "--min-frames", "5", "--val", "1", "--test", "1", "--workers", "1", "--json"]
    summary = json.loads(run(added, "-m", "vqtool", "preprocess", *source, *settings))
    assert (summary["frames"], summary["skipped"]) == (20, [])
    assert run(added, "-m", "vqtool", "count", str(tmp_path / "store")) == "train 2\nval 1\ntest 1\n"
    assert "Count the clips of each split" in run(added, "-m", "vqtool", "--help")


SHOW_PANEL = """
import asyncio, sys
from pathlib import Path
from vqtool.dash.app import DashApp
from vqtool.runs.folder import RunFolder, create_run

async def show(size):
    name = f"run-{size[0]}"  # a run of its own: how one was looked at is remembered
    run = create_run(Path(sys.argv[1]), name, "[train]\\n", {"best": {"psnr [b]": [21.5, 100]}})
    async with DashApp(run, run.path).run_test(size=size) as pilot:
        panel = pilot.app.screen.query_one("#best")
        seen = [panel.display]
        await pilot.press("6")
        for _ in range(400):
            if "psnr" in str(panel.content):
                break
            await pilot.pause(0.05)
        print(*seen, panel.display, panel.content)

for size in ((80, 24), (140, 50)):
    asyncio.run(show(size))
"""


def test_the_panel_is_shown(added: Path, tmp_path: Path) -> None:
    lines = run(added, "-c", SHOW_PANEL, str(tmp_path)).splitlines()
    assert lines == ["False True psnr [b] [21.5, 100]"] * 2
