"""Preprocessing on a real Dask scheduler with two worker processes on loopback."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

from vqtool.core.config import PreprocessConfig
from vqtool.errors import DataError
from vqtool.preprocessing.cluster import dask_executor
from vqtool.preprocessing.pipeline import Summary, preprocess

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra vqtool[cluster]")


@pytest.fixture(scope="module")
def distributed() -> ModuleType:
    """Dask, imported by the one test process that needs it and not by all that collect this file."""
    return import_module("distributed")


@pytest.fixture(scope="module")
def scheduler(distributed: ModuleType) -> Iterator[str]:
    """The address of a scheduler with two worker processes."""
    # A task whose worker died is not tried again, so that the test of that is quick.
    once = import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0})
    with (
        once,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def idle_scheduler(distributed: ModuleType) -> Iterator[str]:
    """The address of a scheduler without workers."""
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", host="127.0.0.1") as cluster:
        yield cluster.scheduler_address


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def die() -> None:
    os._exit(1)


def wait_in_vain() -> None:
    threading.Event().wait(60)


def fail() -> None:
    raise ZeroDivisionError("in the worker")


def test_the_store_is_byte_identical_to_a_local_one(
    scheduler: str, small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    settings = {"input": str(small_folder), "output": str(tmp_path / "store"), "val": 1, "test": 1}
    summary = preprocess(PreprocessConfig(**settings, executor="dask", scheduler=scheduler))
    assert contents(summary.path) == contents(small_summary.path)
    assert len(contents(summary.path)) == 5


def test_work_is_done_by_the_workers(scheduler: str) -> None:
    with dask_executor(scheduler) as executor:
        assert executor.num_workers == 2
        assert executor.submit(os.getpid).result() != os.getpid()
        assert [future.result() for future in [executor.submit(pow, base, 2) for base in range(5)]] == [0, 1, 4, 9, 16]


def test_an_error_in_a_task_is_that_of_its_future(scheduler: str) -> None:
    with dask_executor(scheduler) as executor, pytest.raises(ZeroDivisionError, match="in the worker"):
        executor.submit(fail).result()


def test_a_scheduler_that_is_not_there_is_one_message() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with (
            pytest.raises(DataError, match=f"no Dask scheduler answers at {address} .*dask scheduler"),
            dask_executor(address, connect_seconds=0.2),
        ):
            pass


def test_an_address_that_is_none_is_one_message() -> None:
    with (
        pytest.raises(DataError, match="no Dask scheduler answers at carrier-pigeon://home"),
        dask_executor("carrier-pigeon://home", connect_seconds=0.2),
    ):
        pass


def test_a_scheduler_without_workers_is_one_message(idle_scheduler: str) -> None:
    with (
        pytest.raises(DataError, match=r"has had no worker for 0\.1 s: start some with dask worker tcp://127"),
        dask_executor(idle_scheduler, workers_seconds=0.1),
    ):
        pass


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(DataError, match=r"pip install 'vqtool\[cluster\]'"),
        dask_executor("tcp://127.0.0.1:8786"),
    ):
        pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"executor": "dask"}, "needs a scheduler"), ({"scheduler": "tcp://a:1"}, "is for executor dask")],
)
def test_executor_and_scheduler_belong_together(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PreprocessConfig(**settings)


def test_a_scheduler_that_goes_away_is_one_message(distributed: ModuleType) -> None:
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1")
    # It takes its worker along, which may be heard of first.
    with (
        cluster,
        pytest.raises(DataError, match=r"the Dask (scheduler at tcp://.* went away|cluster at tcp://.* died)"),
        dask_executor(cluster.scheduler_address) as executor,
    ):
        future = executor.submit(wait_in_vain)
        cluster.close()
        future.result()


def test_workers_that_die_of_a_task_are_one_message(scheduler: str) -> None:
    with (
        pytest.raises(DataError, match=r"workers of the Dask cluster at .* died: .*die"),
        dask_executor(scheduler) as pool,
    ):
        pool.submit(die).result()
