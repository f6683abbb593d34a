import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder
from vqtool.runs.previews import PreviewClip, list_previews, read_array, read_preview, write_preview


def make_clip(seed: int, frames: int = 3) -> PreviewClip:
    rng = np.random.default_rng(seed)
    real, reconstruction = rng.integers(0, 256, (2, frames, 8, 12, 3), dtype=np.uint8)
    tokens = rng.integers(0, 1024, (frames, 2, 3), dtype=np.uint16)
    return PreviewClip(f"clip {seed}", real, reconstruction, tokens, (20.5, None, float("inf")))


def test_round_trip_is_exact(run: RunFolder) -> None:
    clips = [make_clip(0), make_clip(1, frames=1)]
    write_preview(run, 100, clips)
    [(step, folder)] = list_previews(run)
    assert step == 100
    for before, after in zip(clips, read_preview(folder), strict=True):
        assert after.name == before.name
        assert np.array_equal(after.real, before.real)
        assert np.array_equal(after.reconstruction, before.reconstruction)
        assert np.array_equal(after.tokens, before.tokens)
        assert after.psnr_db == (20.5, None, None)


def test_previews_ascend_and_half_written_ones_are_not_listed(run: RunFolder) -> None:
    for step in (20, 3, 100):
        write_preview(run, step, [make_clip(step)])
    (run.previews / "step-00000050").mkdir()
    assert [step for step, _ in list_previews(run)] == [3, 20, 100]


def test_kept_preview_is_not_overwritten(run: RunFolder) -> None:
    folder = write_preview(run, 1, [make_clip(0)])
    assert write_preview(run, 1, [make_clip(1)]) == folder
    assert read_preview(folder)[0].name == "clip 0"


def damage_png(folder: Path) -> None:
    png = folder / "clip-00.png"
    png.write_bytes(png.read_bytes()[:60])


def wrong_shape(folder: Path) -> None:
    index = json.loads((folder / "preview.json").read_text())
    index["clips"][0]["frames"] = 10**9
    (folder / "preview.json").write_text(json.dumps(index))


def pickle_tokens(folder: Path) -> None:
    np.save(folder / "clip-00.tokens.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def foreign_version(folder: Path) -> None:
    (folder / "preview.json").write_text('{"version": 99, "clips": []}')


@pytest.mark.parametrize(
    "damage",
    [
        damage_png,
        wrong_shape,
        pickle_tokens,
        foreign_version,
        lambda folder: (folder / "clip-00.png").unlink(),
        lambda folder: (folder / "clip-00.png").write_bytes(b"GIF89a"),
        lambda folder: (folder / "clip-00.tokens.npy").write_bytes(b""),
        lambda folder: (folder / "preview.json").write_text("[]"),
        lambda folder: (folder / "preview.json").write_text('{"version": 1, "clips": [3]}'),
        lambda folder: (folder / "preview.json").write_text('{"version": 1, "clips": [{"stem": "../../x"}]}'),
    ],
)
def test_damage_is_one_message(run: RunFolder, damage) -> None:
    folder = write_preview(run, 1, [make_clip(0)])
    damage(folder)
    with pytest.raises(RunError, match="step-00000001"):
        read_preview(folder)


def test_array_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.npy"
    np.save(path, np.arange(10))
    path.write_bytes(path.read_bytes().replace(b"(10,)", b"(10000000000000,)"))
    with pytest.raises(ValueError):
        read_array(path)


class Payload:
    """Writes a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_pickle_in_the_place_of_an_array_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "counts.npy").write_bytes(pickle.dumps(Payload(tmp_path / "executed")))
    with pytest.raises(ValueError):
        read_array(tmp_path / "counts.npy")
    assert not (tmp_path / "executed").exists()
