"""Whole runs on real-layout data: what the run folder holds, resuming, stopping, and refusing."""

import json
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from vqtool.core.checkpoint import load_model, load_state
from vqtool.core.config import Config
from vqtool.core.frames import to_model
from vqtool.core.tokenizers import Tokens
from vqtool.errors import CheckpointError, ConfigError, DataError, RunError, VqtoolError, WeightsError
from vqtool.runs.checkpoints import find_checkpoint, list_checkpoints, pointed_step
from vqtool.runs.control import send_request
from vqtool.runs.folder import RunFolder
from vqtool.runs.previews import list_previews, list_worst, read_preview
from vqtool.training.run_log import RunLog
from vqtool.training.session import Ended, Session, StageBegan
from vqtool.training.start import resume_run, start_run
from vqtool.training.trainer import StepResult

Tiniest = Callable[..., Config]
CLIP = [
    "model.kind=clip", "model.segment_frames=4", "model.train_frames=2", "data.clip_frames=4", "loss.motion_weight=4",
    "model.context_channels=8", "model.context_quantizer.of.codebook_size=16", "model.context_quantizer.of.code_dim=4",
    "model.context_quantizer.of.warmup_steps=1", "eval.metrics=['psnr','psnr_moving']",
]  # fmt: skip
"""Added to the tiniest config it trains a clip tokenizer: 4 steps its context, the other 4 its changes."""
MUON = ["optim.kind=muon", "model.channels=64"]


def start(config: Config) -> Session:
    return start_run(config, "cpu", "tiny.toml", "vqtool train")


def resume(run: RunFolder, config: Config) -> Session:
    return resume_run(run, config, "cpu", "vqtool train --resume")


def finish(session: Session) -> RunFolder:
    *_, last = session.happenings()
    assert isinstance(last, Ended)
    return session.run


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_clocks(records: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {key: value for key, value in record.items() if key != "time" and not key.startswith(("speed/", "system/"))}
        for record in records
    ]


