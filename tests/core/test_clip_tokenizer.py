"""The clip tokenizer: segments, stages, exact round trips, and that tokens of changes say what moves."""

import copy

import pytest
import torch

from vqtool.core.config import ClipConfig, EmaConfig, FsqConfig, LossConfig, ResidualConfig
from vqtool.core.losses import TokenizerLoss
from vqtool.core.tokenizers import Tokens, build_tokenizer
from vqtool.core.tokenizers.clip import CHANGES, CONTEXT, JOINT, ClipTokenizer
from vqtool.core.tokenizers.context import draw_frames

SMALL = {
    "resolution": 16, "patch_size": 2, "segment_frames": 4, "context_channels": 8, "channels": 8,
    "channel_multipliers": (1, 2), "context_res_blocks": 1, "train_frames": 2,
    "context_quantizer": ResidualConfig(of=EmaConfig(codebook_size=16, code_dim=4)),
    "quantizer": EmaConfig(codebook_size=8, code_dim=4),
}  # fmt: skip


@pytest.fixture(params=["mean", "first"])
def model(request: pytest.FixtureRequest) -> ClipTokenizer:
    torch.manual_seed(0)
    model = build_tokenizer(ClipConfig(context=request.param, **SMALL))
    assert isinstance(model, ClipTokenizer)
    for layer in (model.changes.decoder.conv_out, *model.changes.pyramid.out):
        torch.nn.init.normal_(layer.weight, std=0.2)  # they start as no change
    for stage in (CONTEXT, CHANGES):
        model.enter_stage(stage)
        model.quantizer.initialise(model.encode_latents(clips(24, 8)).movedim(1, -1).flatten(0, -2).detach())
    return model


def clips(num_clips: int, num_frames: int) -> torch.Tensor:
    return torch.rand(num_clips, num_frames, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("num_frames", "num_segments"), [(1, 1), (4, 1), (5, 2), (11, 3)])
@torch.inference_mode()
def test_clips_of_any_length_come_back_from_their_tokens(
    model: ClipTokenizer, num_frames: int, num_segments: int
) -> None:
    model.eval()
    frames = clips(2, num_frames)
    result, tokens = model(frames), model.encode(frames)
    assert tokens.frames_BTHW.shape == (2, num_frames, 4, 4)
    assert tokens.context_BSHW is not None
    assert tokens.context_BSHW.shape == (2, num_segments, 2 * 4, 4)
    assert torch.equal(model.decode(tokens), result.frames_BTCHW)
    assert model.codebook_sizes == (16, 16, 8)
    assert tokens.context_BSHW.max() < 32 <= tokens.frames_BTHW.min()
    assert model.num_tokens(num_frames) == tokens.of_clips().shape[1] == num_segments * 32 + num_frames * 16
    assert model.bits(num_frames) == num_segments * 32 * 4 + num_frames * 16 * 3


@torch.inference_mode()
def test_a_segment_is_a_clip_by_itself(model: ClipTokenizer) -> None:
    """So that a long video can be read and written one segment at a time."""
    model.eval()
    frames = clips(1, 7)
    whole, rest = model.encode(frames), model.encode(frames[:, 4:])
    assert torch.equal(whole.frames_BTHW[:, 4:], rest.frames_BTHW)
    assert whole.context_BSHW is not None
    assert rest.context_BSHW is not None
    assert torch.equal(whole.context_BSHW[:, 1:], rest.context_BSHW)
    torch.testing.assert_close(model.decode(whole)[:, 4:], model.decode(rest))


@torch.inference_mode()
@torch.inference_mode()
def test_each_clip_is_painted_over_its_own_context(model: ClipTokenizer) -> None:
    model.eval()
    frames = clips(3, 4)
    alone = torch.cat([model(frames[number : number + 1]).frames_BTCHW for number in range(3)])
    torch.testing.assert_close(model(frames).frames_BTCHW, alone)


