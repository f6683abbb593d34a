"""Publishing: the same tokenizer, nothing of the author's machine, and a page that says what the run measured."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import tomli
import torch
from codec_stores import smooth_frames

import vqtool
from vqtool.codec.prior import PRIOR_FILE, learn_prior, save_prior
from vqtool.codec.publish import publish
from vqtool.core.checkpoint import CHECKSUMS_FILE, CONFIG_FILE, MODEL_FILE, load_config_of, save_checkpoint
from vqtool.core.identity import tokenizer_sha256
from vqtool.data.store import FrameStore
from vqtool.errors import CheckpointError, VqtoolError
from vqtool.runs.checkpoints import point_at
from vqtool.runs.folder import RunFolder, create_run

METRICS = [
    {"step": 10, "time": 1.0, "split": "val", "metric/psnr": 18.5},
    {"step": 20, "time": 2.0, "split": "train", "loss/total": 0.5},
    {"step": 20, "time": 2.0, "split": "val", "metric/psnr": 21.25, "metric/lpips": None, "codebook/used": 15},
    {"step": 20, "time": 2.0, "split": "test", "metric/psnr": 20.75},
    {"step": 30, "time": 3.0, "split": "val", "metric/psnr": 18.5},
]


@pytest.fixture
def run(checkpoint: Callable[..., Path], frame_store: FrameStore, tmp_path: Path) -> RunFolder:
    """A run with two checkpoints: step 20 is the latest and best by PSNR; its config has paths of this machine."""
    folder = checkpoint(f"data.store={frame_store.path}", f"run.dir={tmp_path}/secret/runs")
    config, weights = load_config_of(folder), safetensors.torch.load_file(folder / MODEL_FILE)
    run = create_run(tmp_path / "runs", "first", "", {})
    for step in (10, 20):
        save_checkpoint(run.checkpoints / f"step-{step:08d}", weights, config, {"step": step})
    point_at(run, "latest", 20)
    point_at(run, "best-psnr", 20)
    run.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in METRICS))
    return run


def test_a_published_tokenizer_is_the_same_one(run: RunFolder, tmp_path: Path) -> None:
    step = run.checkpoints / "step-00000020"
    published = publish(step, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "README.md", "checksums.json", "config.toml", "model.safetensors",
    ]  # fmt: skip
    assert (tmp_path / "out" / MODEL_FILE).read_bytes() == (step / MODEL_FILE).read_bytes()
    assert published.sha256 == tokenizer_sha256(step) == tokenizer_sha256(tmp_path / "out")
    frames = smooth_frames(3, 1)
    one, other = vqtool.load(run.path, "cpu"), vqtool.load(tmp_path / "out", "cpu")
    assert (one.encode(frames) == other.encode(frames)).all()
    sums = json.loads((tmp_path / "out" / CHECKSUMS_FILE).read_text())
    for name in ("README.md", CONFIG_FILE, MODEL_FILE):
        assert sums[name] == hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest()


def test_the_prior_of_its_bitstreams_comes_along(run: RunFolder, tmp_path: Path) -> None:
    tokenizer = vqtool.load(run.path, "cpu")
    path = save_prior(tokenizer, learn_prior(tokenizer, [smooth_frames(3, 1)]))
    publish(run.checkpoints / "step-00000020", tmp_path / "out")
    assert (tmp_path / "out" / PRIOR_FILE).read_bytes() == path.read_bytes()
    assert PRIOR_FILE in json.loads((tmp_path / "out" / CHECKSUMS_FILE).read_text())


def test_nothing_says_where_the_author_keeps_things(run: RunFolder, frame_store: FrameStore, tmp_path: Path) -> None:
    publish(run.checkpoints / "step-00000020", tmp_path / "out")
    for name in ("README.md", CONFIG_FILE):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text()
        assert str(frame_store.path.parent) not in (tmp_path / "out" / name).read_text()
    config = load_config_of(tmp_path / "out")
    assert (config.data.store, config.run.dir) == ("store", "runs")


def test_the_page_says_what_was_measured_and_on_what(run: RunFolder, tmp_path: Path) -> None:
    published = publish(run.checkpoints / "step-00000020", tmp_path / "out", "cc-by-4.0")
    page = (tmp_path / "out" / "README.md").read_text()
    assert page.startswith('---\nlicense: "cc-by-4.0"\nlibrary_name: vqtool\n')
    for line in (
        "# first", "| val | PSNR | 21.25 dB |", "| test | PSNR | 20.75 dB |", "| val | codebook used | 15 |",
        "the best of its run by psnr", "| train | 3 trajectories, 4 videos, 41 frames |", "| codebook | 16 codes |",
        "| bits a frame | 64, 0.0625 a pixel (16 tokens) |", published.sha256,
    ):  # fmt: skip
        assert line in page
    assert "18.5" not in page and "LPIPS" not in page
    block = page.split("```toml\n")[1].split("```")[0]
    assert tomli.loads(block)["model"]["quantizer"]["codebook_size"] == 16


def test_the_five_lines_on_the_page_work(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(run.checkpoints / "step-00000020", tmp_path / "out")
    code = (tmp_path / "out" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) == 5
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code.replace("path/to/this/folder", "out"), names)
    assert names["frames"].shape == (12, 32, 32, 3)


def test_a_checkpoint_without_a_run_has_a_page_too(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    publish(checkpoint("data.store=gone"), tmp_path / "out")
    page = (tmp_path / "out" / "README.md").read_text()
    assert "None were recorded" in page and "was not at hand" in page and "Not stated by the author." in page


def test_what_cannot_be_published_leaves_nothing(run: RunFolder, tmp_path: Path) -> None:
    step = run.checkpoints / "step-00000020"
    with pytest.raises(VqtoolError, match="exists already"):
        publish(step, tmp_path / "runs")
    damaged = bytearray((step / MODEL_FILE).read_bytes())
    damaged[-1] ^= 1
    (step / MODEL_FILE).write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"model.safetensors changed since it was written"):
        publish(step, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_the_hash_is_of_weights_and_model_settings_alone(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint()
    before = tokenizer_sha256(folder)
    config = (folder / CONFIG_FILE).read_text()
    (folder / CONFIG_FILE).write_text("# a comment\n" + changed(config, "steps = 2000", "steps = 3000"))
    assert tokenizer_sha256(folder) == before
    assert tokenizer_sha256(checkpoint("train.steps=7")) == before
    assert tokenizer_sha256(checkpoint(seed=1)) != before
    (folder / CONFIG_FILE).write_text(changed(config, "usage_decay = 0.99", "usage_decay = 0.98"))
    assert tokenizer_sha256(folder) != before
    (folder / CONFIG_FILE).write_text(config)
    weights = safetensors.torch.load_file(folder / MODEL_FILE)
    name = next(iter(sorted(weights)))
    weights[name] = torch.nextafter(weights[name], torch.tensor(9.0))
    safetensors.torch.save_file(weights, folder / MODEL_FILE)
    assert tokenizer_sha256(folder) != before
