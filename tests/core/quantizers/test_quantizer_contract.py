"""What every quantizer promises, whatever its kind and settings."""

import copy
import math

import pytest
import torch
from quantizer_configs import CONFIGS, kinds_of
from torch import Tensor

from vqtool.core.config import ClassicConfig, Config, LossConfig, QuantizerConfig
from vqtool.core.config_file import dump_config, load_config
from vqtool.core.losses import TokenizerLoss
from vqtool.core.metrics.codebook import CodebookUsage
from vqtool.core.quantizers import Quantizer, build_quantizer
from vqtool.core.tokenizers.classic import VQVAE


def latents(quantizer: Quantizer, num: int = 6) -> Tensor:
    return torch.randn(num, quantizer.code_dim, 2, 3, generator=torch.Generator().manual_seed(1))


def test_tokens_give_back_exactly_the_codes(quantizer: Quantizer) -> None:
    result = quantizer.eval()(latents(quantizer))
    assert result.tokens_NHW.shape == (6, 2 * quantizer.codes_per_position, 3)
    assert result.tokens_NHW.dtype == torch.int64
    assert 0 <= result.tokens_NHW.min() <= result.tokens_NHW.max() < quantizer.codebook_size
    assert result.codes_NCHW.shape == latents(quantizer).shape
    assert result.codes_NCHW.dtype == torch.float32
    assert torch.equal(quantizer.codes_from_tokens(result.tokens_NHW), result.codes_NCHW)


def test_training_passes_on_exactly_the_codes_before_its_update(quantizer: Quantizer) -> None:
    before = copy.deepcopy(quantizer).eval()
    result = quantizer.train()(latents(quantizer))
    assert torch.equal(before.codes_from_tokens(result.tokens_NHW), result.codes_NCHW)


def test_every_code_is_the_choice_for_itself(quantizer: Quantizer) -> None:
    """For a composite, of each member: what the others add is tested with them."""
    quantizer.eval()
    for member in [part for part in quantizer.modules() if isinstance(part, Quantizer)]:
        if member.codes_per_position == 1:
            tokens = torch.arange(member.codebook_size)
            assert torch.equal(member.choose(member.codes_KD).tokens_NP[:, 0], tokens)
            assert torch.equal(member.codes_from_tokens(tokens.view(1, 1, -1))[0, :, 0].T, member.codes_KD)


def test_frames_do_not_mix(quantizer: Quantizer) -> None:
    whole = quantizer.eval()(latents(quantizer))
    for number in range(6):
        single = quantizer(latents(quantizer)[number : number + 1])
        assert torch.equal(single.tokens_NHW[0], whole.tokens_NHW[number])
        assert torch.equal(single.codes_NCHW[0], whole.codes_NCHW[number])


def test_the_gradient_reaches_every_latent(quantizer: Quantizer) -> None:
    x = latents(quantizer).requires_grad_()
    (quantizer.train()(x).codes_NCHW - 3).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad.abs().sum(1) > 0).all()


def test_a_straight_through_gradient_is_that_of_the_bounded_latents(quantizer: Quantizer) -> None:
    if any(part.gradient == "rotation" for part in quantizer.modules() if isinstance(part, Quantizer)):
        return  # tests/core/quantizers/test_gradient.py
    x, weights = latents(quantizer).requires_grad_(), torch.randn(6, quantizer.code_dim, 2, 3)
    quantized = torch.autograd.grad((quantizer.train()(x).codes_NCHW * weights).sum(), x)[0]
    assert torch.equal(quantized, torch.autograd.grad((quantizer.unquantized(x) * weights).sum(), x)[0])


def test_everything_learnable_learns(quantizer: Quantizer) -> None:
    result = quantizer.train()(latents(quantizer).requires_grad_())
    if not result.loss.requires_grad:
        assert list(quantizer.parameters()) == []
        return
    result.loss.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in quantizer.parameters())


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e4])
def test_latents_of_any_length_leave_everything_finite(quantizer: Quantizer, scale: float) -> None:
    x = (scale * latents(quantizer)).requires_grad_()
    result = quantizer.train()(x)
    (result.codes_NCHW.sum() + result.loss).backward()
    assert result.codes_NCHW.isfinite().all()
    assert result.loss.isfinite()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(tensor.isfinite().all() for tensor in quantizer.state_dict().values())


def test_latents_beyond_the_bounds_get_a_token_too(quantizer: Quantizer) -> None:
    """What is left for a level of a residual may lie a rounding error outside its range."""
    quantizer.eval()
    for value in (-10.0, 10.0):
        tokens = quantizer.choose(torch.full((2, quantizer.code_dim), value)).tokens_NP
        assert 0 <= tokens.min() <= tokens.max() < quantizer.codebook_size
        assert quantizer.look_up(tokens).isfinite().all()


