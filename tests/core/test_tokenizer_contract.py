"""What every kind of tokenizer in the schema promises."""

import typing

import pytest
import torch

from vqtool.core.config import ModelConfig
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import Tokenizer, build_tokenizer

KINDS = [[f"model.kind={kind.model_fields['kind'].default}"] for kind in typing.get_args(ModelConfig)]
LINEAR = [[f"model.kind={kind}", "model.linear_path=true"] for kind in ("patch", "clip")]
CLIP_FRAMES = 5


@pytest.fixture(params=KINDS + LINEAR, ids=" ".join)
def model(request: pytest.FixtureRequest) -> Tokenizer:
    torch.manual_seed(0)
    small = ["model.resolution=32", "model.channels=8", "data.clip_frames=4"]
    return build_tokenizer(load_config(None, [*request.param, *small]).model).eval()


def clips() -> torch.Tensor:
    return torch.rand(2, CLIP_FRAMES, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.inference_mode()
def test_tokens_decode_to_exactly_the_reconstruction(model: Tokenizer) -> None:
    result, tokens = model(clips()), model.encode(clips())
    assert result.frames_BTCHW.shape == (2, CLIP_FRAMES, 3, 32, 32)
    assert result.frames_BTCHW.dtype == torch.float32
    assert torch.equal(model.decode(tokens), result.frames_BTCHW)
    assert torch.equal(result.tokens.of_clips(), tokens.of_clips())


@torch.inference_mode()
def test_tokens_are_in_range_and_as_many_as_it_says(model: Tokenizer) -> None:
    tokens = model.encode(clips()).of_clips()
    assert tokens.dtype == torch.int64
    assert 0 <= tokens.min() <= tokens.max() < model.codebook_size == sum(model.codebook_sizes)
    assert tokens.shape[1] == model.num_tokens(CLIP_FRAMES)
    assert 0 < model.bits(CLIP_FRAMES) <= model.num_tokens(CLIP_FRAMES) * 20


@torch.inference_mode()
def test_clips_do_not_depend_on_each_other_and_frames_have_a_place(model: Tokenizer) -> None:
    frames = clips()
    alone = torch.cat([model.encode(frames[:1]).of_clips(), model.encode(frames[1:]).of_clips()])
    assert torch.equal(model.encode(frames).of_clips(), alone)


def test_stages_fill_the_run_and_each_trains_something(model: Tokenizer) -> None:
    assert sum(stage.share for stage in model.stages) == pytest.approx(1)
    trained = set()
    for number in range(len(model.stages)):
        model.enter_stage(number)
        names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert names
        assert {id(p) for p in model.stage_parameters()} == {id(p) for p in model.parameters() if p.requires_grad}
        trained |= names
    assert trained == {name for name, _ in model.named_parameters()}