@torch.inference_mode()
def test_changes_see_motion_without_the_errors_of_the_context(model: ClipTokenizer) -> None:
    seen: list[torch.Tensor] = []
    model.changes.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    frames = clips(1, 4)
    picture = frames[:, 0] if model.config.context == "first" else frames.mean(dim=1)
    result = model.eval()(frames)
    frame, decoded, motion = seen[0].split(3, dim=1)
    torch.testing.assert_close(frame, frames[0])
    torch.testing.assert_close(decoded, result.context_BTCHW[0])
    torch.testing.assert_close(motion, frames[0] - picture)


def test_with_the_first_frame_as_context_no_frame_needs_a_later_one(model: ClipTokenizer) -> None:
    model.eval()
    frames = clips(1, 4)
    changed = frames.clone()
    changed[:, 3] = -frames[:, 3]
    same = torch.equal(model(frames).frames_BTCHW[:, :3], model(changed).frames_BTCHW[:, :3])
    assert same == (model.config.context == "first")


@torch.inference_mode()
def test_a_frame_depends_on_its_own_tokens_and_its_context_alone(model: ClipTokenizer) -> None:
    model.eval()
    tokens = model.encode(clips(1, 8))
    other = tokens.frames_BTHW.clone()
    other[:, 2] = 32 + (other[:, 2] - 31) % 8
    changed = (model.decode(tokens) != model.decode(Tokens(other, tokens.context_BSHW))).flatten(2).any(dim=2)[0]
    assert changed.tolist() == [False, False, True, False, False, False, False, False]


def test_tokens_that_do_not_fit_are_refused(model: ClipTokenizer) -> None:
    tokens = model.encode(clips(1, 5))
    assert tokens.context_BSHW is not None
    with pytest.raises(ValueError, match="5 frames need the context of 2 segments"):
        model.decode(Tokens(tokens.frames_BTHW))
    with pytest.raises(ValueError, match="5 frames need the context of 2 segments"):
        model.decode(Tokens(tokens.frames_BTHW, tokens.context_BSHW[:, :1]))
    with pytest.raises(ValueError, match=r"\[0, 32\)"):
        model.decode(Tokens(tokens.frames_BTHW, tokens.context_BSHW + 32))
    with pytest.raises(ValueError, match=r"\[32, 40\)"):
        model.decode(Tokens(tokens.frames_BTHW - 32, tokens.context_BSHW))


def test_each_stage_trains_its_part_and_leaves_the_other_as_it_is(model: ClipTokenizer) -> None:
    loss = TokenizerLoss(LossConfig(perceptual_weight=0, motion_weight=8), None)
    parts = {CONTEXT: model.context, CHANGES: model.changes}
    for stage, part in parts.items():
        other = parts[1 - stage]
        model.train().enter_stage(stage)
        before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
        model.zero_grad()
        loss(clips(3, 4), model(clips(3, 4))).total.backward()
        assert all(parameter.grad is not None for parameter in part.parameters())
        assert all(parameter.grad is None for parameter in other.parameters())
        assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())


def test_the_joint_stage_trains_everything_and_moves_both_codebooks() -> None:
    torch.manual_seed(0)
    model = build_tokenizer(ClipConfig(**SMALL, joint_share=0.2)).train()
    assert [stage.name for stage in model.stages] == ["context", "changes", "joint"]
    for stage in (CONTEXT, CHANGES):
        model.enter_stage(stage)
        model.quantizer.initialise(model.encode_latents(clips(24, 4)).movedim(1, -1).flatten(0, -2).detach())
    model.enter_stage(JOINT)
    before = {name: buffer.clone() for name, buffer in model.named_buffers() if name.endswith("usage")}
    loss = TokenizerLoss(LossConfig(perceptual_weight=0), None)
    for _ in range(4):  # three convolutions in a row start at zero and pass a gradient on a step later
        loss(clips(3, 4), model(clips(3, 4))).total.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(1e-2 * parameter.grad)
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.any()] == []
    result = copy.deepcopy(model)(clips(3, 4))
    _, context = copy.deepcopy(model).context(clips(3, 4).mean(dim=1))
    torch.testing.assert_close(result.quantizer_loss, 0.25 * result.quantizer_parts["commitment"] + context.loss)
    after = dict(model.named_buffers())
    assert len(before) == 3
    assert all(not torch.equal(buffer, after[name]) for name, buffer in before.items())