def test_evaluation_changes_nothing(quantizer: Quantizer) -> None:
    before = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    result = quantizer.eval()(latents(quantizer))
    assert all(torch.equal(before[name], tensor) for name, tensor in quantizer.state_dict().items())
    assert result.num_revived == 0


def test_half_precision_latents_are_quantized_in_float32(quantizer: Quantizer) -> None:
    x = latents(quantizer).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = quantizer.eval()(x)
        codes = quantizer.codes_from_tokens(result.tokens_NHW)
        unquantized = quantizer.unquantized(x)
    assert torch.equal(result.tokens_NHW, quantizer(x.float()).tokens_NHW)
    assert torch.equal(codes, quantizer(x.float()).codes_NCHW)
    assert result.codes_NCHW.dtype == result.loss.dtype == unquantized.dtype == torch.float32


def test_its_operations_can_be_counted_without_computing(quantizer: Quantizer) -> None:
    counted = build_quantizer(quantizer.config).to("meta")
    assert counted.unquantized(latents(quantizer).to("meta")).shape == latents(quantizer).shape


def test_state_survives_a_round_trip(quantizer: Quantizer) -> None:
    quantizer.train()(latents(quantizer))
    torch.manual_seed(9)
    twin = build_quantizer(quantizer.config)
    twin.load_state_dict(quantizer.state_dict())
    assert twin.is_initialised
    torch.manual_seed(3)
    first = quantizer(latents(quantizer, 7))
    torch.manual_seed(3)
    second = twin.train()(latents(quantizer, 7))
    assert torch.equal(first.tokens_NHW, second.tokens_NHW)
    assert torch.equal(first.codes_NCHW, second.codes_NCHW)
    assert all(torch.equal(quantizer.state_dict()[name], tensor) for name, tensor in twin.state_dict().items())


def test_usage_counts_every_token_of_a_split(quantizer: Quantizer) -> None:
    usage = CodebookUsage(quantizer.codebook_size)
    for seed in range(3):
        usage.update(quantizer.eval()(latents(quantizer) + seed).tokens_NHW)
    assert usage.counts.sum() == 3 * 6 * 6 * quantizer.codes_per_position
    assert 1 < usage.perplexity <= usage.used
    # What all tokens of a position can say, from counts of single codes: the choice of the codebook says nothing.
    bits = usage.entropy_bits - math.log2(quantizer.codes_per_position)
    assert 0 <= bits * quantizer.codes_per_position <= quantizer.bits_per_position + 1e-9


def test_tokens_of_no_code_are_refused(quantizer: Quantizer) -> None:
    rows = 2 * quantizer.codes_per_position
    if rows > 2:
        with pytest.raises(ValueError, match=f"{rows - 1} rows of tokens are no multiple"):
            quantizer.codes_from_tokens(torch.zeros(1, rows - 1, 3, dtype=torch.int64))
        with pytest.raises(ValueError, match=r"must be in \[\d+, \d+\)"):
            quantizer.codes_from_tokens(torch.zeros(1, rows, 3, dtype=torch.int64))  # those of the first codebook


def test_a_tokenizer_with_it_trains_and_decodes_its_tokens(quantizer: Quantizer) -> None:
    config = ClassicConfig(
        resolution=8, channels=8, channel_multipliers=(1, 2), num_res_blocks=1, attention_resolutions=(),
        latent_channels=8, quantizer=quantizer.config,
    )  # fmt: skip
    model, frames = VQVAE(config), torch.rand(2, 3, 3, 8, 8) * 2 - 1
    model.quantize = quantizer
    loss = TokenizerLoss(LossConfig(perceptual_weight=0), None)
    for quantized in (False, True):
        model.zero_grad()
        loss(frames, model.train()(frames, quantized)).total.backward()
        assert all(p.grad is not None and p.grad.any() for p in model.encoder.conv_in.parameters())
    result = model.eval()(frames)
    assert result.tokens is not None
    assert torch.equal(model.encode(frames).frames_BTHW, result.tokens.frames_BTHW)
    assert torch.equal(model.decode(result.tokens), result.frames_BTCHW)


@pytest.mark.parametrize("kind", kinds_of(QuantizerConfig), ids=lambda kind: kind.model_fields["kind"].default)
def test_the_defaults_of_each_kind_can_be_built_by_name(kind: type) -> None:
    config = load_config(None, [f"model.quantizer.kind={kind.model_fields['kind'].default}"])
    assert type(config.model.quantizer) is kind
    assert build_quantizer(config.model.quantizer).code_dim >= 1


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_config_file_holds_every_setting(config: QuantizerConfig, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "a.toml"
    whole = Config(model=ClassicConfig(quantizer=config))
    path.write_text(dump_config(whole))
    assert load_config(str(path)) == whole
