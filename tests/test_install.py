"""What an installation needs and brings: dependencies that are used, bounds that are stated, imports that are lazy."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name != "dev"}


def plain(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {plain(re.split(r"[<>=!~ \[;]", line)[0]) for line in requirements}


@functools.cache
def imported() -> set[str]:
    """The distributions whose modules the package imports."""
    modules = set()
    for path in (REPOSITORY / "vqtool").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    owners = packages_distributions()
    return {plain(owner) for module in modules - {"vqtool"} for owner in owners.get(module, ())}


def test_every_dependency_is_used_and_every_use_is_declared() -> None:
    optional = {name for lines in EXTRAS.values() for name in names(lines)}
    declared = names(PROJECT["dependencies"])
    # setuptools carries a copy of a module that it owns by name alone; tests of extras run with them installed.
    assert declared - imported() == set()
    assert imported() - declared - optional - {"setuptools"} == set()


def test_every_dependency_has_a_lower_bound_that_make_lowest_can_install() -> None:
    command = [sys.executable, str(REPOSITORY / ".ci" / "lowest.py")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    wanted = names(PROJECT["dependencies"]) | {name for extra in EXTRAS.values() for name in names(extra)}
    assert wanted - names(lines) == {"torch"}


def test_the_lower_bound_of_a_package_is_the_same_wherever_it_is_named() -> None:
    bounds: dict[str, set[str]] = {}
    for line in [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]:
        bounds.setdefault(plain(line.partition(">=")[0]), set()).add(line.partition(">=")[2])
    assert {name: versions for name, versions in bounds.items() if len(versions) > 1} == {}


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import vqtool; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout.split()
    assert "vqtool" in loaded
    others = {name.partition(".")[0] for name in loaded} - {"vqtool"} - sys.stdlib_module_names
    assert others == set()
