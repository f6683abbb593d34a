"""Golden files of the token store and its exports, written by hand from docs/formats.md: read, and written again."""

import ast
import json
import shutil
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from vqtool.codec.export_tokens import export_npz, export_raw
from vqtool.data import TokenClips
from vqtool.data.token_store import TokenStore, read_token_clips, read_token_info, token_clips_csv, token_file
from vqtool.data.token_verify import verify_tokens
from vqtool.data.token_writer import TokenFolder, TokenRows

GOLDEN = Path(__file__).parents[1] / "files" / "golden_tokens"
STORE = GOLDEN / "store"
TOKENS = [8 + number % 12 for number in range(32)]
LAST_TOKENS = [19 - number % 12 for number in range(16)]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("file", "descr", "shape", "values"),
    [
        ("tokens-00000.npy", "<u2", (8, 2, 2), struct.pack("<32H", *TOKENS)),
        ("tokens-00001.npy", "<u2", (4, 2, 2), struct.pack("<16H", *LAST_TOKENS)),
        ("context-00000.npy", "<u2", (3, 1, 2), struct.pack("<6H", *range(6))),
        ("context-00001.npy", "<u2", (1, 1, 2), struct.pack("<2H", 6, 7)),
        ("states-00001.npy", "<f4", (4, 2), struct.pack("<8f", *range(8))),
        ("codebook.npy", "<f4", (20, 2), struct.pack("<40f", *(number / 8 for number in range(40)))),
    ],
)
def test_the_files_read_by_hand(file: str, descr: str, shape: tuple[int, ...], values: bytes) -> None:
    """With nothing but struct: NumPy's format 1.0, C order."""
    content = (STORE / file).read_bytes()
    magic, (length,) = content[:8], struct.unpack_from("<H", content, 8)
    assert magic == b"\x93NUMPY\x01\x00" and (10 + length) % 64 == 0
    header = ast.literal_eval(content[10 : 10 + length].decode())
    assert header == {"descr": descr, "fortran_order": False, "shape": shape}
    assert content[10 + length :] == values


def test_the_store_is_read() -> None:
    assert verify_tokens(STORE).problems == ()
    store = TokenStore.open(STORE)
    first, second, third = store.clips
    assert [clip.clip for clip in store.split("train")] == ["a/cam0", "b/cam0"]
    assert (second.start, second.length, second.context_start, second.context_length) == (5, 3, 2, 1)
    assert second.source == "b, second.hdf5"
    assert store.tokens(second).ravel().tolist() == TOKENS[20:]
    assert store.tokens(third).ravel().tolist() == LAST_TOKENS
    context = store.context(first)
    assert context is not None and context.tolist() == [[[0, 1]], [[2, 3]]]
    batch = TokenClips(STORE, "train", 3).gather(np.array([1]))
    assert batch.tokens.ravel().tolist() == TOKENS[20:]
    assert batch.context is not None and batch.context.tolist() == [[[[4, 5]]]]
    assert batch.states[0, :, 0].tolist() == [2.5, 3.0, 3.5]
    np.testing.assert_array_equal(batch.actions[0, :, 0], np.array([-1, -2, np.nan], np.float32))


def test_a_store_from_before_there_was_a_search_is_read(tmp_path: Path) -> None:
    record = json.loads((STORE / "metadata.json").read_text())
    assert record.pop("search_steps") == 0
    shutil.copytree(STORE, tmp_path / "older")
    (tmp_path / "older" / "metadata.json").write_text(json.dumps(record))
    assert TokenStore.open(tmp_path / "older").info == read_token_info(STORE)


def test_the_writer_makes_the_same_bytes(tmp_path: Path) -> None:
    info = read_token_info(STORE)
    arrays = {
        token_file(kind, number): info.expected(kind, number) for kind in ("tokens", "context") for number in (0, 1)
    }
    with TokenFolder(tmp_path / "store", arrays, {"job": "golden"}) as folder:
        with TokenRows(tmp_path / "store", arrays, rank=0) as rows:
            for file in arrays:
                values = np.load(STORE / file)
                # The last row first: rows are put at their place.
                rows.write(file, len(values) - 1, values[-1:].astype(np.int64))
                rows.write(file, 0, values[:-1].astype(np.int64))
        folder.complete(json.dumps(asdict(info), indent=2) + "\n")
    written = contents(tmp_path / "store")
    assert written == {file: (STORE / file).read_bytes() for file in [*arrays, "metadata.json"]}
    assert token_clips_csv(read_token_clips(STORE, info), with_context=True) == (STORE / "clips.csv").read_bytes()


def test_raw_is_the_golden_one(tmp_path: Path) -> None:
    assert export_raw(TokenStore.open(STORE), tmp_path / "raw") == {"train": 8, "val": 4}
    assert contents(tmp_path / "raw") == contents(GOLDEN / "raw")
    assert (GOLDEN / "raw" / "train" / "context_ids.bin").read_bytes() == struct.pack("<8i", 0, 0, 0, 0, 1, 2, 2, 2)


def test_npz_has_the_members_of_the_golden_one(tmp_path: Path) -> None:
    """Member by member: what lies around them in a zip is up to NumPy."""
    assert export_npz(TokenStore.open(STORE), tmp_path / "npz", 3) == {"train": 2, "val": 1}
    for split in ("train", "val"):
        with (
            zipfile.ZipFile(tmp_path / "npz" / f"{split}.npz") as made,
            zipfile.ZipFile(GOLDEN / "npz" / f"{split}.npz") as golden,
        ):
            assert {name: made.read(name) for name in made.namelist()} == {
                name: golden.read(name) for name in golden.namelist()
            }
