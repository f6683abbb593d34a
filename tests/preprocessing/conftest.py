import sys
from pathlib import Path

import pytest

from vqtool.core.config import PreprocessConfig
from vqtool.preprocessing.pipeline import Summary, preprocess

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "data"))


@pytest.fixture(scope="session")
def small_folder() -> Path:
    """Six RoboNet-layout files, one of them with 8 frames."""
    return TESTS / "files" / "robonet_sim_small" / "hdf5"


@pytest.fixture(scope="session")
def small_summary(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """The six files preprocessed by two workers."""
    output = tmp_path_factory.mktemp("preprocessed") / "store"
    return preprocess(PreprocessConfig(input=str(small_folder), output=str(output), val=1, test=1, workers=2))
