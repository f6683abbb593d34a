"""One process and the arithmetic of several; real ones are in tests/evaluation/test_torchrun.py."""

import pytest
import torch

from vqtool.core.distributed import VARIABLES, Processes, joined_processes
from vqtool.errors import ConfigError, VqtoolError


@pytest.mark.parametrize("count", [0, 1, 5, 7, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_are_even_runs_of_everything(count: int, size: int) -> None:
    shares = [Processes(rank, size).share(count) for rank in range(size)]
    assert [number for share in shares for number in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with joined_processes() as processes:
        assert processes == Processes(0, 1, 0)
        assert processes.is_main
        assert processes.gather("mine") == ["mine"]
        assert processes.together(lambda: 3) == [3]
        processes.barrier()
        assert not torch.distributed.is_initialized()


def test_a_mistake_alone_is_raised_as_it_is() -> None:
    def work() -> None:
        raise VqtoolError("mine")

    with pytest.raises(VqtoolError, match="mine"):
        Processes().together(work)


def test_the_mistake_of_the_lowest_rank_is_raised_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [((1,), None), (None, VqtoolError("second")), (None, VqtoolError("third"))]
    monkeypatch.setattr(Processes, "gather", lambda self, value: outcomes)
    with pytest.raises(VqtoolError, match="second"):
        Processes(0, 3).together(lambda: 1)


def test_each_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert Processes(3, 4, 1).place(cuda) == torch.device("cuda:1")
    assert Processes(3, 4, 1).place(cpu) == cpu
    assert Processes().place(torch.device("cuda:1")) == torch.device("cuda:1")
    assert current == [1]
    with pytest.raises(ConfigError, match=r"has no GPU of its own \(2 here\)"):
        Processes(2, 4, 2).place(cuda)
    with pytest.raises(ConfigError, match="--device cuda:1 with 4 processes"):
        Processes(2, 4, 2).place(torch.device("cuda:1"))