def test_a_run_folder_holds_what_the_contract_says(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    status = run.read_status()
    assert (status["status"], status["step"], status["total_steps"]) == ("finished", 8, 8)
    metrics = lines(run.metrics_file)
    train = [line for line in metrics if line["split"] == "train"]
    assert [line["step"] for line in train] == list(range(1, 9))
    assert {"loss/total", "loss/pixel", "optim/lr", "optim/grad_norm", "speed/frames_per_second"} <= train[-1].keys()
    assert {"loss/commitment", "codebook/perplexity", "codebook/used", "codebook/dead"} <= train[-1].keys()
    val = [line for line in metrics if line["split"] == "val"]
    assert [line["step"] for line in val] == [4, 8]
    assert {"metric/psnr", "metric/ssim", "loss/total", "codebook/used"} <= val[0].keys()
    assert [step for step, _ in list_previews(run)] == [4, 8]
    clip = read_preview(list_previews(run)[-1][1])[0]
    assert clip.real.shape == clip.reconstruction.shape == (4, 32, 32, 3)
    assert clip.tokens.shape == (4, 4, 4)
    assert {"system/cpu_cores", "system/memory_gib"} <= train[-1].keys()
    assert 0.01 < train[-1]["system/memory_gib"] < 1000
    assert (status["codebook_sizes"], status["segment_frames"]) == ([16], 0)
    [(worst_step, worst)] = list_worst(run)
    scores = [np.mean(clip.psnr_db) for clip in read_preview(worst)]
    assert worst_step == 8 and scores == sorted(scores)
    usage = np.load(run.codebook / "step-00000008.npy")
    assert usage.shape == (16,)
    assert usage.sum() == 3 * 4 * 16
    kinds = [line["kind"] for line in lines(run.events_file)]
    assert kinds[0] == "start"
    assert kinds[-1] == "finish"
    assert {"checkpoint", "evaluation", "preview"} <= set(kinds)


def test_preview_tokens_decode_to_the_preview(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    clip = read_preview(list_previews(run)[-1][1])[0]
    model, _ = load_model(find_checkpoint(str(run.path)), torch.device("cpu"))
    with torch.inference_mode():
        frames = model.decode(Tokens(torch.from_numpy(clip.tokens.astype(np.int64))[None]))[0]
    expected = ((frames.movedim(1, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert np.array_equal(clip.reconstruction, expected)


def test_a_clip_tokenizer_goes_through_its_stages(tiniest: Tiniest) -> None:
    session = start(tiniest(*CLIP, "train.log_every=2"))
    happenings = list(session.happenings())
    steps = [happening for happening in happenings if isinstance(happening, StepResult)]
    assert [step.stage for step in steps] == ["context"] * 4 + ["changes"] * 4
    assert [happening for happening in happenings if isinstance(happening, StageBegan)] == [StageBegan(5, "changes")]
    events = lines(session.run.events_file)
    assert [(line["step"], line["stage"]) for line in events if line["kind"] == "stage"] == [(5, "changes")]
    clip = read_preview(list_previews(session.run)[-1][1])[0]
    assert clip.context_tokens is not None
    assert (clip.tokens.shape, clip.context_tokens.shape) == ((4, 4, 4), (1, 8, 4))
    model, _ = load_model(find_checkpoint(str(session.run.path)), torch.device("cpu"))
    tokens = Tokens(*(torch.from_numpy(grid.astype(np.int64))[None] for grid in (clip.tokens, clip.context_tokens)))
    with torch.inference_mode():
        frames = model.decode(tokens)[0]
    expected = ((frames.movedim(1, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert np.array_equal(clip.reconstruction, expected)
    val = [line for line in lines(session.run.metrics_file) if line["split"] == "val"]
    assert {"metric/psnr_moving", "metric/psnr_moving_context"} <= val[-1].keys()


def test_the_last_checkpoints_and_the_best_ones_are_kept(tiniest: Tiniest) -> None:
    run = finish(start(tiniest("train.steps=12", "train.eval_every=12")))
    assert [step for step, _ in list_checkpoints(run)] == [10, 12]
    assert pointed_step(run, "latest") == pointed_step(run, "best-psnr") == pointed_step(run, "best-loss") == 12


def test_training_lowers_the_loss(tiniest: Tiniest) -> None:
    once = ("train.eval_every=150", "train.checkpoint_every=150", "train.preview_every=150")
    run = finish(start(tiniest("train.steps=150", *once)))
    losses = [line["loss/pixel"] for line in lines(run.metrics_file) if line["split"] == "train"]
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])


# Codes are revived and clips changed at every step, so that the generators' states matter too.
CHANGES = (
    "train.accumulate=2", "model.quantizer.revive_below=0.9",
    "data.augment.flip=0.5", "data.augment.shift=0.25", "data.augment.min_crop=0.5", "data.augment.contrast=0.5",
)  # fmt: skip


@pytest.fixture(scope="module", params=[CHANGES, (*CHANGES, *CLIP), (*CHANGES, *MUON)], ids=["frames", "clips", "muon"])
def whole(
    request: pytest.FixtureRequest, tiniest_in: Tiniest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, tuple[str, ...]]:
    """A run that was never stopped, and its settings."""
    folder = tmp_path_factory.mktemp("whole")
    return finish(start(tiniest_in(folder, "run.name=whole", *request.param))), request.param


@pytest.mark.parametrize("stop_at", [1, 3, 5, 6])
def test_a_resumed_run_equals_one_that_was_never_stopped(
    tiniest: Tiniest, whole: tuple[RunFolder, tuple[str, ...]], stop_at: int
) -> None:
    never_stopped, settings = whole
    assert "revive" in [line["kind"] for line in lines(never_stopped.events_file)]
    config = tiniest("run.name=parts", *settings)
    session = start(config)
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == stop_at:
            send_request(session.run, "stop")
    assert session.run.read_status()["status"] == "stopped"
    parts = finish(resume(session.run, config))
    assert without_clocks(lines(never_stopped.metrics_file)) == without_clocks(lines(parts.metrics_file))
    states = [load_state(find_checkpoint(f"{run.path}:step-00000008")) for run in (never_stopped, parts)]
    assert states[0]["best"] == states[1]["best"]
    states = [state["trainer"] for state in states]
    for name in ("model", "average"):
        assert all(torch.equal(states[0][name][key], states[1][name][key]) for key in states[0][name])
    assert states[0]["batches"] == states[1]["batches"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_after_the_step_with_a_checkpoint(tiniest: Tiniest, number: int) -> None:
    before = signal.getsignal(number)
    session = start(tiniest("train.steps=1000", "train.checkpoint_every=1000", "train.eval_every=1000"))
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == 3:
            os.kill(os.getpid(), number)
    assert isinstance(happening, Ended)
    assert (happening.step, happening.status, happening.signal) == (3, "stopped", number)
    assert pointed_step(session.run, "latest") == 3
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_quits_at_once(tiniest: Tiniest) -> None:
    session = start(tiniest())
    with pytest.raises(KeyboardInterrupt):
        for happening in session.happenings():
            if isinstance(happening, StepResult):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
    assert session.run.read_status()["status"] == "stopped"


def test_requests_are_answered_by_events(tiniest: Tiniest) -> None:
    session = start(tiniest("train.checkpoint_every=1000", "train.preview_every=1000", "train.eval_every=1000"))
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == 2:
            send_request(session.run, "checkpoint")
            send_request(session.run, "preview")
    events = [(line["step"], line["kind"]) for line in lines(session.run.events_file)]
    assert [event for event in events if event[0] == 2] == [
        (2, "request"), (2, "request"), (2, "preview"), (2, "checkpoint"),
    ]  # fmt: skip


def test_a_resumed_run_remembers_its_best_scores(tiniest: Tiniest) -> None:
    session = start(tiniest())
    run = finish(session)
    again = resume(run, tiniest("train.steps=9"))
    assert again._best.state() == session._best.state() != {}


def test_accumulated_batches_are_one_large_batch(tiniest: Tiniest) -> None:
    unquantized = ("train.steps=1000", "model.quantizer.warmup_steps=100")
    one = start(tiniest("run.name=one", "train.batch_size=8", *unquantized))._trainer.train_step()
    parts = start(tiniest("run.name=parts", "train.batch_size=2", "train.accumulate=4", *unquantized))._trainer
    many = parts.train_step()
    assert many.num_frames == one.num_frames == 8
    assert many.grad_norm == pytest.approx(one.grad_norm, rel=1e-4)
    assert float(many.losses["pixel"]) == pytest.approx(float(one.losses["pixel"]), rel=1e-5)


def test_the_gradient_is_clipped(tiniest: Tiniest) -> None:
    trainer = start(tiniest("optim.clip_norm=0.5"))._trainer
    parameters = list(trainer.model.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    expected = sum(parameter.numel() for parameter in parameters) ** 0.5
    assert float(trainer._clip()) == pytest.approx(expected, rel=1e-5)
    assert float(torch.stack([p.grad.square().sum() for p in parameters]).sum().sqrt()) == pytest.approx(0.5, rel=1e-4)


def test_the_evaluated_loss_is_weighted_like_the_trained_one(tiniest: Tiniest) -> None:
    weights = ("loss.pixel_weight=2", "loss.codebook_weight=3", "model.quantizer.commitment_weight=0.5")
    run = finish(start(tiniest(*weights)))
    line = next(line for line in lines(run.metrics_file) if line["split"] == "val")
    assert line["loss/commitment"] > 0
    assert line["loss/total"] == pytest.approx(2 * line["loss/pixel"] + 3 * 0.5 * line["loss/commitment"])


def test_the_evaluated_pixel_loss_is_of_the_trained_kind(tiniest: Tiniest) -> None:
    session = start(tiniest("loss.pixel_kind=l2"))
    model, windows = session._trainer.average.model, session._evaluator.windows["val"]
    frames = to_model(windows.select(np.arange(len(windows))), torch.device("cpu"))
    expected = float((model(frames).frames_BTCHW - frames).square().mean())
    assert session._evaluator(model, 0, "val").numbers["loss/pixel"] == pytest.approx(expected, rel=1e-5)


def test_a_wall_budget_ends_a_run(tiniest: Tiniest) -> None:
    run = finish(start(tiniest("train.max_seconds=0.001", "train.steps=1000")))
    status = run.read_status()
    assert (status["status"], status["step"]) == ("finished", 1)
    assert "wall budget" in status["reason"]


def test_a_run_that_diverges_fails_with_advice_and_says_so(tiniest: Tiniest) -> None:
    session = start(tiniest("train.steps=50"))
    with torch.no_grad():
        session._trainer.model.decoder.conv_out.weight.fill_(float("nan"))
    with pytest.raises(VqtoolError, match=r"not finite for 20 steps in a row.*optim\.lr"):
        list(session.happenings())
    status = session.run.read_status()
    assert status["status"] == "failed"
    assert "not finite" in status["error"]


def test_an_existing_run_is_never_touched(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    before = run.metrics_file.read_bytes()
    with pytest.raises(RunError, match="exists already"):
        start(tiniest())
    assert run.metrics_file.read_bytes() == before


def test_a_living_run_is_not_resumed(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    run.update_status(status="running", heartbeat=time.time(), pid=os.getpid())
    with pytest.raises(RunError, match="in use by process"):
        resume(run, tiniest())


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["model.resolution=64"], ConfigError, r"frames of 32 pixels.*model\.resolution=32"),
        (["data.store=nowhere"], DataError, "nowhere"),
        (["data.clip_frames=200"], DataError, r"data\.clip_frames"),
        (["eval.clip_frames=200"], DataError, r"eval\.clip_frames"),
        (["run.name=a/b"], RunError, "run name"),
    ],
)
def test_mistakes_are_found_before_a_run_folder_is_made(
    tiniest: Tiniest, tmp_path: Path, overrides: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        start(tiniest(*overrides))
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize(
    ("override", "name"),
    [("loss.perceptual_weight=1", "lpips"), ("eval.metrics=['lpips']", "lpips"), ("loss.fvd_mean_weight=1", "i3d")],
)
def test_absent_weights_stop_before_training_with_the_command_to_run(
    tiniest: Tiniest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, name: str
) -> None:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
    with pytest.raises(WeightsError, match=f"vqtool fetch-weights {name}"):
        start(tiniest(override, "data.clip_frames=9"))
    assert not list((tmp_path / "runs").glob("*"))


def test_another_model_cannot_take_over_a_run(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    with pytest.raises(ConfigError, match="another model"):
        resume(run, tiniest("model.channels=16"))


def test_a_finished_run_says_how_to_give_it_more(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    before = run.status_file.read_bytes()
    with pytest.raises(RunError, match=r"finished at step 8: .*train\.steps=NUMBER"):
        resume(run, tiniest())
    assert run.status_file.read_bytes() == before


def test_a_state_of_another_optimiser_is_refused(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    folder = find_checkpoint(str(run.path))
    state = load_state(folder)
    del state["trainer"]["optimizer"]
    torch.save(state, folder / "state.pt")
    (folder / "checksums.json").unlink()
    with pytest.raises(CheckpointError, match="does not fit"):
        resume(run, tiniest())


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(
    tiniest: Tiniest, caplog: pytest.LogCaptureFixture
) -> None:
    whole = finish(start(tiniest("run.name=whole")))
    run = finish(start(tiniest("train.steps=6")))
    state = run.checkpoints / "step-00000006" / "state.pt"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1  # a bit that no format would notice
    state.write_bytes(content)
    assert finish(resume(run, tiniest())) == run
    assert "step-00000006 is damaged" in caplog.text and "going back" in caplog.text
    assert without_clocks(lines(run.metrics_file)) != without_clocks(lines(whole.metrics_file)), "another schedule"
    steps = [line["step"] for line in lines(run.metrics_file) if line["split"] == "train"]
    assert steps == list(range(1, 9))
    assert [path.name for path in (run.path / "discarded").glob("*/checkpoints/*")] == ["step-00000006"]


def test_with_no_whole_checkpoint_nothing_is_resumed_or_lost(tiniest: Tiniest) -> None:
    run = finish(start(tiniest("train.keep_last=3")))
    checkpoints = list_checkpoints(run)
    assert [step for step, _ in checkpoints] == [4, 6, 8]
    for _, folder in checkpoints:
        (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the 3 checkpoints"):
        resume(run, tiniest("train.steps=10", "train.keep_last=3"))
    assert list_checkpoints(run) == checkpoints


def test_a_finished_run_that_was_killed_before_it_could_say_so_says_so_now(tiniest: Tiniest) -> None:
    run = finish(start(tiniest()))
    run.update_status(status="running", pid=2**22)
    with pytest.raises(RunError, match="finished at step 8"):
        resume(run, tiniest())
    assert run.read_status()["status"] == "finished"


def test_an_evaluation_can_be_asked_for(tiniest: Tiniest) -> None:
    session = start(tiniest("train.eval_every=1000"))
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == 3:
            send_request(session.run, "evaluate")
    evaluated = [line["step"] for line in lines(session.run.metrics_file) if line["split"] == "val"]
    assert evaluated == [3, 8]


@pytest.mark.parametrize(
    ("broken_at", "message"), [(1, "latents are not finite at step 2"), (5, "not finite for 20 steps in a row")]
)
def test_the_clips_of_a_batch_without_finite_gradient_are_named(tiniest: Tiniest, broken_at: int, message: str) -> None:
    session = start(tiniest("train.steps=100"))
    with pytest.raises(VqtoolError, match=message):
        for happening in session.happenings():
            if isinstance(happening, StepResult) and happening.step == broken_at:
                with torch.no_grad():
                    next(session._trainer.model.parameters()).fill_(float("nan"))
    (alarm,) = [line for line in lines(session.run.events_file) if line.get("alarm") == "non-finite"]
    assert isinstance(alarm["clips"], list) and len(alarm["clips"]) == 4
    known = {session._trainer.batches.windows.name_of(i) for i in range(len(session._trainer.batches.windows))}
    assert set(alarm["clips"]) <= known


def test_a_full_disk_stops_the_run_and_leaves_the_last_checkpoint_whole(tiniest: Tiniest) -> None:
    session = start(tiniest())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(VqtoolError, match=r"cannot write .*step-00000004.*larger than this file system"):
            for happening in session.happenings():
                if isinstance(happening, StepResult) and happening.step == 4:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert session.run.read_status()["status"] == "failed"
    assert pointed_step(session.run, "latest") == 2
    run = finish(resume(session.run, tiniest()))
    whole = finish(start(tiniest("run.name=whole")))
    assert without_clocks(lines(run.metrics_file)) == without_clocks(lines(whole.metrics_file))


def test_memory_that_runs_out_names_the_setting_to_change(tiniest: Tiniest) -> None:
    session = start(tiniest())
    with pytest.raises(VqtoolError, match=r"train\.batch_size=2 --set train\.accumulate=2"):
        for happening in session.happenings():
            if isinstance(happening, StepResult) and happening.step == 2:
                session._trainer.batches.next = lambda: torch.empty(2**50)  # type: ignore[method-assign]
    assert pointed_step(session.run, "latest") == 2


def test_a_store_that_vanishes_ends_the_run_with_a_checkpoint_and_advice(
    tiniest: Tiniest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vqtool.training.run_log.HEARTBEAT_SECONDS", 0.0)
    store, away = Path(shutil.copytree(tiniest().data.store, tmp_path / "store")), tmp_path / "away"
    config = tiniest(f"data.store={store}")
    session = start(config)
    with pytest.raises(DataError, match=r"vanished while training: .*No such file.*--run .* --resume") as caught:
        for happening in session.happenings():
            if isinstance(happening, StepResult) and happening.step == 3:
                store.rename(away)
    away.rename(store)
    status = session.run.read_status()
    assert status["status"] == "failed" and str(caught.value) in status["error"]
    assert pointed_step(session.run, "latest") == 3
    run = finish(resume(session.run, config))
    whole = finish(start(tiniest("run.name=whole")))
    assert without_clocks(lines(run.metrics_file)) == without_clocks(lines(whole.metrics_file))


def test_a_step_that_hangs_leaves_an_event_and_the_run_goes_on(
    tiniest: Tiniest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vqtool.training.stall.CHECK_SECONDS", 0.01)
    session = start(tiniest())
    told, batches = threading.Event(), session._trainer.batches
    tell, draw = session._tell_stall, batches.next

    def tell_and_go_on(log: RunLog, seconds: float, where: str) -> None:
        tell(log, seconds, where)
        told.set()

    def hang() -> torch.Tensor:
        assert told.wait(30)
        return draw()

    session._tell_stall = tell_and_go_on  # type: ignore[method-assign]
    for happening in session.happenings():
        if isinstance(happening, StepResult) and happening.step == 3:
            monkeypatch.setattr("vqtool.training.stall.MIN_SECONDS", 0.0)
            monkeypatch.setattr("vqtool.training.stall.STALL_FACTOR", 0.0)
            batches.next = hang  # type: ignore[method-assign]
        if isinstance(happening, StepResult) and happening.step == 4:
            monkeypatch.setattr("vqtool.training.stall.MIN_SECONDS", 120.0)
            batches.next = draw  # type: ignore[method-assign]
    [event] = [event for event in lines(session.run.events_file) if event["kind"] == "stall"]
    assert event["step"] == 3 and "in _accumulate" in str(event["where"])
    assert session.run.read_status()["status"] == "finished"
