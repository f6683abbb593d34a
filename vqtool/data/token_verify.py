"""Checking a token store against its own index: every byte, every shape, every token."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vqtool.data.token_store import TokenContents, TokenStore, TokenStoreInfo, read_token_info, token_file
from vqtool.data.verify import Advance, Problem, Verification, check_file
from vqtool.errors import DataError

TOKENS: tuple[TokenContents, ...] = ("tokens", "context")


def verify_tokens(path: Path, advance: Advance | None = None) -> Verification:
    """Compare all files of the token store in the folder `path` with their checksums, and its index with itself.

    `advance` is called with the number of files done and of all.

    Raises:
        DataError: no store, or a `metadata.json` that cannot be read, so that nothing else can be checked.
    """
    info = read_token_info(path)
    checksums = info.sha256 | {file: digest for shard in info.shards for file, digest in shard.sha256.items()}
    problems, num_files = [*_unlisted(path, info)], len(checksums) + 1
    for done, (file, digest) in enumerate(sorted(checksums.items()), start=2):  # metadata.json was the first
        problems += check_file(path / Path(file).name, digest)
        if advance:
            advance(done, num_files)
    if not problems:
        problems += _check_tokens(path, info)
    return Verification(num_files, tuple(problems))


def _unlisted(path: Path, info: TokenStoreInfo) -> Iterator[Problem]:
    for number, shard in enumerate(info.shards):
        if set(shard.sha256) != {token_file(contents, number) for contents in info.contents}:
            yield Problem("metadata.json", f"shard {number} lists other files than its own")


def _check_tokens(path: Path, info: TokenStoreInfo) -> Iterator[Problem]:
    try:
        store = TokenStore.open(path)
    except DataError as error:
        yield Problem(path.name, str(error))
        return
    for number in range(len(info.shards)):
        for contents in TOKENS:
            if contents in info.contents:
                largest = int(np.max(store.array(contents, number), initial=0))
                if largest >= info.codebook_size:
                    yield Problem(token_file(contents, number), f"token {largest} of {info.codebook_size} codes")
