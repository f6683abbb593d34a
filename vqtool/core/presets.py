"""The configs that come with vqtool."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def presets_folder() -> Path:
    """The folder of the shipped configs: inside the installed package, or the repository's `configs/`."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def preset_names() -> list[str]:
    """File names of the shipped configs."""
    return sorted(path.name for path in presets_folder().glob("*.toml"))
