"""What all tests share: few threads (the suite runs in parallel) and the real data where it is."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import no_power_cut  # noqa: F401
import pytest
from forks import Forks

# Before anything imports torch: the suite runs in parallel, and small tensors gain nothing from more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before anything imports Textual: nobody watches it scroll, or previews play.
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

# A shell that starts the tests in the background has them ignore Ctrl-C, which tests send to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """Modules and collected tests stay until the end: no garbage collection need walk through them again.

    There are many: PyAV's videos ask for a whole one each time that one is closed.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the dashboard remembers of runs goes to none of the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("VQTOOL_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data: no folder {folder} (set VQTOOL_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def small_robonet() -> Path:
    """Six trajectories in RoboNet's real layout: mp4 and jpg, three robots, one of 8 frames."""
    return REPOSITORY / "tests" / "files" / "robonet_sim_small" / "hdf5"


@pytest.fixture(scope="session")
def small_store(small_robonet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those trajectories as a frame store of 32-pixel frames."""
    from vqtool.core.config import PreprocessConfig
    from vqtool.preprocessing.pipeline import preprocess

    output = tmp_path_factory.mktemp("small") / "store"
    settings = {"input": str(small_robonet), "output": str(output), "size": 32, "min_frames": 8, "val": 1, "test": 1}
    preprocess(PreprocessConfig(**settings, workers=1))
    return output


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Processes that need not import torch again."""
    server = Forks()
    yield server
    server.close()
