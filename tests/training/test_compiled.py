"""Compiled networks: the numbers and names of those that are not, and messages where compiling cannot help.

The networks go through torch's tracing and its joint graph of forward and backward passes; that graph is run as it is,
for making code from it takes minutes.
"""

from collections.abc import Callable

import pytest
import torch

from vqtool.core.config import Config
from vqtool.errors import ConfigError
from vqtool.training.compiled import check_compile, compile_networks
from vqtool.training.start import build
from vqtool.training.trainer import Trainer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def config(tiniest: Callable[..., Config]) -> Config:
    return tiniest("model.num_res_blocks=1", "train.accumulate=2")


def losses(trainer: Trainer) -> list[dict[str, float]]:
    """Of steps without codes, one that places them, and one with them."""
    return [{name: float(loss) for name, loss in trainer.train_step().losses.items()} for _ in range(4)]


def num_graphs() -> int:
    """Networks compiled so far."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def test_compiled_networks_train_and_are_saved_like_others(config: Config) -> None:
    plain, _ = build(config, CPU)
    expected = losses(plain)
    torch._dynamo.reset()
    compiled, evaluator = build(config, CPU)
    compile_networks(compiled.model, "aot_eager")
    assert losses(compiled) == [pytest.approx(step, rel=1e-4, abs=1e-6) for step in expected]
    assert num_graphs() >= 2

    state = compiled.state()
    assert state["model"].keys() == plain.state()["model"].keys()
    plain.restore(state)
    seen = num_graphs()
    evaluator(compiled.average.model, 4, "val")
    assert num_graphs() == seen


def test_a_cpu_is_refused_with_what_was_measured(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"train\.compile is for GPUs.*set train\.compile=false"):
        build(config.model_copy(update={"train": config.train.model_copy(update={"compile": True})}), CPU)


def test_a_discriminator_is_refused(tiniest: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match=r"does not go with loss\.adversarial_weight"):
        check_compile(CUDA, tiniest("loss.adversarial_weight=0.5").loss)


def test_without_a_compiler_the_message_says_what_to_install(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vqtool.training.compiled.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install triton, or set train\.compile=false"):
        check_compile(CUDA, config.loss)
    monkeypatch.setattr("vqtool.training.compiled.find_spec", lambda name: object())
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ConfigError, match="install gcc or clang"):
        check_compile(CUDA, config.loss)
    monkeypatch.setenv("CC", "/bin/sh")
    check_compile(CUDA, config.loss)
