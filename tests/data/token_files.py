"""A token store written by hand, from what docs/formats.md says and nothing of the program."""

import hashlib
import json
from pathlib import Path

import numpy as np

LENGTHS = {"a/cam0": 9, "a/cam1": 5, "b/cam0": 7, "c/cam0": 4}
SPLITS = {"a": "train", "b": "train", "c": "val"}
COLUMNS = "clip,trajectory,camera,robot,split,shard,start,length,state_dim,action_dim,source"
GRID, CONTEXT_GRID, SEGMENT = (2, 3), (1, 2), 4
CODES = 1000


def write_token_store(folder: Path, with_context: bool) -> None:
    """Frame f of the store has tokens 6 f to 6 f + 5; grid s of the context 900 + 2 s and 901 + 2 s; a shard each two
    clips.
    """
    folder.mkdir()
    rows, shards, frame, grid = [], [], 0, 0
    digests = {}
    for shard, names in enumerate((("a/cam0", "a/cam1"), ("b/cam0", "c/cam0"))):
        num_frames = sum(LENGTHS[name] for name in names)
        num_grids = sum(-(-LENGTHS[name] // SEGMENT) for name in names)
        start, context_start = 0, 0
        for name in names:
            trajectory, camera = name.split("/")
            length, segments = LENGTHS[name], -(-LENGTHS[name] // SEGMENT)
            row = [name, trajectory, camera, "sawyer", SPLITS[trajectory], shard, start, length, 2, 1, "x.hdf5"]
            rows.append(row + ([context_start, segments] if with_context else []))
            start, context_start = start + length, context_start + segments
        frames = np.arange(frame, frame + num_frames)
        arrays = {
            "tokens": np.arange(6 * frame, 6 * (frame + num_frames), dtype="<u2").reshape(-1, *GRID),
            "states": np.stack([frames, -frames], axis=1).astype("<f4"),
            "actions": np.full((num_frames, 1), np.nan, dtype="<f4"),
        }
        if with_context:
            arrays["context"] = np.arange(900 + 2 * grid, 900 + 2 * (grid + num_grids), dtype="<u2").reshape(-1, 1, 2)
        frame, grid = frame + num_frames, grid + num_grids
        for contents, array in arrays.items():
            np.save(folder / f"{contents}-{shard:05d}.npy", array)
        files = {name: sha256(folder / name) for name in (f"{contents}-{shard:05d}.npy" for contents in arrays)}
        shards.append({"frames": num_frames, "segments": num_grids if with_context else 0, "sha256": files})
    head = COLUMNS + (",context_start,context_length" if with_context else "")
    (folder / "clips.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    np.save(folder / "codebook.npy", np.arange(CODES * 2, dtype="<f4").reshape(CODES, 2))
    digests = {name: sha256(folder / name) for name in ("clips.csv", "codebook.npy")}
    record = {
        "version": 1, "vqtool_version": "0.0", "tokenizer_sha256": "ab" * 32, "checkpoint": "runs/first",
        "codebook_size": CODES, "codebook_sizes": [CODES], "grid": GRID, "token_dtype": "uint16",
        "segment_frames": SEGMENT if with_context else 0, "context_grid": CONTEXT_GRID if with_context else None,
        "resolution": 64, "precision": "float32", "source": "robonet", "frames_sha256": "cd" * 32,
        "splits": {
            "train": {"trajectories": 2, "clips": 3, "frames": 21}, "val": {"trajectories": 1, "clips": 1, "frames": 4},
            "test": {"trajectories": 0, "clips": 0, "frames": 0},
        },
        "state_dim": 2, "action_dim": 1, "shards": shards, "sha256": digests,
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(record))


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
