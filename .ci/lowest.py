"""Print the lowest versions that pyproject.toml allows, as a pip constraints file: what `make lowest` installs.

torch is left out: its one tested version is in constraints.txt, since other builds of it may be gigabytes.
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
EXTRAS = ("cluster", "lerobot", "tensorboard")
ORACLES = ("opencv-python-headless",)
"""What the quick tests compare with."""
BOUND = re.compile(r"(?P<name>[\w.-]+)>=(?P<version>[\w.]+)")
LEFT_OUT = {"torch"}


def lowest_versions() -> dict[str, str]:
    """The lower bound of each dependency of the base package, of the extras that users install, and of the oracles."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    requirements += [line for line in extras["dev"] if line.startswith(ORACLES)]
    found = {}
    for requirement in requirements:
        match = BOUND.fullmatch(requirement)
        if match is None:
            raise SystemExit(f"pyproject.toml: {requirement!r} has no lower bound of the form NAME>=VERSION")
        found[match["name"]] = match["version"]
    return {name: version for name, version in found.items() if name not in LEFT_OUT}


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in lowest_versions().items()))