def test_training_answers_for_pictures_of_its_choice(model: ClipTokenizer) -> None:
    model.train().enter_stage(CONTEXT)
    frames = clips(3, 4)
    result = model(frames)
    picture = frames.mean(dim=1) if model.config.context == "mean" else frames[:, 0]
    assert result.target_BTCHW is not None
    assert result.target_BTCHW.shape == result.frames_BTCHW.shape == (6, 1, 3, 16, 16)
    torch.testing.assert_close(result.target_BTCHW[::2, 0], picture)
    for target in result.target_BTCHW[1::2, 0]:
        assert (frames == target).flatten(2).all(dim=2).sum() == 1
    model.enter_stage(CHANGES)
    result = model(frames)
    assert result.target_BTCHW is not None
    assert result.moving_BTHW is not None
    assert result.target_BTCHW.shape == (3, 2, 3, 16, 16)
    far = (result.target_BTCHW - frames.mean(dim=1, keepdim=True)).abs() > 2 * 12 / 255  # twelve levels, in [-1, 1]
    assert torch.equal(result.moving_BTHW, far.any(dim=2))
    assert not result.moving_BTHW.all()


def test_moving_pixels_weigh_more_in_the_loss(model: ClipTokenizer) -> None:
    model.train().enter_stage(CHANGES)
    result = model(clips(2, 4))
    loss = TokenizerLoss(LossConfig(perceptual_weight=0, codebook_weight=0, motion_weight=3), None)
    distance = (result.target_BTCHW - result.frames_BTCHW).abs().mean(dim=2)
    expected = torch.where(result.moving_BTHW, 4 * distance, distance).mean()
    found = loss(clips(2, 4), result)
    torch.testing.assert_close(found.total, expected)
    torch.testing.assert_close(found.parts["pixel"], distance.mean().detach())


def test_untrained_changes_are_none() -> None:
    model = build_tokenizer(ClipConfig(**SMALL | {"quantizer": FsqConfig(), "context_quantizer": FsqConfig()})).eval()
    result = model(clips(1, 4))
    assert torch.equal(result.frames_BTCHW, result.context_BTCHW)


def test_it_learns_where_a_block_is() -> None:
    """A bright block at one of four places on one still background: the tokens of a frame say where."""
    torch.manual_seed(0)
    config = ClipConfig(**SMALL | {"context_quantizer": FsqConfig(), "quantizer": FsqConfig(), "train_frames": 4})
    model = build_tokenizer(config)
    frames = torch.full((4, 4, 3, 16, 16), -0.5)
    for clip in range(4):
        for frame in range(4):
            row, column = divmod((clip + frame) % 4, 2)
            frames[clip, frame, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 0.5
    loss = TokenizerLoss(LossConfig(perceptual_weight=0, motion_weight=4), None)
    for stage, num_steps in ((CONTEXT, 30), (CHANGES, 60)):
        model.train().enter_stage(stage)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
        for _ in range(num_steps):
            optimizer.zero_grad()
            loss(frames, model(frames)).total.backward()
            optimizer.step()
    result = model.eval()(frames)
    error, context_error = ((fake - frames).abs().mean() for fake in (result.frames_BTCHW, result.context_BTCHW))
    assert error < context_error / 4


def test_several_processes_draw_the_frames_that_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.arange(6 * 5.0).view(6, 5, 1, 1, 1)
    torch.manual_seed(0)
    whole = draw_frames(frames, 2)
    for name, value in {"is_initialized": True, "get_world_size": 2}.items():
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        torch.manual_seed(0)
        mine = slice(3 * rank, 3 * rank + 3)
        assert torch.equal(draw_frames(frames[mine], 2), whole[mine])
